package epm

import (
	"encoding/binary"
	"fmt"
)

// The operations of the endpoint mapper (C706 appendix O).
const (
	OpLookup uint16 = 2
	OpMap    uint16 = 3
)

// Status codes of the operations.
const (
	StatusOK uint32 = 0
	// StatusNotRegistered is EPT_S_NOT_REGISTERED: there are no entries, or no
	// more. It may come together with the last of them.
	StatusNotRegistered uint32 = 0x16c9a0d6
	// StatusCantPerform is EPT_S_CANT_PERFORM_OP.
	StatusCantPerform uint32 = 0x16c9a0cd
)

// Kinds of inquiry of a look-up (C706 appendix O).
const (
	InquireAll         uint32 = 0
	InquireByInterface uint32 = 1
	InquireByObject    uint32 = 2
	InquireByBoth      uint32 = 3
)

// VersionAll is the version option that asks for every version (rpc_c_vers_all).
const VersionAll uint32 = 1

// Handle is the server's place in a list that is read in pages
// (ndr_context_handle, C706 14.2.16.6). The zero value asks for the first page,
// and in an answer says that there are no more.
type Handle struct {
	Attributes uint32
	UUID       [16]byte
}

// IsZero reports whether the handle is null.
func (h Handle) IsZero() bool { return h == Handle{} }

func (r *reader) handle() Handle {
	return Handle{Attributes: r.u32("entry handle"), UUID: r.uuid("entry handle")}
}

func (w *writer) handle(h Handle) {
	w.u32(h.Attributes)
	w.uuid(h.UUID)
}

// InterfaceID names an interface in a look-up (rpc_if_id_t).
type InterfaceID struct {
	UUID         [16]byte
	Major, Minor uint16
}

// LookupRequest asks for a page of entries (ept_lookup).
type LookupRequest struct {
	Inquiry       uint32
	Object        *[16]byte    // nil: a null pointer
	Interface     *InterfaceID // nil: a null pointer
	VersionOption uint32
	Handle        Handle
	Max           uint32 // entries in the page; Windows allows 500
}

// The referents that this package gives its full pointers. Any number but 0
// will do, as long as no two are the same in a stub.
const (
	firstReferent  uint32 = 1
	secondReferent uint32 = 2
	// lastAsked is the highest that a question has. An answer counts on from
	// it: a full pointer with the identifier of one in the question would be an
	// alias of that one (C706 14.3.10).
	lastAsked = secondReferent
)

// Encode writes the stub.
func (q LookupRequest) Encode() []byte {
	w := &writer{}
	w.u32(q.Inquiry)
	if q.Object == nil {
		w.u32(0)
	} else {
		w.u32(firstReferent)
		w.uuid(*q.Object)
	}
	if q.Interface == nil {
		w.u32(0)
	} else {
		w.u32(secondReferent)
		w.uuid(q.Interface.UUID)
		w.u16(q.Interface.Major)
		w.u16(q.Interface.Minor)
	}
	w.u32(q.VersionOption)
	w.handle(q.Handle)
	w.u32(q.Max)
	return w.b
}

// DecodeLookupRequest reads the stub.
func DecodeLookupRequest(stub []byte, order binary.ByteOrder) (LookupRequest, error) {
	r := &reader{b: stub, order: order}
	q := LookupRequest{Inquiry: r.u32("inquiry_type")}
	if r.u32("object") != 0 {
		u := r.uuid("object")
		q.Object = &u
	}
	if r.u32("interface_id") != 0 {
		q.Interface = &InterfaceID{UUID: r.uuid("interface_id"), Major: r.u16("vers_major"), Minor: r.u16("vers_minor")}
	}
	q.VersionOption = r.u32("vers_option")
	q.Handle = r.handle()
	q.Max = r.u32("max_ents")
	if r.err != nil {
		return LookupRequest{}, fmt.Errorf("epm: ept_lookup request: %w", r.err)
	}
	return q, nil
}

// Entry is one endpoint that a server registered (ept_entry_t).
type Entry struct {
	Object     [16]byte
	Tower      []byte // octets; nil: a null pointer. DecodeTower reads them
	Annotation string // untrusted text
}

// maxAnnotation is ept_max_annotation_size (C706 appendix O).
const maxAnnotation = 64

// entryMin is the least that an entry takes: object, referent, and the offset
// and actual count of the annotation.
const entryMin = 16 + 4 + 8

// LookupResponse is a page of entries.
type LookupResponse struct {
	Handle  Handle
	Max     uint32 // size of the array; 0 when encoding: as many as there are
	Entries []Entry
	Status  uint32
}

