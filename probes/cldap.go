package probes

import (
	"bytes"
	"cmreach/probes/wire/ber"
	"cmreach/scanner"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

const cldapDoc = `Asks a domain controller who it is by one datagram

Sends: the LDAP ping by which Windows finds a domain controller ([MS-ADTS]
6.3.3): a search of the rootDSE for the attribute NetLogon, with a random
message id, to UDP 389.
Proves: that a domain controller answers, which one, and what it does there
(global catalog, key distribution center). LDAP without NetLogon is the wrong
service.
Cannot prove: that LDAP over TCP gets through. Silence decides nothing where
datagrams are lost.
Needs: UDP to the port, no rights.`

// CLDAP returns the probe for a domain controller on UDP 389.
func CLDAP() scanner.Probe {
	return scanner.Probe{Name: "cldap", Doc: cldapDoc, Protocol: scanner.UDP, Request: cldapRequest, Decode: cldapDecode}
}

// The operations of LDAP in use (RFC 4511 4.2 to 4.5).
const (
	ldapOpSearch = ber.Application + 3
	ldapOpEntry  = ber.Application + 4
	ldapOpDone   = ber.Application + 5
)

// netlogonVersion asks for the extended answer: NETLOGON_NT_VERSION_5 and
// NETLOGON_NT_VERSION_5EX ([MS-ADTS] 6.3.1.1).
const netlogonVersion = 0x06

const netlogonAttribute = "NetLogon"

// cldapRequest is an LDAP ping ([MS-ADTS] 6.3.3.2). Without DnsDomain it asks
// for the domain that the domain controller is of.
func cldapRequest(scanner.Ask) []byte {
	var id [4]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	version := binary.LittleEndian.AppendUint32(nil, netlogonVersion)
	equals := ber.Encode(
		ber.Context+3, // equalityMatch, RFC 4511 4.5.1
		ber.EncodeText(ber.OctetString, "NtVer"), ber.Encode(ber.OctetString, version),
	)
	const baseObject, neverAlias = 0, 0
	search := ber.Encode(
		ldapOpSearch,
		ber.EncodeText(ber.OctetString, ""),
		ber.EncodeInt(ber.Enumerated, baseObject), ber.EncodeInt(ber.Enumerated, neverAlias),
		ber.EncodeInt(ber.Integer, 0), ber.EncodeInt(ber.Integer, 0), // no limits
		ber.Encode(ber.Boolean, []byte{0}), // types and values
		ber.Encode(ber.Context+0, equals),  // and
		ber.Encode(ber.Sequence, ber.EncodeText(ber.OctetString, netlogonAttribute)),
	)
	const maxID = 1<<31 - 1 // RFC 4511 4.1.1.1; 0 is the server's
	number := max(binary.BigEndian.Uint32(id[:])&maxID, 1)
	return ber.Encode(ber.Sequence, ber.EncodeInt(ber.Integer, number), search)
}

func cldapDecode(request, answer []byte) scanner.Result {
	if len(answer) == 0 || answer[0] != ldapMessage {
		return scanner.Result{Outcome: scanner.Foreign, Err: "no LDAP: the answer begins " + lookedLike(answer)}
	}
	asked, err := readCLDAP(request)
	if err != nil {
		return scanner.Result{Outcome: scanner.LocalError, Err: "the request: " + err.Error()}
	}
	got, err := readCLDAP(answer)
	switch {
	case err != nil:
		return scanner.Result{Outcome: scanner.Garbled, Err: err.Error()}
	case got.id != asked.id:
		return scanner.Result{Outcome: scanner.Foreign, Err: "an answer to a request that was not made"}
	case got.searches:
		return scanner.Result{Outcome: scanner.Foreign, Err: "sent the request back"}
	case !got.entry && !got.done:
		return scanner.Result{Outcome: scanner.Foreign, Err: "LDAP, but no answer to a search"}
	case got.netlogon != nil:
		return netlogonResult(got.netlogon)
	case got.entry:
		const other = "LDAP, but not Active Directory (it has no " + netlogonAttribute + ")"
		return scanner.Result{Outcome: scanner.Foreign, Err: other}
	}
	r := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
	r.Detail("answer", fmt.Sprintf("a directory, which does not say who it is (result %d)", got.code))
	return r
}

// cldapMessages is what the messages of one datagram say together.
type cldapMessages struct {
	id       int64
	searches bool   // a request is among them
	entry    bool   // a search result entry is
	netlogon []byte // its attribute NetLogon
	done     bool   // the end of a search is
	code     int64  // with this result
}

var errCLDAPIDs = errors.New("messages of different ids in one datagram")

// readCLDAP reads the messages of a datagram, which for a search are its entry
// and its end, one after the other.
func readCLDAP(b []byte) (cldapMessages, error) {
	var m cldapMessages
	for n := 0; n == 0 || len(b) > 0; n++ {
		message, rest, err := ber.Want(b, ber.Sequence)
		if err != nil {
			return m, err
		}
		id, body, err := ber.WantInt(message, ber.Integer)
		if err != nil {
			return m, err
		}
		if n > 0 && id != m.id {
			return m, errCLDAPIDs
		}
		m.id = id
		op, _, err := ber.Next(body)
		if err != nil {
			return m, err
		}
		switch op.Tag {
		case ldapOpSearch:
			m.searches = true
		case ldapOpEntry:
			m.entry = true
			if err := m.readEntry(op.Value); err != nil {
				return m, err
			}
		case ldapOpDone:
			m.done = true
			if m.code, _, err = ber.WantInt(op.Value, ber.Enumerated); err != nil {
				return m, err
			}
		}
		b = rest
	}
	return m, nil
}

// readEntry looks for the attribute NetLogon (RFC 4511 4.5.2).
func (m *cldapMessages) readEntry(b []byte) error {
	_, b, err := ber.Want(b, ber.OctetString) // the name of the entry
	if err != nil {
		return err
	}
	attributes, _, err := ber.Want(b, ber.Sequence)
	if err != nil {
		return err
	}
	for len(attributes) > 0 {
		var attribute []byte
		if attribute, attributes, err = ber.Want(attributes, ber.Sequence); err != nil {
			return err
		}
		name, values, err := ber.Want(attribute, ber.OctetString)
		if err != nil {
			return err
		}
		values, _, err = ber.Want(values, ber.Set)
		if err != nil {
			return err
		}
		if !strings.EqualFold(string(name), netlogonAttribute) || len(values) == 0 {
			continue
		}
		value, _, err := ber.Want(values, ber.OctetString)
		if err != nil {
			return err
		}
		m.netlogon = bytes.Clone(value)
		if m.netlogon == nil {
			m.netlogon = []byte{} // there, and empty
		}
	}
	return nil
}
