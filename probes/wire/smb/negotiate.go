package smb

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// Dialect is a revision of SMB2 ([MS-SMB2] 2.2.3).
type Dialect uint16

// The dialects. DialectWildcard is the answer to an SMB1 request that offers
// "SMB 2.???": the server wants an SMB2 request next ([MS-SMB2] 2.2.4).
const (
	Dialect202      Dialect = 0x0202
	Dialect210      Dialect = 0x0210
	DialectWildcard Dialect = 0x02ff
	Dialect300      Dialect = 0x0300
	Dialect302      Dialect = 0x0302
	Dialect311      Dialect = 0x0311
)

// Dialects returns all dialects of SMB2 and SMB3 that a client can offer.
func Dialects() []Dialect {
	return []Dialect{Dialect202, Dialect210, Dialect300, Dialect302, Dialect311}
}

func (d Dialect) String() string {
	switch d {
	case Dialect202:
		return "2.0.2"
	case Dialect210:
		return "2.1"
	case DialectWildcard:
		return "2.???"
	case Dialect300:
		return "3.0"
	case Dialect302:
		return "3.0.2"
	case Dialect311:
		return "3.1.1"
	}
	return fmt.Sprintf("0x%04x", uint16(d))
}

// SecurityMode says what a side makes of signing ([MS-SMB2] 2.2.3, 2.2.4).
type SecurityMode uint16

// The bits of SecurityMode.
const (
	SigningEnabled  SecurityMode = 0x0001
	SigningRequired SecurityMode = 0x0002
)

// Capabilities of a side ([MS-SMB2] 2.2.3, 2.2.4).
type Capabilities uint32

// The bits of Capabilities.
const (
	CapDFS               Capabilities = 0x01
	CapLeasing           Capabilities = 0x02
	CapLargeMTU          Capabilities = 0x04
	CapMultiChannel      Capabilities = 0x08
	CapPersistentHandles Capabilities = 0x10
	CapDirectoryLeasing  Capabilities = 0x20
	CapEncryption        Capabilities = 0x40
)

// NegotiateRequest is the SMB2 NEGOTIATE request ([MS-SMB2] 2.2.3).
type NegotiateRequest struct {
	Header       Header
	SecurityMode SecurityMode
	Capabilities Capabilities
	ClientGUID   GUID
	Dialects     []Dialect
	Contexts     []Context // written and read only when Dialects has 3.1.1
}

const (
	negotiateRequestSize  = 36
	negotiateResponseSize = 65 // with one byte of the buffer
	negotiateResponseLen  = 64
)

// Marshal writes the message.
func (r NegotiateRequest) Marshal() []byte {
	b := r.Header.marshal(CommandNegotiate, false, negotiateRequestSize)
	body := b[headerLen:]
	binary.LittleEndian.PutUint16(body[0:], negotiateRequestSize)
	binary.LittleEndian.PutUint16(body[2:], count(len(r.Dialects)))
	binary.LittleEndian.PutUint16(body[4:], uint16(r.SecurityMode))
	binary.LittleEndian.PutUint32(body[8:], uint32(r.Capabilities))
	copy(body[12:], r.ClientGUID[:])
	for _, d := range r.Dialects {
		b = binary.LittleEndian.AppendUint16(b, uint16(d))
	}
	if slices.Contains(r.Dialects, Dialect311) && len(r.Contexts) > 0 {
		var offset uint32
		b, offset = appendContexts(b, r.Contexts)
		binary.LittleEndian.PutUint32(b[headerLen+28:], offset)
		binary.LittleEndian.PutUint16(b[headerLen+32:], count(len(r.Contexts)))
	}
	return b
}

// ParseNegotiateRequest reads the message.
func ParseNegotiateRequest(msg []byte) (NegotiateRequest, error) {
	h, err := expect(msg, CommandNegotiate, false, negotiateRequestSize, negotiateRequestSize)
	r := NegotiateRequest{Header: h}
	if err != nil {
		return r, err
	}
	body := msg[headerLen:]
	n := int(binary.LittleEndian.Uint16(body[2:]))
	if err := need(msg, "dialects", headerLen+negotiateRequestSize, 2*n); err != nil {
		return r, err
	}
	r.SecurityMode = SecurityMode(binary.LittleEndian.Uint16(body[4:]))
	r.Capabilities = Capabilities(binary.LittleEndian.Uint32(body[8:]))
	copy(r.ClientGUID[:], body[12:])
	for i := range n {
		r.Dialects = append(r.Dialects, Dialect(binary.LittleEndian.Uint16(body[negotiateRequestSize+2*i:])))
	}
	if slices.Contains(r.Dialects, Dialect311) {
		r.Contexts, err = parseContexts(msg, binary.LittleEndian.Uint32(body[28:]),
			int(binary.LittleEndian.Uint16(body[32:])), headerLen+negotiateRequestSize+2*n)
	}
	return r, err
}

