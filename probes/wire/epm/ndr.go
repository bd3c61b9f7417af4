package epm

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrMalformed says that a stub or a tower breaks its rules.
var ErrMalformed = errors.New("malformed endpoint mapper data")

// reader walks over an NDR stub. Its first failure stays: later reads give
// zeros.
type reader struct {
	b     []byte
	off   int
	order binary.ByteOrder
	err   error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s at offset %d", ErrMalformed, fmt.Sprintf(format, args...), r.off)
	}
}

func (r *reader) left() int { return len(r.b) - r.off }

func (r *reader) take(n uint32, field string) []byte {
	if r.err != nil {
		return nil
	}
	if int64(n) > int64(r.left()) {
		r.fail("%s needs %d bytes, %d are left", field, n, r.left())
		return nil
	}
	p := r.b[r.off : r.off+int(n)]
	r.off += int(n)
	return p
}

// align skips the padding up to a multiple of four; it may have any value.
func (r *reader) align(field string) {
	r.take(uint32((4-r.off%4)%4), field)
}

// u32 reads a number and the padding before it.
func (r *reader) u32(field string) uint32 {
	r.align(field)
	if p := r.take(4, field); p != nil {
		return r.order.Uint32(p)
	}
	return 0
}

func (r *reader) u16(field string) uint16 {
	if p := r.take(2, field); p != nil {
		return r.order.Uint16(p)
	}
	return 0
}

func (r *reader) uuid(field string) [16]byte {
	var u [16]byte
	p := r.take(16, field)
	if p == nil {
		return u
	}
	binary.BigEndian.PutUint32(u[0:], r.order.Uint32(p[0:]))
	binary.BigEndian.PutUint16(u[4:], r.order.Uint16(p[4:]))
	binary.BigEndian.PutUint16(u[6:], r.order.Uint16(p[6:]))
	copy(u[8:], p[8:])
	return u
}

// array reads the head of a conformant varying array (C706 14.3.3.4) and gives
// the number of elements that follow, each of which takes at least size bytes,
// and the number that the array has room for.
func (r *reader) array(size uint32, field string) (n int, most uint32) {
	most = r.u32(field + " maximum count")
	offset := r.u32(field + " offset")
	count := r.u32(field + " actual count")
	switch {
	case uint64(offset)+uint64(count) > uint64(most):
		r.fail("%s: %d elements from %d of at most %d", field, count, offset, most)
	case uint64(count)*uint64(size) > uint64(r.left()): //nolint:gosec // left is not negative
		r.fail("%s: %d elements in %d bytes", field, count, r.left())
	}
	if r.err != nil {
		return 0, 0
	}
	return int(count), most
}

// twr reads a twr_t: its conformance, its length and its octets.
func (r *reader) twr() []byte {
	most := r.u32("tower size")
	n := r.u32("tower length")
	if r.err == nil && n != most {
		r.fail("tower of length %d and size %d", n, most)
	}
	return r.take(n, "tower")
}

// towers reads what a list of full pointers points at. The octets follow in the
// order of the pointers; a repeated referent identifier is an alias of the
// first (C706 14.3.10), and 0 points at nothing.
func (r *reader) towers(referents []uint32) [][]byte {
	if r.err != nil {
		return nil
	}
	seen := make(map[uint32][]byte, len(referents))
	out := make([][]byte, len(referents))
	for i, id := range referents {
		if id == 0 {
			continue
		}
		t, ok := seen[id]
		if !ok {
			t = r.twr()
			seen[id] = t
		}
		if r.err != nil {
			return nil
		}
		out[i] = t
	}
	return out
}

// writer builds a little-endian stub.
type writer struct{ b []byte }

func (w *writer) u16(v uint16) { w.b = binary.LittleEndian.AppendUint16(w.b, v) }

func (w *writer) align() {
	for len(w.b)%4 != 0 {
		w.b = append(w.b, 0)
	}
}

func (w *writer) u32(v uint32) {
	w.align()
	w.b = binary.LittleEndian.AppendUint32(w.b, v)
}

// count writes a number of things that are in memory.
func (w *writer) count(n int) { w.u32(uint32(n)) } //nolint:gosec // far below 2^32

func (w *writer) uuid(u [16]byte) { w.b = appendUUID(w.b, u) }

func (w *writer) twr(octets []byte) {
	w.count(len(octets))
	w.count(len(octets))
	w.b = append(w.b, octets...)
}

// appendUUID writes an identifier in little-endian order, as stubs of this
// machine and all towers have it.
func appendUUID(b []byte, u [16]byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, binary.BigEndian.Uint32(u[0:]))
	b = binary.LittleEndian.AppendUint16(b, binary.BigEndian.Uint16(u[4:]))
	b = binary.LittleEndian.AppendUint16(b, binary.BigEndian.Uint16(u[6:]))
	return append(b, u[8:]...)
}
