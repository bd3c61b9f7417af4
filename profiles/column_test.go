package profiles

import (
	"bytes"
	"fmt"
	"testing"
)

// Texts that fill parts to the last byte, and go into the next, are found again.
func TestSlab(t *testing.T) {
	var s slab
	texts := map[uint32][]byte{}
	for i, size := range []int{1, slabPart - 2, 0, 1, slabPart - 1, 7, 300, slabPart - 300, slabPart / 2, slabPart / 2, 1} {
		b := bytes.Repeat(fmt.Append(nil, i%10), size)
		at, ok := s.put(b)
		if _, taken := texts[at]; !ok || at == 0 || taken && size > 0 {
			t.Fatalf("text %d of %d bytes: at %d, %v", i, size, at, ok)
		}
		if size > 0 {
			texts[at] = b
		}
	}
	for at, b := range texts {
		if got := s.get(at); !bytes.HasPrefix(got, b) {
			t.Errorf("at %d is %.10q, not %.10q", at, got, b)
		}
	}
	if _, ok := s.put(make([]byte, slabPart)); ok {
		t.Error("a text that no part holds was put")
	}
}

func TestColumn(t *testing.T) {
	var c column[int]
	for i := range 3*columnPart + 5 {
		c.add(i)
	}
	c.forget(columnPart) // the first part is not asked for any more
	if c.parts[0] != nil || c.n != 3*columnPart+5 {
		t.Errorf("%d values, the first part is kept: %v", c.n, c.parts[0] != nil)
	}
	for i := columnPart; i < c.n; i++ {
		if *c.at(i) != i {
			t.Fatalf("at %d is %d", i, *c.at(i))
		}
	}
}
