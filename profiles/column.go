package profiles

// A list of a million computers must not cost a multiple of itself while it
// grows, as a slice does that is copied into one twice as large: so what
// belongs to each entry stands in parts of one size.

// column is a list that grows in parts.
type column[T any] struct {
	parts [][]T
	n     int
}

// columnPart is how many values a part holds.
const columnPart = 1 << 12

func (c *column[T]) add(v T) {
	if c.n%columnPart == 0 {
		c.parts = append(c.parts, nil)
		if c.n > 0 {
			c.parts[len(c.parts)-1] = make([]T, 0, columnPart)
		}
	}
	last := &c.parts[len(c.parts)-1]
	*last = append(*last, v)
	c.n++
}

func (c *column[T]) at(i int) *T { return &c.parts[i/columnPart][i%columnPart] }

// forget gives back the parts before i, which nobody asks for any more.
func (c *column[T]) forget(i int) {
	for p := i/columnPart - 1; p >= 0 && c.parts[p] != nil; p-- {
		c.parts[p] = nil
	}
}

// slab holds texts one behind the other. A text does not go over the end of a
// part, so that a place of 32 bits finds it.
type slab struct{ parts [][]byte }

// The part has room for the longest text that is put into one.
const (
	slabBits = 17
	slabPart = 1 << slabBits
)

// put keeps a text and says where; no place is 0. ok is false when the slab is full.
func (s *slab) put(b []byte) (at uint32, ok bool) {
	last := len(s.parts) - 1
	if last < 0 || len(s.parts[last])+len(b) > slabPart {
		if len(b) >= slabPart || len(s.parts) == 1<<(32-slabBits) {
			return 0, false
		}
		part := make([]byte, 0, slabPart)
		if last < 0 {
			part = []byte{0} // grows with what there is: most lists are short
		}
		s.parts = append(s.parts, part)
		last++
	}
	p := &s.parts[last]
	at = uint32(last)<<slabBits | uint32(len(*p)) //nolint:gosec // G115: bounded above
	*p = append(*p, b...)
	return at, true
}

// get returns what stands at a place, and whatever was put behind it.
func (s *slab) get(at uint32) []byte { return s.parts[at>>slabBits][at&(slabPart-1):] }
