package cause

import (
	"net/netip"
	"slices"
)

// Prefixes are the fewest prefixes that cover exactly these addresses, and no
// other one.
func Prefixes(addrs []netip.Addr) []netip.Prefix {
	list := make([]netip.Prefix, 0, len(addrs))
	for _, a := range addrs {
		if a = a.Unmap().WithZone(""); a.IsValid() {
			list = append(list, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return Join(list)
}

// Subnets are the fewest prefixes that cover exactly the /24 or /64 networks in
// which these addresses lie.
func Subnets(addrs []netip.Addr) []netip.Prefix {
	var list []netip.Prefix
	for _, a := range addrs {
		a = a.Unmap().WithZone("")
		bits := 64
		if a.Is4() {
			bits = 24
		}
		p, err := a.Prefix(bits)
		if err != nil {
			continue // the address of a name that has none
		}
		if n := len(list); n == 0 || list[n-1] != p { // mostly they come in order
			list = append(list, p)
		}
	}
	return Join(list)
}

// Join are the fewest prefixes that cover exactly what these cover, in order,
// IPv4 first.
func Join(prefixes []netip.Prefix) []netip.Prefix {
	list := make([]netip.Prefix, 0, len(prefixes))
	for _, p := range prefixes {
		if p.IsValid() {
			list = append(list, p.Masked())
		}
	}
	slices.SortFunc(list, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits() // the wider one first: it covers the other
	})
	out := list[:0]
	for _, p := range list {
		if n := len(out); n > 0 && out[n-1].Contains(p.Addr()) {
			continue
		}
		out = append(out, p)
		for len(out) > 1 {
			wide, ok := halves(out[len(out)-2], out[len(out)-1])
			if !ok {
				break
			}
			out = append(out[:len(out)-2], wide)
		}
	}
	return slices.Clip(out)
}

// halves returns the prefix of which a and b are the two halves.
func halves(a, b netip.Prefix) (netip.Prefix, bool) {
	if a.Bits() != b.Bits() || a.Bits() == 0 {
		return netip.Prefix{}, false
	}
	wide, err := a.Addr().Prefix(a.Bits() - 1)
	return wide, err == nil && wide.Addr() == a.Addr() && wide.Contains(b.Addr())
}
