package rpc

import (
	"encoding/binary"
	"fmt"
	"math"
)

// HeaderLen is the length of the common header (C706 12.6.3.1).
const HeaderLen = 16

// PacketType is the kind of a connection-oriented PDU (C706 12.6.4.1).
type PacketType uint8

// The packet types that this package reads and writes, and those that it only
// names.
const (
	TypeRequest      PacketType = 0
	TypeResponse     PacketType = 2
	TypeFault        PacketType = 3
	TypeBind         PacketType = 11
	TypeBindAck      PacketType = 12
	TypeBindNak      PacketType = 13
	TypeAlterContext PacketType = 14
	TypeAlterResp    PacketType = 15
	TypeAuth3        PacketType = 16 // [MS-RPCE] 2.2.2.10
	TypeShutdown     PacketType = 17
	TypeCancel       PacketType = 18
	TypeOrphaned     PacketType = 19
)

// String names the type as C706 does.
func (t PacketType) String() string {
	switch t {
	case TypeRequest:
		return "request"
	case TypeResponse:
		return "response"
	case TypeFault:
		return "fault"
	case TypeBind:
		return "bind"
	case TypeBindAck:
		return "bind_ack"
	case TypeBindNak:
		return "bind_nak"
	case TypeAlterContext:
		return "alter_context"
	case TypeAlterResp:
		return "alter_context_resp"
	case TypeAuth3:
		return "auth3"
	case TypeShutdown:
		return "shutdown"
	case TypeCancel:
		return "co_cancel"
	case TypeOrphaned:
		return "orphaned"
	default:
		return fmt.Sprintf("packet type %d", uint8(t))
	}
}

// The flags of a PDU (C706 12.6.3.1, pfc_flags).
const (
	FlagFirst        uint8 = 0x01
	FlagLast         uint8 = 0x02
	FlagDidNotExec   uint8 = 0x20
	FlagObject       uint8 = 0x80
	flagsWhole             = FlagFirst | FlagLast
	versionCO              = 5
	versionMinorMax        = 1
	secTrailerLen          = 8  // sec_trailer ([MS-RPCE] 2.2.2.11) without its credentials
	highestKnownType       = 21 // [MS-RPCE] 2.2.2.1: up to RTS of RPC over HTTP (20)
)

// Header is the common header of a connection-oriented PDU.
type Header struct {
	Type      PacketType
	Flags     uint8
	BigEndian bool   // byte order of the sender
	FragLen   uint16 // length of the whole PDU; Encode sets it
	AuthLen   uint16 // length of the credentials at its end; Encode writes none
	CallID    uint32
}

// Head gives the header of a message.
func (h Header) Head() Header { return h }

// Order is the byte order of the stub that the PDU carries.
func (h Header) Order() binary.ByteOrder { return orderOf(h.BigEndian) }

// CouldBegin reports whether a PDU could begin with these bytes, of which there
// may be as few as one. It tells another protocol's banner from RPC before 16
// bytes are there.
func CouldBegin(prefix []byte) bool {
	for i, c := range prefix[:min(len(prefix), 5)] {
		ok := true
		switch i {
		case 0:
			ok = c == versionCO
		case 1:
			ok = c <= versionMinorMax
		case 2:
			ok = c < highestKnownType
		case 4:
			ok = c == drep(false) || c == drep(true)
		}
		if !ok {
			return false
		}
	}
	return true
}

