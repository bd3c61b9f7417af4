package probes

import (
	"bytes"
	"cmreach/scanner"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

const kerberosDoc = `Asks a key distribution center for a ticket that it cannot give

Sends: an AS-REQ (RFC 4120 5.4.1) without preauthentication, for a principal with a
random name in the realm of the host's DNS domain, over TCP. No account has such
a name: nothing is locked, and nobody's password is tried.
Proves: that a key distribution center answers, by the error that it gives for
an unknown principal or realm, and what its clock says.
Cannot prove: which computer it is, nor that an account can sign in.
Needs: TCP to the port, no rights.`

// Kerberos returns the probe for a key distribution center on TCP 88.
func Kerberos() scanner.Probe {
	return scanner.Probe{Name: "kerberos", Doc: kerberosDoc, Protocol: scanner.TCP, Talk: talkKerberos}
}

const (
	kerberosFrame      = 4        // the length before each message, RFC 4120 7.2.2
	kerberosMaxMessage = 16 << 10 // a KRB-ERROR has some 100 bytes
	kerberosNoRealm    = "CMREACH.INVALID"
)

func talkKerberos(ctx context.Context, c scanner.Call) scanner.Result {
	realm := strings.ToUpper(domainOf(c.Host))
	if realm == "" {
		realm = kerberosNoRealm
	}
	request := encodeASRequest(realm)
	conn, reply := c.Dial(ctx)
	if conn == nil {
		return scanner.Result{Outcome: reply.Outcome, Reply: reply, Err: reply.Err}
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	framed := binary.BigEndian.AppendUint32(nil, uint32(len(request))) //nolint:gosec // G115: names of at most 255 bytes
	// A peer that has hung up may have said what it is: read in any case.
	_, _ = conn.Write(append(framed, request...))
	k := kerberosStream{ctx: ctx, wire: &httpWire{Conn: conn, left: 2 * kerberosMaxMessage}}
	message, failed := k.message()
	if failed.Outcome != scanner.OutcomeUnknown {
		return failed
	}
	return kerberosResult(message)
}

// kerberosStream reads from one connection.
type kerberosStream struct {
	ctx  context.Context
	wire *httpWire
	buf  []byte
}

// message reads one framed message and judges each byte when it comes.
func (k *kerberosStream) message() ([]byte, scanner.Result) {
	for {
		if len(k.buf) >= kerberosFrame {
			n := binary.BigEndian.Uint32(k.buf)
			body := k.buf[kerberosFrame:]
			switch {
			case n == 0 || n > kerberosMaxMessage, len(body) > 0 && !looksKerberos(body[0]):
				return nil, k.foreign()
			case uint64(len(body)) >= uint64(n):
				return body[:n], scanner.Result{}
			}
		}
		if err := k.fill(); err != nil {
			return nil, k.failed(err)
		}
	}
}

func (k *kerberosStream) fill() error {
	chunk := make([]byte, 2<<10)
	n, err := k.wire.Read(chunk)
	k.buf = append(k.buf, chunk[:n]...)
	if n > 0 {
		return nil
	}
	return err
}

// failed says how the reading ended before there was a message.
func (k *kerberosStream) failed(err error) scanner.Result {
	late := k.ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case late && len(k.buf) == 0:
		return scanner.Result{Outcome: scanner.Mute, Err: "no answer in time"}
	case late:
		return scanner.Result{Outcome: scanner.Mute, Err: "the answer did not end in time"}
	case len(k.buf) > 0 && len(k.buf) < kerberosFrame && isText(k.buf):
		return k.foreign()
	}
	return scanner.Result{
		Outcome: scanner.Cut,
		Err:     fmt.Sprintf("%s after %d bytes of an answer", printable(howCut(err), httpMaxText), len(k.buf)),
	}
}

// foreign says what a foreign answer looks like. Of text it waits for the first
// line, as the banner may come in pieces.
func (k *kerberosStream) foreign() scanner.Result {
	for isText(k.buf) && len(k.buf) < prefixLen && !bytes.ContainsRune(k.buf, '\n') {
		if k.fill() != nil {
			break
		}
	}
	looks := lookedLike(k.buf)
	r := scanner.Result{Outcome: scanner.Foreign, Err: "no Kerberos: the answer begins " + looks}
	r.Detail("answer", looks)
	return r
}

// kerberosResult says what an answer to the request means.
func kerberosResult(message []byte) scanner.Result {
	if message[0] == kerberosReply {
		return scanner.Result{Outcome: scanner.Foreign, Err: "a ticket for a principal that cannot exist: no real key distribution center"}
	}
	e, err := decodeKerberosError(message)
	if err != nil {
		return scanner.Result{Outcome: scanner.Garbled, Err: printable(err.Error(), httpMaxText)}
	}
	r := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
	if e.fromKDC() {
		r.Proof = scanner.AssuranceRole
	}
	r.Identity.Clock = e.serverTime
	r.Detail("answer", fmt.Sprintf("%s (%d)", kerberosErrorText(e.code), e.code))
	if realm := cleanName(e.realm); realm != "" {
		r.Detail("realm", realm)
	}
	if said := printable(e.text, httpMaxText); said != "" {
		r.Detail("said", said)
	}
	return r
}
