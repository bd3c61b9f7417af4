package cause

import (
	"net/netip"
	"slices"
)

// maxSubnets bounds the memory of one set. Beyond it the subnets are widened.
const maxSubnets = 4096

// subnets is a set of the networks that addresses lie in, with a count each.
type subnets struct {
	bits4, bits6 int // the size of a network: /24 and /64 unless there are too many
	count        map[netip.Prefix]int
}

func newSubnets() *subnets {
	return &subnets{bits4: 24, bits6: 64, count: map[netip.Prefix]int{}}
}

func (s *subnets) add(a netip.Addr) {
	p, ok := s.prefix(a)
	if !ok {
		return
	}
	s.count[p]++
	for len(s.count) > maxSubnets && s.bits4 > 0 {
		s.bits4, s.bits6 = s.bits4-8, s.bits6-16
		old := s.count
		s.count = map[netip.Prefix]int{}
		for p, n := range old {
			if wide, ok := s.prefix(p.Addr()); ok {
				s.count[wide] += n
			}
		}
	}
}

func (s *subnets) prefix(a netip.Addr) (netip.Prefix, bool) {
	bits := s.bits6
	if a.Is4() || a.Is4In6() {
		a, bits = a.Unmap(), s.bits4
	}
	p, err := a.WithZone("").Prefix(bits)
	return p, err == nil
}

// common counts what other holds in the networks of s.
func (s *subnets) common(other *subnets) int {
	if other == nil || s.bits4 != other.bits4 {
		return 0
	}
	n := 0
	for p := range s.count {
		n += other.count[p]
	}
	return n
}

// merged lists the networks in order; two halves of a larger one become one.
func (s *subnets) merged() []netip.Prefix {
	list := make([]netip.Prefix, 0, len(s.count))
	for p := range s.count {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	out := list[:0]
	for _, p := range list {
		out = append(out, p)
		for len(out) > 1 {
			last, prev := out[len(out)-1], out[len(out)-2]
			wide, err := prev.Addr().Prefix(prev.Bits() - 1)
			if err != nil || last.Bits() != prev.Bits() || wide.Addr() != prev.Addr() || !wide.Contains(last.Addr()) {
				break
			}
			out = append(out[:len(out)-2], wide)
		}
	}
	return out
}