// DecodeHeader reads the common header from the first 16 bytes of a PDU. Its
// FragLen tells how many bytes belong to the PDU.
func DecodeHeader(b []byte) (Header, error) {
	if !CouldBegin(b) {
		return Header{}, fmt.Errorf("%w: it begins with % x", ErrNotRPC, b[:min(len(b), 8)])
	}
	if len(b) < HeaderLen {
		return Header{}, fmt.Errorf("%w: %d bytes, a header has %d", ErrMalformed, len(b), HeaderLen)
	}
	big, err := parseDrep(b[4])
	if err != nil {
		return Header{}, err
	}
	order := orderOf(big)
	h := Header{
		Type: PacketType(b[2]), Flags: b[3], BigEndian: big,
		FragLen: order.Uint16(b[8:]), AuthLen: order.Uint16(b[10:]), CallID: order.Uint32(b[12:]),
	}
	if h.FragLen < HeaderLen {
		return Header{}, fmt.Errorf("%w: %s claims %d bytes, less than its header", ErrMalformed, h.Type, h.FragLen)
	}
	return h, nil
}

// body gives a reader that stands behind the header and ends before the
// credentials, if there are any.
func body(pdu []byte) (Header, *reader, error) {
	h, err := DecodeHeader(pdu)
	if err != nil {
		return h, nil, err
	}
	end := int(h.FragLen)
	if end > len(pdu) {
		return h, nil, fmt.Errorf("%w: %s claims %d bytes, %d are there", ErrMalformed, h.Type, end, len(pdu))
	}
	if h.AuthLen > 0 {
		trailer := end - int(h.AuthLen) - secTrailerLen
		if trailer < HeaderLen {
			return h, nil, fmt.Errorf("%w: %s claims %d bytes of credentials in %d bytes", ErrMalformed, h.Type, h.AuthLen, end)
		}
		end = trailer - int(pdu[trailer+2]) // auth_pad_length
		if end < HeaderLen {
			return h, nil, fmt.Errorf("%w: %s has more padding than body", ErrMalformed, h.Type)
		}
	}
	return h, &reader{b: pdu[:end], off: HeaderLen, order: orderOf(h.BigEndian)}, nil
}

// begin writes the header of a PDU whose length is not known yet.
func (h Header) begin(t PacketType) *writer {
	if h.Flags == 0 {
		h.Flags = flagsWhole
	}
	w := &writer{order: orderOf(h.BigEndian)}
	w.raw([]byte{versionCO, 0, byte(t), h.Flags, drep(h.BigEndian), 0, 0, 0})
	w.u16(0) // frag_length, set by finish
	w.u16(0) // auth_length
	w.u32(h.CallID)
	return w
}

// finish sets the length.
func (w *writer) finish(t PacketType) ([]byte, error) {
	if len(w.b) > math.MaxUint16 {
		return nil, fmt.Errorf("rpc: encode %s: %w: %d bytes do not fit into one fragment", t, ErrTooLarge, len(w.b))
	}
	w.order.PutUint16(w.b[8:], uint16(len(w.b))) //nolint:gosec // checked above
	return w.b, nil
}

// Message is one PDU: *Bind, *BindAck, *BindNak, *Request, *Response or *Fault.
type Message interface {
	// Head gives the common header.
	Head() Header
	// Encode writes the PDU in the byte order that the header names. Flags 0
	// are written as "first and last fragment".
	Encode() ([]byte, error)
}

// Decode reads one whole PDU, of which FragLen bytes must be there. Stubs are
// parts of pdu, not copies.
func Decode(pdu []byte) (Message, error) {
	h, r, err := body(pdu)
	if err != nil {
		return nil, fmt.Errorf("rpc: decode: %w", err)
	}
	var m Message
	switch h.Type {
	case TypeBind:
		m = decodeBind(h, r)
	case TypeBindAck:
		m = decodeBindAck(h, r)
	case TypeBindNak:
		m = decodeBindNak(h, r)
	case TypeRequest:
		m = decodeRequest(h, r)
	case TypeResponse:
		m = decodeResponse(h, r)
	case TypeFault:
		m = decodeFault(h, r)
	default:
		return nil, fmt.Errorf("rpc: decode: %w: unexpected %s", ErrMalformed, h.Type)
	}
	if r.err != nil {
		return nil, fmt.Errorf("rpc: decode %s: %w", h.Type, r.err)
	}
	return m, nil
}
