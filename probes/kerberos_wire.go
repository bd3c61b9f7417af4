package probes

import (
	"cmreach/probes/wire/ber"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// The messages of Kerberos by their tag and type (RFC 4120 5.10, 7.5.7).
const (
	kerberosRequest = ber.Application + 10
	kerberosReply   = ber.Application + 11
	kerberosError   = ber.Application + 30

	kerberosVersion   = 5
	kerberosTypeASReq = 10
	kerberosTypeError = 30
)

// looksKerberos reports whether a message begins as an answer to an AS-REQ.
func looksKerberos(tag byte) bool { return tag == kerberosReply || tag == kerberosError }

// kerberosTime is the form of KerberosTime (RFC 4120 5.2.3).
const kerberosTime = "20060102150405Z"

// encodeASRequest writes an AS-REQ for a principal that does not exist.
func encodeASRequest(realm string) []byte {
	var random [12]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	const (
		principal, service = 1, 2 // NT-PRINCIPAL, NT-SRV-INST: RFC 4120 6.2
		aes256, aes128     = 18, 17
		rc4                = 23
		maxNonce           = 1<<31 - 1 // some servers read it as signed
	)
	field := func(n byte, value []byte) []byte { return ber.Encode(ber.Context+n, value) }
	name := func(kind uint32, parts ...string) []byte {
		var list [][]byte
		for _, p := range parts {
			list = append(list, ber.EncodeText(ber.GeneralString, p))
		}
		return ber.Encode(ber.Sequence, field(0, ber.EncodeInt(ber.Integer, kind)), field(1, ber.Encode(ber.Sequence, list...)))
	}
	var types [][]byte
	for _, t := range []uint32{aes256, aes128, rc4} {
		types = append(types, ber.EncodeInt(ber.Integer, t))
	}
	body := ber.Encode(
		ber.Sequence,
		field(0, ber.Encode(ber.BitString, make([]byte, 5))), // no options: 0 unused bits, then 32 bits
		field(1, name(principal, "cmreach-"+hex.EncodeToString(random[:8]))),
		field(2, ber.EncodeText(ber.GeneralString, realm)),
		field(3, name(service, "krbtgt", realm)),
		field(5, ber.EncodeText(ber.GeneralizedTime, "20370913024805Z")), // till: as long as may be
		field(7, ber.EncodeInt(ber.Integer, binary.BigEndian.Uint32(random[8:])&maxNonce)),
		field(8, ber.Encode(ber.Sequence, types...)),
	)
	return ber.Encode(kerberosRequest, ber.Encode(
		ber.Sequence,
		field(1, ber.EncodeInt(ber.Integer, kerberosVersion)),
		field(2, ber.EncodeInt(ber.Integer, kerberosTypeASReq)),
		field(4, body),
	))
}

// kerberosFailure is a KRB-ERROR as far as it is of use (RFC 4120 5.9.1).
type kerberosFailure struct {
	version    int64
	kind       int64
	code       int64
	serverTime time.Time
	realm      string
	text       string
}

var errKerberos = errors.New("malformed KRB-ERROR")

func decodeKerberosError(b []byte) (kerberosFailure, error) {
	var e kerberosFailure
	inner, rest, err := ber.Want(b, kerberosError)
	if err != nil {
		return e, fmt.Errorf("%w: %w", errKerberos, err)
	}
	if len(rest) > 0 {
		return e, fmt.Errorf("%w: %d bytes after it", errKerberos, len(rest))
	}
	fields, rest, err := ber.Want(inner, ber.Sequence)
	if err != nil {
		return e, fmt.Errorf("%w: %w", errKerberos, err)
	}
	if len(rest) > 0 {
		return e, fmt.Errorf("%w: %d bytes after its sequence", errKerberos, len(rest))
	}
	seen := map[byte]bool{}
	for len(fields) > 0 {
		var f ber.Element
		if f, fields, err = ber.Next(fields); err != nil {
			return e, fmt.Errorf("%w: %w", errKerberos, err)
		}
		if err := e.set(f); err != nil {
			return e, fmt.Errorf("%w: field %d: %w", errKerberos, f.Tag&0x1f, err)
		}
		seen[f.Tag] = true
	}
	for _, n := range []byte{0, 1, 4, 6, 9} { // what every one has, and is of use
		if !seen[ber.Context+n] {
			return e, fmt.Errorf("%w: field %d is missing", errKerberos, n)
		}
	}
	if e.version != kerberosVersion || e.kind != kerberosTypeError {
		return e, fmt.Errorf("%w: version %d, type %d", errKerberos, e.version, e.kind)
	}
	return e, nil
}

// set takes in one field. Unknown ones are for later versions of the message.
func (e *kerberosFailure) set(f ber.Element) (err error) {
	var text []byte
	switch f.Tag {
	case ber.Context + 0:
		e.version, _, err = ber.WantInt(f.Value, ber.Integer)
	case ber.Context + 1:
		e.kind, _, err = ber.WantInt(f.Value, ber.Integer)
	case ber.Context + 4:
		if text, _, err = ber.Want(f.Value, ber.GeneralizedTime); err == nil {
			e.serverTime, err = time.Parse(kerberosTime, string(text))
		}
	case ber.Context + 6:
		e.code, _, err = ber.WantInt(f.Value, ber.Integer)
	case ber.Context + 9:
		text, _, err = ber.Want(f.Value, ber.GeneralString)
		e.realm = string(text)
	case ber.Context + 11:
		text, _, err = ber.Want(f.Value, ber.GeneralString)
		e.text = string(text)
	}
	return err
}

// The errors that matter here (RFC 4120 7.5.9, RFC 6806 for the referral).
const (
	kdcLastOwn     = 29 // KDC_ERR_SVC_UNAVAILABLE: up to here they are the KDC's
	kdcWrongRealm  = 68
	kdcUnknownName = 6
)

// fromKDC reports whether only a key distribution center gives this error.
func (e kerberosFailure) fromKDC() bool {
	return e.code >= 1 && e.code <= kdcLastOwn || e.code == kdcWrongRealm
}

func kerberosErrorText(code int64) string {
	switch code {
	case kdcUnknownName:
		return "the principal is unknown, as it must be"
	case 7:
		return "the realm's own service is unknown"
	case 12:
		return "policy refuses the request"
	case 14:
		return "none of the encryption types is supported"
	case 25:
		return "preauthentication is wanted"
	case kdcLastOwn:
		return "the service is not available"
	case 60:
		return "a generic error"
	case kdcWrongRealm:
		return "it serves another realm"
	}
	return "an error"
}
