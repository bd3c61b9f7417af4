package smb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
	"unicode/utf16"
)

// The SMB1 header and the NEGOTIATE command ([MS-CIFS] 2.2.3.1, 2.2.4.52).
const (
	headerLenV1        = 32
	commandNegotiateV1 = 0x72
	flagResponseV1     = 0x80
	flags2Long         = 0x0001
	flags2Extended     = 0x0800
	flags2NTStatus     = 0x4000
	flags2Unicode      = 0x8000
	wordsNTLM012       = 17
	noDialectV1        = 0xffff
)

// CapExtendedSecurityV1 is the SMB1 capability that says that a security buffer
// takes the place of the names ([MS-SMB] 2.2.4.5.2.1).
const CapExtendedSecurityV1 uint32 = 0x80000000

// DialectsV1 are the dialect strings of a multi-protocol request: the last
// SMB1 dialect, and the two that a server with SMB2 answers in SMB2
// ([MS-SMB2] 3.2.4.2.2.1).
func DialectsV1() []string { return []string{"NT LM 0.12", "SMB 2.002", "SMB 2.???"} }

// NegotiateRequestV1 is the SMB1 NEGOTIATE request ([MS-CIFS] 2.2.4.52.1). It
// does not offer extended security, because a server then gives its names.
type NegotiateRequestV1 struct {
	Dialects []string // without NUL
}

// Marshal writes the message.
func (r NegotiateRequestV1) Marshal() []byte {
	var dialects []byte
	for _, d := range r.Dialects {
		dialects = append(dialects, 2) // a dialect follows
		dialects = append(dialects, d...)
		dialects = append(dialects, 0)
	}
	dialects = short(dialects)
	b := headerV1(0, flags2Long|flags2NTStatus|flags2Unicode)
	b = append(b, 0) // no words
	b = binary.LittleEndian.AppendUint16(b, count(len(dialects)))
	return append(b, dialects...)
}

// ParseNegotiateRequestV1 reads the message.
func ParseNegotiateRequestV1(msg []byte) (NegotiateRequestV1, error) {
	var r NegotiateRequestV1
	m, err := parseV1(msg)
	if err != nil {
		return r, err
	}
	if m.response {
		return r, &Error{Field: "flags", Offset: 9, Reason: "a response, want a request"}
	}
	for rest := m.data; len(rest) > 0; {
		at := len(msg) - len(rest)
		end := bytes.IndexByte(rest, 0)
		if rest[0] != 2 || end < 0 {
			return r, &Error{Field: "dialects", Offset: at, Reason: "no dialect string"}
		}
		r.Dialects = append(r.Dialects, string(rest[1:end]))
		rest = rest[end+1:]
	}
	return r, nil
}

// NegotiateResponseV1 is the SMB1 NEGOTIATE response ([MS-CIFS] 2.2.4.52.2 and
// [MS-SMB] 2.2.4.5.2). Only DialectIndex is set when the server chose a dialect
// older than "NT LM 0.12", or none.
type NegotiateResponseV1 struct {
	DialectIndex uint16 // into the dialects of the request; 0xffff: none of them
	// SecurityMode: bit 0 user level, 1 challenge/response, 2 signing enabled,
	// 3 signing required.
	SecurityMode byte
	Capabilities uint32
	SystemTime   time.Time
	// Domain and Server are the names that a server gives without extended
	// security; with it there are ServerGUID and Security.
	Domain, Server string
	ServerGUID     GUID
	Security       []byte
}

// The signing bits of NegotiateResponseV1.SecurityMode.
const (
	SigningEnabledV1  byte = 0x04
	SigningRequiredV1 byte = 0x08
)

// None reports that the server accepted no dialect of the request.
func (r NegotiateResponseV1) None() bool { return r.DialectIndex == noDialectV1 }

// Marshal writes the message in the form for "NT LM 0.12".
func (r NegotiateResponseV1) Marshal() []byte {
	flags2 := uint16(flags2Long | flags2NTStatus | flags2Unicode)
	var challenge, data []byte
	if r.Capabilities&CapExtendedSecurityV1 != 0 {
		flags2 |= flags2Extended
		data = append(append(data, r.ServerGUID[:]...), r.Security...)
	} else {
		challenge = make([]byte, 8) // nobody logs on
		data = append(data, challenge...)
		data = appendUTF16(data, r.Domain)
		data = appendUTF16(data, r.Server)
	}
	data = short(data)
	words := make([]byte, 2*wordsNTLM012)
	binary.LittleEndian.PutUint16(words[0:], r.DialectIndex)
	words[2] = r.SecurityMode
	binary.LittleEndian.PutUint16(words[3:], 50)    // requests at a time
	binary.LittleEndian.PutUint16(words[5:], 1)     // virtual circuits
	binary.LittleEndian.PutUint32(words[7:], 16644) // buffer
	binary.LittleEndian.PutUint32(words[11:], 65536)
	binary.LittleEndian.PutUint32(words[19:], r.Capabilities)
	binary.LittleEndian.PutUint64(words[23:], fileTime(r.SystemTime))
	words[33] = byte(len(challenge)) //nolint:gosec // 0 or 8
	b := append(headerV1(flagResponseV1, flags2), wordsNTLM012)
	b = append(b, words...)
	b = binary.LittleEndian.AppendUint16(b, count(len(data)))
	return append(b, data...)
}