// NegotiateResponse is the SMB2 NEGOTIATE response ([MS-SMB2] 2.2.4).
type NegotiateResponse struct {
	Header       Header
	SecurityMode SecurityMode
	Dialect      Dialect
	ServerGUID   GUID
	Capabilities Capabilities
	MaxTransact  uint32
	MaxRead      uint32
	MaxWrite     uint32
	SystemTime   time.Time // the server's clock; zero: not given
	StartTime    time.Time // when the server started; most give none
	Security     []byte    // the mechanisms that the server offers, see package spnego
	Contexts     []Context // written and read only when Dialect is 3.1.1
}

// Marshal writes the message.
func (r NegotiateResponse) Marshal() []byte {
	b := r.Header.marshal(CommandNegotiate, true, negotiateResponseLen)
	body := b[headerLen:]
	binary.LittleEndian.PutUint16(body[0:], negotiateResponseSize)
	binary.LittleEndian.PutUint16(body[2:], uint16(r.SecurityMode))
	binary.LittleEndian.PutUint16(body[4:], uint16(r.Dialect))
	copy(body[8:], r.ServerGUID[:])
	binary.LittleEndian.PutUint32(body[24:], uint32(r.Capabilities))
	binary.LittleEndian.PutUint32(body[28:], r.MaxTransact)
	binary.LittleEndian.PutUint32(body[32:], r.MaxRead)
	binary.LittleEndian.PutUint32(body[36:], r.MaxWrite)
	binary.LittleEndian.PutUint64(body[40:], fileTime(r.SystemTime))
	binary.LittleEndian.PutUint64(body[48:], fileTime(r.StartTime))
	binary.LittleEndian.PutUint16(body[56:], headerLen+negotiateResponseLen)
	security := short(r.Security)
	binary.LittleEndian.PutUint16(body[58:], count(len(security)))
	b = append(b, security...)
	if r.Dialect == Dialect311 && len(r.Contexts) > 0 {
		var offset uint32
		b, offset = appendContexts(b, r.Contexts)
		binary.LittleEndian.PutUint16(b[headerLen+6:], count(len(r.Contexts)))
		binary.LittleEndian.PutUint32(b[headerLen+60:], offset)
	}
	return b
}

// ParseNegotiateResponse reads the message. When the server refused, the error
// is its [Status].
func ParseNegotiateResponse(msg []byte) (NegotiateResponse, error) {
	h, err := expect(msg, CommandNegotiate, true, negotiateResponseSize, negotiateResponseLen)
	r := NegotiateResponse{Header: h}
	if err != nil {
		return r, err
	}
	body := msg[headerLen:]
	r.SecurityMode = SecurityMode(binary.LittleEndian.Uint16(body[2:]))
	r.Dialect = Dialect(binary.LittleEndian.Uint16(body[4:]))
	copy(r.ServerGUID[:], body[8:])
	r.Capabilities = Capabilities(binary.LittleEndian.Uint32(body[24:]))
	r.MaxTransact = binary.LittleEndian.Uint32(body[28:])
	r.MaxRead = binary.LittleEndian.Uint32(body[32:])
	r.MaxWrite = binary.LittleEndian.Uint32(body[36:])
	r.SystemTime = parseFileTime(binary.LittleEndian.Uint64(body[40:]))
	r.StartTime = parseFileTime(binary.LittleEndian.Uint64(body[48:]))
	r.Security, err = buffer(msg, "security buffer", int(binary.LittleEndian.Uint16(body[56:])),
		int(binary.LittleEndian.Uint16(body[58:])), headerLen+negotiateResponseLen)
	if err != nil {
		return r, err
	}
	if r.Dialect == Dialect311 {
		r.Contexts, err = parseContexts(msg, binary.LittleEndian.Uint32(body[60:]),
			int(binary.LittleEndian.Uint16(body[6:])), headerLen+negotiateResponseLen)
	}
	return r, err
}

// count fits a number of things that a caller made into 16 bits. Nobody makes
// more; should somebody, the message is wrong and its reader says so.
func count(n int) uint16 { return uint16(min(n, 1<<16-1)) } //nolint:gosec // bounded

// short cuts a buffer to what a 16-bit length can say.
func short(b []byte) []byte { return b[:min(len(b), 1<<16-1)] }
