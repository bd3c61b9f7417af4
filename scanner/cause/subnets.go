package cause

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// maxSubnets bounds the memory of one set. Beyond it the subnets are widened.
const maxSubnets = 4096

// subnets is a set of the networks that addresses lie in, with a count each.
type subnets struct {
	bits4, bits6 int                  // the size of a network: /24 and /64 unless there are too many
	four         map[uint32]int       // by the first address
	six          map[netip.Prefix]int // likewise
}

func newSubnets() *subnets {
	return &subnets{bits4: 24, bits6: 64, four: map[uint32]int{}, six: map[netip.Prefix]int{}}
}

func (s *subnets) add(a netip.Addr) {
	if a.Is4() || a.Is4In6() {
		b := a.As4()
		s.four[binary.BigEndian.Uint32(b[:])&s.mask4()]++
	} else if p, err := a.WithZone("").Prefix(s.bits6); err == nil {
		s.six[p]++
	}
	for len(s.four)+len(s.six) > maxSubnets && s.bits4 > 0 {
		s.widen()
	}
}

// mask4 are the bits that name a network of IPv4.
func (s *subnets) mask4() uint32 { return ^uint32(0) << (32 - s.bits4) }

// widen joins the networks to larger ones.
func (s *subnets) widen() {
	s.bits4, s.bits6 = s.bits4-8, s.bits6-16
	four, six := s.four, s.six
	s.four, s.six = map[uint32]int{}, map[netip.Prefix]int{}
	for a, n := range four {
		s.four[a&s.mask4()] += n
	}
	for p, n := range six {
		if wide, err := p.Addr().Prefix(s.bits6); err == nil {
			s.six[wide] += n
		}
	}
}

// common counts what other holds in the networks of s.
func (s *subnets) common(other *subnets) int {
	if other == nil || s.bits4 != other.bits4 {
		return 0
	}
	n := 0
	for a := range s.four {
		n += other.four[a]
	}
	for p := range s.six {
		n += other.six[p]
	}
	return n
}

// merged lists the networks in order; two halves of a larger one become one.
func (s *subnets) merged() []netip.Prefix {
	list := make([]netip.Prefix, 0, len(s.four)+len(s.six))
	for a := range s.four {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], a)
		list = append(list, netip.PrefixFrom(netip.AddrFrom4(b), s.bits4))
	}
	for p := range s.six {
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
