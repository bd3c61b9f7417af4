package rdp

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Protocols is a set of security protocols ([MS-RDPBCGR] 2.2.1.1.1).
type Protocols uint32

// The security protocols. Without any it is RDP's own, from before TLS.
const (
	ProtocolTLS      Protocols = 1
	ProtocolCredSSP  Protocols = 2 // network level authentication, over TLS
	ProtocolRDSTLS   Protocols = 4
	ProtocolHybridEx Protocols = 8 // CredSSP with early user authorization
	ProtocolAAD      Protocols = 16
)

// String names the protocols of the set.
func (p Protocols) String() string {
	if p == 0 {
		return "standard RDP security"
	}
	var names []string
	for i, name := range []string{"TLS", "CredSSP", "RDSTLS", "CredSSP with early authorization", "RDS AAD"} {
		if p&(1<<i) != 0 {
			names = append(names, name)
			p &^= 1 << i
		}
	}
	if p != 0 {
		names = append(names, fmt.Sprintf("%#x", uint32(p)))
	}
	return strings.Join(names, ", ")
}

// Failure is why a server refuses what was asked for ([MS-RDPBCGR] 2.2.1.2.2).
// All of them come from a server that speaks RDP.
type Failure uint32

// String names the failure as the document does.
func (f Failure) String() string {
	names := []string{
		1: "SSL_REQUIRED_BY_SERVER", 2: "SSL_NOT_ALLOWED_BY_SERVER", 3: "SSL_CERT_NOT_ON_SERVER",
		4: "INCONSISTENT_FLAGS", 5: "HYBRID_REQUIRED_BY_SERVER", 6: "SSL_WITH_USER_AUTH_REQUIRED_BY_SERVER",
	}
	if f == 0 || int64(f) >= int64(len(names)) {
		return fmt.Sprintf("failure %d", uint32(f))
	}
	return names[f]
}

// FrameVersion is the first byte of every frame.
const FrameVersion = 3

// The lengths of messages.
const (
	FrameHeaderLen = 4  // TPKT (RFC 1006 section 6)
	minMessage     = 11 // TPKT and the fixed part of X.224 (ITU-T X.224 13.3, 13.4)
	MaxMessage     = 512
	negotiationLen = 8
)

// The kinds of messages: X.224 codes and types of negotiation.
const (
	codeRequest    = 0xe0
	codeConfirm    = 0xd0
	codeDisconnect = 0x80

	typeRequest  = 1
	typeResponse = 2
	typeFailure  = 3
)

// FrameLength reads the length of a message, with its frame, from its first
// four bytes.
func FrameLength(b [FrameHeaderLen]byte) (int, error) {
	n := int(binary.BigEndian.Uint16(b[2:]))
	switch {
	case b[0] != FrameVersion:
		return 0, fmt.Errorf("not a TPKT frame: version %d", b[0])
	case n < minMessage, n > MaxMessage:
		return 0, fmt.Errorf("a TPKT frame of %d bytes, want %d to %d", n, minMessage, MaxMessage)
	}
	return n, nil
}

// Request is a Connection Request that asks for security protocols.
type Request struct{ Protocols Protocols }

// Marshal writes the message with its frame.
func (r Request) Marshal() []byte {
	return frame(codeRequest, 0, 0, negotiation(typeRequest, 0, uint32(r.Protocols)))
}

// Answer is what a server says to a Request.
type Answer struct {
	// Disconnected: the connection is refused as such (ITU-T X.224 13.5).
	Disconnected bool
	Reason       byte
	// Negotiated: the server knows of security protocols, as all do since
	// Windows XP; then it chose one or refused.
	Negotiated bool
	Flags      byte // what it supports ([MS-RDPBCGR] 2.2.1.2.1)
	Selected   Protocols
	Failure    Failure // not zero: refused
	// Source is the server's reference for the connection.
	Source uint16
}

// Marshal writes the message with its frame.
func (a Answer) Marshal() []byte {
	switch {
	case a.Disconnected:
		return frame(codeDisconnect, a.Source, a.Reason, nil)
	case !a.Negotiated:
		return frame(codeConfirm, a.Source, 0, nil)
	case a.Failure != 0:
		return frame(codeConfirm, a.Source, 0, negotiation(typeFailure, a.Flags, uint32(a.Failure)))
	}
	return frame(codeConfirm, a.Source, 0, negotiation(typeResponse, a.Flags, uint32(a.Selected)))
}

// ParseAnswer reads a message with its frame.
func ParseAnswer(b []byte) (Answer, error) {
	if len(b) < minMessage {
		return Answer{}, fmt.Errorf("malformed X.224 message: %d bytes", len(b))
	}
	n, err := FrameLength([FrameHeaderLen]byte(b))
	if err != nil {
		return Answer{}, err
	}
	if n != len(b) || int(b[4]) != n-FrameHeaderLen-1 {
		return Answer{}, fmt.Errorf("malformed X.224 message: %d bytes, frame says %d, length indicator %d", len(b), n, b[4])
	}
	a := Answer{Source: binary.BigEndian.Uint16(b[8:])}
	rest := b[minMessage:]
	switch code := b[5] & 0xf0; {
	case code == codeDisconnect:
		a.Disconnected, a.Reason = true, b[10]
		return a, nil
	case code != codeConfirm:
		return Answer{}, fmt.Errorf("X.224 message %#02x in place of a Connection Confirm", b[5])
	case len(rest) == 0:
		return a, nil
	case len(rest) != negotiationLen, binary.LittleEndian.Uint16(rest[2:]) != negotiationLen:
		return Answer{}, fmt.Errorf("malformed X.224 Connection Confirm: a negotiation of %d bytes", len(rest))
	}
	a.Negotiated, a.Flags = true, rest[1]
	value := binary.LittleEndian.Uint32(rest[4:])
	switch {
	case rest[0] == typeResponse:
		a.Selected = Protocols(value)
	case rest[0] == typeFailure && value != 0:
		a.Failure = Failure(value)
	default:
		return Answer{}, fmt.Errorf("malformed X.224 Connection Confirm: negotiation of type %d with value %d", rest[0], value)
	}
	return a, nil
}

// frame writes an X.224 message; last is its class, or the reason of a disconnect.
func frame(code byte, source uint16, last byte, data []byte) []byte {
	n := minMessage + len(data)                                                        // at most 19
	b := []byte{FrameVersion, 0, 0, byte(n), byte(n - FrameHeaderLen - 1), code, 0, 0} //nolint:gosec // it is short
	b = binary.BigEndian.AppendUint16(b, source)
	return append(append(b, last), data...)
}

func negotiation(kind, flags byte, value uint32) []byte {
	b := []byte{kind, flags, negotiationLen, 0}
	return binary.LittleEndian.AppendUint32(b, value)
}
