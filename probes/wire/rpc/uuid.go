package rpc

import (
	"encoding/binary"
	"fmt"
)

// UUID is a universal unique identifier, its bytes in the order of the text
// form (RFC 9562 section 4). The wire has the first three fields in the byte
// order of the sender (C706 14.3.1, uuid_t).
type UUID [16]byte

// String writes the usual 8-4-4-4-12 form.
func (u UUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}

// Syntax names an interface or a transfer syntax with its version
// (p_syntax_id_t, C706 12.6.3.1).
type Syntax struct {
	UUID         UUID
	Major, Minor uint16
}

// String writes the identifier and the version.
func (s Syntax) String() string { return fmt.Sprintf("%s v%d.%d", s.UUID, s.Major, s.Minor) }

// The interfaces and the transfer syntax that the probes name. They are
// constants in spirit: nothing changes them.
var (
	// EndpointMapper is ept (C706 appendix O, [MS-RPCE] 2.2.1.2).
	EndpointMapper = Syntax{UUID: UUID{0xe1, 0xaf, 0x83, 0x08, 0x5d, 0x1f, 0x11, 0xc9, 0x91, 0xa4, 0x08, 0x00, 0x2b, 0x14, 0xa0, 0xfa}, Major: 3}
	// Management is mgmt, which every RPC server has (C706 appendix Q).
	Management = Syntax{UUID: UUID{0xaf, 0xa8, 0xbd, 0x80, 0x7d, 0x8a, 0x11, 0xc9, 0xbe, 0xf4, 0x08, 0x00, 0x2b, 0x10, 0x29, 0x89}, Major: 1}
	// ObjectExporter is IObjectExporter ([MS-DCOM] 3.1.2.5.1).
	ObjectExporter = Syntax{UUID: UUID{0x99, 0xfc, 0xfe, 0xc4, 0x52, 0x60, 0x10, 0x1b, 0xbb, 0xcb, 0x00, 0xaa, 0x00, 0x21, 0x34, 0x7a}}
	// NDR is the 32-bit transfer syntax (C706 chapter 14).
	NDR = Syntax{UUID: UUID{0x8a, 0x88, 0x5d, 0x04, 0x1c, 0xeb, 0x11, 0xc9, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60}, Major: 2}
)

// uuid reads an identifier as the sender's byte order has it.
func (r *reader) uuid(field string) UUID {
	var u UUID
	w := r.take(16, field)
	if w == nil {
		return u
	}
	binary.BigEndian.PutUint32(u[0:], r.order.Uint32(w[0:]))
	binary.BigEndian.PutUint16(u[4:], r.order.Uint16(w[4:]))
	binary.BigEndian.PutUint16(u[6:], r.order.Uint16(w[6:]))
	copy(u[8:], w[8:])
	return u
}

func (w *writer) uuid(u UUID) {
	w.u32(binary.BigEndian.Uint32(u[0:]))
	w.u16(binary.BigEndian.Uint16(u[4:]))
	w.u16(binary.BigEndian.Uint16(u[6:]))
	w.raw(u[8:])
}

// syntax reads a p_syntax_id_t: the version is one 32-bit number with the major
// version in its low half.
func (r *reader) syntax(field string) Syntax {
	u := r.uuid(field)
	v := r.u32(field)
	return Syntax{UUID: u, Major: uint16(v & 0xffff), Minor: uint16(v >> 16)}
}

func (w *writer) syntax(s Syntax) {
	w.uuid(s.UUID)
	w.u32(uint32(s.Major) | uint32(s.Minor)<<16)
}
