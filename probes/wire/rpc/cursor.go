package rpc

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Why bytes could not be read.
var (
	// ErrNotRPC says that the bytes do not begin as a DCE/RPC PDU does.
	ErrNotRPC = errors.New("not DCE/RPC")
	// ErrMalformed says that the bytes begin as a PDU and then break its rules.
	ErrMalformed = errors.New("malformed DCE/RPC")
	// ErrTooLarge says that a message is longer than its container, or than the
	// limit that was set.
	ErrTooLarge = errors.New("too large")
)

// byteOrder reads and appends integers.
type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

func orderOf(big bool) byteOrder {
	if big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// drep is the data representation label (C706 14.2.5): the high half of its
// first byte tells the byte order, the low half ASCII from EBCDIC.
func drep(big bool) byte {
	if big {
		return 0x00
	}
	return 0x10
}

// parseDrep reads the label. EBCDIC and unknown byte orders are not spoken.
func parseDrep(label byte) (big bool, err error) {
	switch label {
	case 0x00:
		return true, nil
	case 0x10:
		return false, nil
	default:
		return false, fmt.Errorf("%w: data representation %#02x", ErrMalformed, label)
	}
}

// reader walks over a PDU. Its first failure stays: later reads give zeros.
type reader struct {
	b     []byte
	off   int
	order byteOrder
	err   error
}

func (r *reader) left() int { return len(r.b) - r.off }

func (r *reader) take(n int, field string) []byte {
	if r.err != nil {
		return nil
	}
	if n < 0 || n > r.left() {
		r.err = fmt.Errorf("%w: %s needs %d bytes at offset %d, %d are left", ErrMalformed, field, n, r.off, r.left())
		return nil
	}
	p := r.b[r.off : r.off+n]
	r.off += n
	return p
}

func (r *reader) u8(field string) uint8 {
	if p := r.take(1, field); p != nil {
		return p[0]
	}
	return 0
}

func (r *reader) u16(field string) uint16 {
	if p := r.take(2, field); p != nil {
		return r.order.Uint16(p)
	}
	return 0
}

func (r *reader) u32(field string) uint32 {
	if p := r.take(4, field); p != nil {
		return r.order.Uint32(p)
	}
	return 0
}

// align skips the padding up to a multiple of n from the start of the PDU.
func (r *reader) align(n int, field string) {
	r.take((n-r.off%n)%n, field)
}

// rest takes whatever is left, without copying it.
func (r *reader) rest() []byte {
	if r.err != nil || r.left() == 0 {
		return nil
	}
	return r.take(r.left(), "rest")
}

// writer builds a PDU.
type writer struct {
	b     []byte
	order byteOrder
}

func (w *writer) u8(v uint8)   { w.b = append(w.b, v) }
func (w *writer) u16(v uint16) { w.b = w.order.AppendUint16(w.b, v) }
func (w *writer) u32(v uint32) { w.b = w.order.AppendUint32(w.b, v) }
func (w *writer) raw(p []byte) { w.b = append(w.b, p...) }

func (w *writer) align(n int) {
	for len(w.b)%n != 0 {
		w.b = append(w.b, 0)
	}
}