// Encode writes the stub.
func (p LookupResponse) Encode() []byte {
	w := &writer{}
	w.handle(p.Handle)
	w.count(len(p.Entries))
	w.u32(max(p.Max, uint32(len(p.Entries)))) //nolint:gosec // far below 2^32
	w.u32(0)
	w.count(len(p.Entries))
	referent := lastAsked
	for _, e := range p.Entries {
		w.align()
		w.uuid(e.Object)
		w.u32(next(&referent, e.Tower))
		w.u32(0)
		note := e.Annotation[:min(len(e.Annotation), maxAnnotation-1)]
		w.count(len(note) + 1)
		w.b = append(append(w.b, note...), 0)
	}
	for _, e := range p.Entries {
		if e.Tower != nil {
			w.twr(e.Tower)
		}
	}
	w.u32(p.Status)
	return w.b
}

// next gives the referent of a tower: a new number, or 0 when there is none.
func next(last *uint32, tower []byte) uint32 {
	if tower == nil {
		return 0
	}
	*last++
	return *last
}

// DecodeLookupResponse reads the stub. The status does not decide whether there
// are entries: Samba's last page has both entries and StatusNotRegistered.
func DecodeLookupResponse(stub []byte, order binary.ByteOrder) (LookupResponse, error) {
	r := &reader{b: stub, order: order}
	p := LookupResponse{Handle: r.handle()}
	r.u32("num_ents") // the array says it again
	n, most := r.array(entryMin, "entries")
	p.Max = most
	p.Entries = make([]Entry, 0, n)
	referents := make([]uint32, 0, n)
	for range n {
		r.align("entry")
		e := Entry{Object: r.uuid("object")}
		referents = append(referents, r.u32("tower"))
		e.Annotation = r.annotation()
		if r.err != nil {
			break
		}
		p.Entries = append(p.Entries, e)
	}
	for i, t := range r.towers(referents) {
		p.Entries[i].Tower = t
	}
	p.Status = r.u32("status")
	if r.err != nil {
		return LookupResponse{}, fmt.Errorf("epm: ept_lookup response: %w", r.err)
	}
	return p, nil
}

// annotation reads a varying string of at most 64 characters.
func (r *reader) annotation() string {
	r.u32("annotation offset")
	n := r.u32("annotation length")
	if r.err == nil && n > maxAnnotation {
		r.fail("annotation of %d characters", n)
	}
	b := r.take(n, "annotation")
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// MapRequest asks where an interface can be reached (ept_map).
type MapRequest struct {
	Object *[16]byte // nil: a null pointer
	Tower  []byte    // interface, transfer syntax and protocols; nil: a null pointer
	Handle Handle
	Max    uint32 // towers in the answer
}

// Encode writes the stub.
func (q MapRequest) Encode() []byte {
	w := &writer{}
	if q.Object == nil {
		w.u32(0)
	} else {
		w.u32(firstReferent)
		w.uuid(*q.Object)
	}
	if q.Tower == nil {
		w.u32(0)
	} else {
		w.u32(secondReferent)
		w.twr(q.Tower)
	}
	w.align()
	w.handle(q.Handle)
	w.u32(q.Max)
	return w.b
}

// DecodeMapRequest reads the stub.
func DecodeMapRequest(stub []byte, order binary.ByteOrder) (MapRequest, error) {
	r := &reader{b: stub, order: order}
	var q MapRequest
	if r.u32("object") != 0 {
		u := r.uuid("object")
		q.Object = &u
	}
	if r.u32("map_tower") != 0 {
		q.Tower = r.twr()
	}
	r.align("entry handle")
	q.Handle = r.handle()
	q.Max = r.u32("max_towers")
	if r.err != nil {
		return MapRequest{}, fmt.Errorf("epm: ept_map request: %w", r.err)
	}
	return q, nil
}

// MapResponse is where an interface can be reached.
type MapResponse struct {
	Handle Handle
	Max    uint32 // size of the array; 0 when encoding: as many as there are
	Towers [][]byte
	Status uint32
}

// Encode writes the stub.
func (p MapResponse) Encode() []byte {
	w := &writer{}
	w.handle(p.Handle)
	w.count(len(p.Towers))
	w.u32(max(p.Max, uint32(len(p.Towers)))) //nolint:gosec // far below 2^32
	w.u32(0)
	w.count(len(p.Towers))
	referent := lastAsked
	for _, t := range p.Towers {
		w.u32(next(&referent, t))
	}
	for _, t := range p.Towers {
		if t != nil {
			w.twr(t)
		}
	}
	w.u32(p.Status)
	return w.b
}

// DecodeMapResponse reads the stub.
func DecodeMapResponse(stub []byte, order binary.ByteOrder) (MapResponse, error) {
	r := &reader{b: stub, order: order}
	p := MapResponse{Handle: r.handle()}
	r.u32("num_towers") // the array says it again
	n, most := r.array(4, "towers")
	p.Max = most
	referents := make([]uint32, 0, n)
	for range n {
		referents = append(referents, r.u32("tower"))
	}
	p.Towers = r.towers(referents)
	p.Status = r.u32("status")
	if r.err != nil {
		return MapResponse{}, fmt.Errorf("epm: ept_map response: %w", r.err)
	}
	return p, nil
}
