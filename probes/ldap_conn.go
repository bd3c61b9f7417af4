package probes

import (
	"bytes"
	"cmreach/scanner"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/go-ldap/ldap/v3"
)

// ldapMessage is the first byte of every LDAP message: a sequence (RFC 4511
// 4.1.1, 5.1).
const ldapMessage = 0x30

var errNotLDAP = errors.New("the answer is no LDAP message")

// ldapWire is a connection under an LDAP client. It ends the reading when the
// answer begins as no LDAP message does, and when enough was read. The client
// reads in a goroutine of its own.
type ldapWire struct {
	net.Conn
	left int // how much is still taken in

	mu     sync.Mutex
	first  []byte
	ended  error // how the reading ended
	closed bool  // by this side: what the reading ends with after that says nothing
}

func (w *ldapWire) Read(b []byte) (int, error) {
	n, err := w.read(b)
	if first := w.begun(); len(first) > 0 && first[0] != ldapMessage {
		w.restOfLine(err)
		n, err = 0, errNotLDAP
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil && !w.closed {
		w.ended = err
	}
	return n, err
}

func (w *ldapWire) read(b []byte) (int, error) {
	if w.left == 0 {
		return 0, errTooMuch
	}
	n, err := w.Conn.Read(b[:min(len(b), w.left)])
	w.left -= n
	w.mu.Lock()
	defer w.mu.Unlock()
	w.first = keepFirst(w.first, b[:n])
	return n, err
}

// Write sends, and leaves it to the reading to find out that it did not work: a
// peer that has hung up may have said what it is.
func (w *ldapWire) Write(b []byte) (int, error) {
	_, _ = w.Conn.Write(b)
	return len(b), nil
}

// Close ends the connection.
func (w *ldapWire) Close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	return w.Conn.Close()
}

// restOfLine waits for the first line of a foreign text, as it may come in
// pieces.
func (w *ldapWire) restOfLine(err error) {
	chunk := make([]byte, prefixLen)
	for err == nil {
		if first := w.begun(); !isText(first) || len(first) >= prefixLen || bytes.ContainsRune(first, '\n') {
			return
		}
		_, err = w.read(chunk)
	}
}

func (w *ldapWire) begun() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.first
}

// end says what came first and how the reading ended.
func (w *ldapWire) end() ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.first, w.ended
}

// ldapSearch holds one search over a connection, and ends it.
func ldapSearch(conn net.Conn, request *ldap.SearchRequest) (found *ldap.SearchResult, err error) {
	client := ldap.NewConn(conn, false)
	client.Start()
	defer func() { _ = client.Close() }()
	defer func() { // the library looks into messages from the network
		if p := recover(); p != nil {
			found, err = nil, fmt.Errorf("malformed answer: %v", p)
		}
	}()
	found, err = client.Search(request)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// ldapStartTLS asks for TLS on a fresh connection, and ends it.
func ldapStartTLS(conn net.Conn, config *tls.Config) (err error) {
	client := ldap.NewConn(conn, false)
	client.Start()
	defer func() { _ = client.Close() }()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("malformed answer: %v", p)
		}
	}()
	return client.StartTLS(config)
}

// ldapFailed says how a conversation ended that came to no answer.
func ldapFailed(ctx context.Context, wire *ldapWire, err error) scanner.Result {
	first, ended := wire.end()
	r := scanner.Result{Err: printable(err.Error(), httpMaxText)}
	late := ctx.Err() != nil || errors.Is(ended, os.ErrDeadlineExceeded)
	switch {
	case errors.Is(ended, errNotLDAP) && looksTLS(first):
		r.Outcome, r.Err = scanner.Foreign, "no LDAP: the port speaks TLS"
		r.Detail("answer", "a TLS message: the port speaks TLS, not plain LDAP")
	case errors.Is(ended, errNotLDAP):
		r.Outcome, r.Err = scanner.Foreign, "no LDAP: the answer begins "+lookedLike(first)
		r.Detail("answer", lookedLike(first))
	case errors.Is(ended, errTooMuch):
		r.Outcome, r.Err = scanner.Garbled, "the answer is larger than any right one"
	case late && len(first) == 0:
		r.Outcome, r.Err = scanner.Mute, "no answer in time"
	case late:
		r.Outcome, r.Err = scanner.Mute, "the answer did not end in time"
	case ended != nil && isEnd(ended):
		r.Outcome, r.Err = scanner.Cut, "the connection ended before the end of an answer: "+printable(howCut(ended), httpMaxText)
	default:
		r.Outcome = scanner.Garbled
	}
	return r
}

// ldapAnswered reports whether an error is an answer of the directory, and not
// how the way to it failed, and names it.
func ldapAnswered(err error) (string, bool) {
	var answer *ldap.Error
	if !errors.As(err, &answer) || answer.ResultCode >= ldap.ErrorNetwork {
		return "", false
	}
	return fmt.Sprintf("%s (%d)", ldap.LDAPResultCodeMap[answer.ResultCode], answer.ResultCode), true
}

// ldapRefused is the result for an answer that is an error (RFC 4511 appendix
// A.2). Active Directory says operationsError to those who must bind first.
func ldapRefused(err error) scanner.Result {
	var answer *ldap.Error
	text, ok := ldapAnswered(err)
	if !ok || !errors.As(err, &answer) {
		return scanner.Result{Outcome: scanner.Garbled, Err: printable(err.Error(), httpMaxText)}
	}
	r := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
	switch answer.ResultCode {
	case ldap.LDAPResultOperationsError, ldap.LDAPResultStrongAuthRequired, ldap.LDAPResultConfidentialityRequired,
		ldap.LDAPResultInappropriateAuthentication, ldap.LDAPResultInvalidCredentials,
		ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultUnwillingToPerform:
		r.NeedsCredentials = true
	case ldap.LDAPResultNoSuchObject, ldap.LDAPResultProtocolError:
		r.Outcome, r.Proof = scanner.Foreign, scanner.AssuranceNone
		r.Err = "LDAP, but not Active Directory (the root of the directory is not shown)"
	}
	r.Detail("answer", printable("the directory answered "+text, httpMaxText))
	if said := printable(answer.Err.Error(), httpMaxText); said != "" {
		r.Detail("said", said)
	}
	return r
}
