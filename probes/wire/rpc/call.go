package rpc

import (
	"errors"
	"fmt"
)

// Request calls an operation (C706 12.6.4.9).
type Request struct {
	Header
	AllocHint uint32 // 0 when encoding: the length of the stub
	ContextID uint16
	Opnum     uint16
	Object    UUID // carried when Flags has FlagObject
	Stub      []byte
}

// Encode writes the PDU.
func (m *Request) Encode() ([]byte, error) {
	w := m.begin(TypeRequest)
	w.u32(allocHint(m.AllocHint, m.Stub))
	w.u16(m.ContextID)
	w.u16(m.Opnum)
	if m.Flags&FlagObject != 0 {
		w.uuid(m.Object)
	}
	w.raw(m.Stub)
	return w.finish(TypeRequest)
}

func decodeRequest(h Header, r *reader) *Request {
	m := &Request{Header: h, AllocHint: r.u32("alloc_hint"), ContextID: r.u16("p_cont_id"), Opnum: r.u16("opnum")}
	if h.Flags&FlagObject != 0 {
		m.Object = r.uuid("object")
	}
	m.Stub = r.rest()
	return m
}

// Response carries what an operation gave, or a part of it (C706 12.6.4.10).
type Response struct {
	Header
	AllocHint uint32 // 0 when encoding: the length of the stub
	ContextID uint16
	Cancels   uint8
	Stub      []byte
}

// responseOverhead is the length of a response without its stub.
const responseOverhead = HeaderLen + 8

// Encode writes the PDU.
func (m *Response) Encode() ([]byte, error) {
	w := m.begin(TypeResponse)
	w.u32(allocHint(m.AllocHint, m.Stub))
	w.u16(m.ContextID)
	w.u8(m.Cancels)
	w.u8(0)
	w.raw(m.Stub)
	return w.finish(TypeResponse)
}

// Fragments writes the response as PDUs of at most maxFrag bytes, which is what
// the client said it takes (MaxRecv of its bind). Stub parts are multiples of
// eight, as C706 12.6.3.5 wants all but the last to be.
func (m *Response) Fragments(maxFrag uint16) ([][]byte, error) {
	room := (int(maxFrag) - responseOverhead) &^ 7
	if room <= 0 {
		return nil, fmt.Errorf("rpc: encode response: %w: %d bytes hold no stub", ErrTooLarge, maxFrag)
	}
	var out [][]byte
	for rest, first := m.Stub, true; first || len(rest) > 0; first = false {
		part := *m
		part.Stub = rest[:min(room, len(rest))]
		part.AllocHint = allocHint(0, rest)
		rest = rest[len(part.Stub):]
		part.Flags &^= flagsWhole
		if first {
			part.Flags |= FlagFirst
		}
		if len(rest) == 0 {
			part.Flags |= FlagLast
		}
		pdu, err := part.encodeFlags()
		if err != nil {
			return nil, err
		}
		out = append(out, pdu)
	}
	return out, nil
}

// encodeFlags writes the PDU with the flags as they are, 0 (a middle fragment)
// included.
func (m *Response) encodeFlags() ([]byte, error) {
	pdu, err := m.Encode()
	if err == nil {
		pdu[3] = m.Flags
	}
	return pdu, err
}

func decodeResponse(h Header, r *reader) *Response {
	m := &Response{Header: h, AllocHint: r.u32("alloc_hint"), ContextID: r.u16("p_cont_id"), Cancels: r.u8("cancel_count")}
	r.take(1, "reserved")
	m.Stub = r.rest()
	return m
}

// Fault says that a call failed in the runtime or was refused (C706 12.6.4.7).
type Fault struct {
	Header
	AllocHint uint32
	ContextID uint16
	Cancels   uint8
	Status    uint32
	Stub      []byte
}

// Encode writes the PDU.
func (m *Fault) Encode() ([]byte, error) {
	w := m.begin(TypeFault)
	w.u32(m.AllocHint)
	w.u16(m.ContextID)
	w.u8(m.Cancels)
	w.u8(0)
	w.u32(m.Status)
	w.u32(0) // reserved2
	w.raw(m.Stub)
	return w.finish(TypeFault)
}

func decodeFault(h Header, r *reader) *Fault {
	m := &Fault{Header: h, AllocHint: r.u32("alloc_hint"), ContextID: r.u16("p_cont_id"), Cancels: r.u8("cancel_count")}
	r.take(1, "reserved")
	m.Status = r.u32("status")
	if r.left() > 0 {
		r.take(4, "reserved2")
	}
	m.Stub = r.rest()
	return m
}

func allocHint(hint uint32, stub []byte) uint32 {
	if hint != 0 {
		return hint
	}
	return uint32(len(stub)) //nolint:gosec // a hint; stubs are far shorter
}

// ErrFragment says that a fragment does not continue the message.
var ErrFragment = errors.New("fragment out of place")

// Assembler joins the fragments of one response (C706 12.6.3.5). The limits
// must be set: a peer may send fragments without end.
type Assembler struct {
	MaxBytes     int // of all stubs
	MaxFragments int

	head  Header
	count int
	stub  []byte
	done  bool
}

// Add takes the next fragment and reports whether the response is whole. After
// an error the assembler is of no further use.
func (a *Assembler) Add(m *Response) (bool, error) {
	first := m.Flags&FlagFirst != 0
	switch {
	case a.done:
		return true, fmt.Errorf("rpc: assemble: %w: after the last one", ErrFragment)
	case first != (a.count == 0):
		return false, fmt.Errorf("rpc: assemble: %w: number %d has first=%t", ErrFragment, a.count+1, first)
	case a.count > 0 && (m.CallID != a.head.CallID || m.BigEndian != a.head.BigEndian):
		return false, fmt.Errorf("rpc: assemble: %w: of another call", ErrFragment)
	case a.count >= a.MaxFragments:
		return false, fmt.Errorf("rpc: assemble: %w: more than %d fragments", ErrTooLarge, a.MaxFragments)
	case len(a.stub)+len(m.Stub) > a.MaxBytes:
		return false, fmt.Errorf("rpc: assemble: %w: more than %d bytes", ErrTooLarge, a.MaxBytes)
	}
	a.head = m.Header
	a.count++
	a.stub = append(a.stub, m.Stub...)
	a.done = m.Flags&FlagLast != 0
	return a.done, nil
}

// Stub gives what has been joined, and its byte order is that of Head.
func (a *Assembler) Stub() []byte { return a.stub }

// Head gives the header of the last fragment.
func (a *Assembler) Head() Header { return a.head }