// ParseNegotiateResponseV1 reads the message. When the server refused, the
// error is its [Status].
func ParseNegotiateResponseV1(msg []byte) (NegotiateResponseV1, error) {
	var r NegotiateResponseV1
	m, err := parseV1(msg)
	if err != nil {
		return r, err
	}
	if !m.response {
		return r, &Error{Field: "flags", Offset: 9, Reason: "a request, want a response"}
	}
	if m.status != StatusSuccess {
		return r, m.status
	}
	if len(m.words) < 2 {
		return r, &Error{Field: "words", Offset: headerLenV1, Reason: "no dialect index"}
	}
	r.DialectIndex = binary.LittleEndian.Uint16(m.words)
	if len(m.words) != 2*wordsNTLM012 {
		return r, nil
	}
	r.SecurityMode = m.words[2]
	r.Capabilities = binary.LittleEndian.Uint32(m.words[19:])
	r.SystemTime = parseFileTime(binary.LittleEndian.Uint64(m.words[23:]))
	if r.Capabilities&CapExtendedSecurityV1 != 0 {
		if len(m.data) < len(r.ServerGUID) {
			return r, &Error{Field: "server GUID", Offset: len(msg) - len(m.data), Reason: "too short"}
		}
		copy(r.ServerGUID[:], m.data)
		r.Security = m.data[len(r.ServerGUID):]
		return r, nil
	}
	challenge := int(m.words[33])
	if challenge > len(m.data) {
		return r, &Error{Field: "challenge", Offset: len(msg) - len(m.data), Reason: "too short"}
	}
	if m.unicode {
		names := m.data[challenge:]
		r.Domain, names = cutUTF16(names)
		r.Server, _ = cutUTF16(names)
	}
	return r, nil
}

// messageV1 is an SMB1 NEGOTIATE message, not yet told apart.
type messageV1 struct {
	status      Status
	response    bool
	unicode     bool
	words, data []byte
}

func headerV1(flags byte, flags2 uint16) []byte {
	b := make([]byte, headerLenV1)
	copy(b, "\xffSMB")
	b[4] = commandNegotiateV1
	b[9] = flags | 0x18 // path names are canonical and caseless
	binary.LittleEndian.PutUint16(b[10:], flags2)
	binary.LittleEndian.PutUint16(b[30:], 1) // multiplex id
	return b
}

func parseV1(msg []byte) (messageV1, error) {
	var m messageV1
	if Recognize(msg) != KindSMB1 {
		return m, &Error{Field: "protocol id", Offset: 0, Reason: "not SMB1"}
	}
	if err := need(msg, "header", 0, headerLenV1+1); err != nil {
		return m, err
	}
	if msg[4] != commandNegotiateV1 {
		return m, &Error{Field: "command", Offset: 4, Reason: fmt.Sprintf("0x%02x, want 0x%02x", msg[4], commandNegotiateV1)}
	}
	m.status = Status(binary.LittleEndian.Uint32(msg[5:]))
	m.response = msg[9]&flagResponseV1 != 0
	m.unicode = binary.LittleEndian.Uint16(msg[10:])&flags2Unicode != 0
	words, at := 2*int(msg[headerLenV1]), headerLenV1+1
	if err := need(msg, "words", at, words+2); err != nil {
		return m, err
	}
	m.words = msg[at : at+words]
	at += words
	data := int(binary.LittleEndian.Uint16(msg[at:]))
	at += 2
	if err := need(msg, "data", at, data); err != nil {
		return m, err
	}
	m.data = msg[at : at+data : at+data]
	return m, nil
}

// appendUTF16 writes a string in UTF-16LE with a NUL behind it.
func appendUTF16(b []byte, s string) []byte {
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return append(b, 0, 0)
}

// cutUTF16 reads a string in UTF-16LE up to its NUL or the end of b, and
// returns the rest.
func cutUTF16(b []byte) (string, []byte) {
	var units []uint16
	for len(b) >= 2 {
		u := binary.LittleEndian.Uint16(b)
		b = b[2:]
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units)), b
}
