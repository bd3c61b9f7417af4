package spnego

import "fmt"

// The DER tags of SPNEGO (X.690 8.1.2).
const (
	tagOctetString   = 0x04
	tagOID           = 0x06
	tagEnumerated    = 0x0a
	tagGeneralString = 0x1b
	tagSequence      = 0x30
	tagApplication0  = 0x60
	tagContext0      = 0xa0
	tagContext1      = 0xa1
	tagContext2      = 0xa2
	tagContext3      = 0xa3
)

// Error says where a message is broken.
type Error struct {
	Field  string
	Offset int // from the end of the message, because DER nests: bytes that were left
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("spnego: %s, %d bytes before the end: %s", e.Field, e.Offset, e.Reason)
}

// element is one tag, length and value.
type element struct {
	tag   byte
	value []byte
}

// next cuts the first element off b (X.690 8.1.3). Only definite lengths of at
// most four bytes are read, and no tags of more than one byte.
func next(b []byte, name string) (element, []byte, error) {
	if len(b) < 2 {
		return element{}, nil, &Error{Field: name, Offset: len(b), Reason: "ends early"}
	}
	if b[0]&0x1f == 0x1f {
		return element{}, nil, &Error{Field: name, Offset: len(b), Reason: "a tag of more than one byte"}
	}
	tag, n, rest := b[0], uint64(b[1]), b[2:]
	if n >= 0x80 {
		octets := int(n & 0x7f)
		if octets == 0 || octets > 4 {
			return element{}, nil, &Error{Field: name, Offset: len(rest), Reason: fmt.Sprintf("a length of %d bytes", octets)}
		}
		if len(rest) < octets {
			return element{}, nil, &Error{Field: name, Offset: len(rest), Reason: "ends in its length"}
		}
		n = 0
		for _, c := range rest[:octets] {
			n = n<<8 | uint64(c)
		}
		rest = rest[octets:]
	}
	if n > uint64(len(rest)) {
		return element{}, nil, &Error{Field: name, Offset: len(rest), Reason: fmt.Sprintf("%d bytes do not fit in %d", n, len(rest))}
	}
	return element{tag: tag, value: rest[:n:n]}, rest[n:], nil
}

// want cuts an element with the tag off b.
func want(b []byte, tag byte, name string) (value, rest []byte, err error) {
	e, rest, err := next(b, name)
	if err != nil {
		return nil, nil, err
	}
	if e.tag != tag {
		return nil, nil, &Error{Field: name, Offset: len(b), Reason: fmt.Sprintf("tag 0x%02x, want 0x%02x", e.tag, tag)}
	}
	return e.value, rest, nil
}

// der writes one element around the parts.
func der(tag byte, parts ...[]byte) []byte {
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
