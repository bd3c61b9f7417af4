package ber

import (
	"errors"
	"fmt"
)

// The universal tags in use (X.690 8.1.2, X.680 8.6), and how the others are made.
const (
	Boolean         = 0x01
	Integer         = 0x02
	BitString       = 0x03
	OctetString     = 0x04
	Enumerated      = 0x0a
	GeneralizedTime = 0x18
	GeneralString   = 0x1b
	Sequence        = 0x30
	Set             = 0x31

	Application = 0x60 // constructed; add the number
	Context     = 0xa0 // constructed; add the number
	Primitive   = 0x80 // context, primitive; add the number
)

// ErrMalformed is in every error of this package.
var ErrMalformed = errors.New("malformed BER")

// Element is one tag and its value.
type Element struct {
	Tag   byte
	Value []byte
}

// Next cuts the first element off b (X.690 8.1.3). Lengths of up to four bytes
// are read, the shortest or not.
func Next(b []byte) (e Element, rest []byte, err error) {
	if len(b) < 2 {
		return Element{}, nil, fmt.Errorf("%w: an element ends after %d bytes", ErrMalformed, len(b))
	}
	if b[0]&0x1f == 0x1f {
		return Element{}, nil, fmt.Errorf("%w: a tag of more than one byte", ErrMalformed)
	}
	tag, n, rest := b[0], uint64(b[1]), b[2:]
	if n >= 0x80 {
		octets := int(n & 0x7f)
		if octets == 0 || octets > 4 {
			return Element{}, nil, fmt.Errorf("%w: a length of %d bytes", ErrMalformed, octets)
		}
		if len(rest) < octets {
			return Element{}, nil, fmt.Errorf("%w: an element ends in its length", ErrMalformed)
		}
		n = 0
		for _, c := range rest[:octets] {
			n = n<<8 | uint64(c)
		}
		rest = rest[octets:]
	}
	if n > uint64(len(rest)) {
		return Element{}, nil, fmt.Errorf("%w: %d bytes do not fit in %d", ErrMalformed, n, len(rest))
	}
	return Element{Tag: tag, Value: rest[:n:n]}, rest[n:], nil
}

// Want cuts an element with the tag off b.
func Want(b []byte, tag byte) (value, rest []byte, err error) {
	e, rest, err := Next(b)
	if err != nil {
		return nil, nil, err
	}
	if e.Tag != tag {
		return nil, nil, fmt.Errorf("%w: tag 0x%02x, want 0x%02x", ErrMalformed, e.Tag, tag)
	}
	return e.Value, rest, nil
}

// Int reads the value of an INTEGER or ENUMERATED (X.690 8.3).
func Int(value []byte) (int64, error) {
	if len(value) == 0 || len(value) > 8 {
		return 0, fmt.Errorf("%w: an integer of %d bytes", ErrMalformed, len(value))
	}
	n := int64(int8(value[0])) //nolint:gosec // G115: the first bit is the sign
	for _, c := range value[1:] {
		n = n<<8 | int64(c)
	}
	return n, nil
}

// WantInt cuts an INTEGER or ENUMERATED off b.
func WantInt(b []byte, tag byte) (n int64, rest []byte, err error) {
	value, rest, err := Want(b, tag)
	if err != nil {
		return 0, nil, err
	}
	n, err = Int(value)
	return n, rest, err
}

// Encode writes one element around the parts, with the shortest length.
func Encode(tag byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b := []byte{tag}
	switch {
	case n < 0x80:
		b = append(b, byte(n))
	case n < 1<<8:
		b = append(b, 0x81, byte(n))
	case n < 1<<16:
		b = append(b, 0x82, byte(n>>8), byte(n))
	default:
		b = append(b, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// EncodeInt writes an INTEGER or ENUMERATED that is not negative, in the
// fewest bytes (X.690 8.3.2).
func EncodeInt(tag byte, n uint32) []byte {
	value := []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)} //nolint:gosec // G115: cut on purpose
	for len(value) > 1 && value[0] == 0 && value[1] < 0x80 {
		value = value[1:]
	}
	if value[0] >= 0x80 {
		value = append([]byte{0}, value...)
	}
	return Encode(tag, value)
}

// EncodeText writes an element that holds a text.
func EncodeText(tag byte, text string) []byte {
	return Encode(tag, []byte(text))
}
