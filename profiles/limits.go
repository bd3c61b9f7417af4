package profiles

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// Limits of a run that a site file may set. The zero value of each: not said.
type Limits struct {
	Rate       string // packets a second, or "max"
	Timeout    time.Duration
	Rounds     int
	MaxTargets int
}

// What the limits may be; the same for the flags.
const (
	MaxRate     = 10_000_000 // packets a second
	MinTimeout  = 10 * time.Millisecond
	MaxTimeout  = time.Minute
	MaxRounds   = 50
	MostTargets = 1 << 25 // more than IPv4's largest private network has
)

func (d decoder) limits(n *node) Limits {
	f := d.mapping(n, "limits", "rate", "timeout", "rounds", "max_targets")
	l := Limits{
		Rounds:     d.number(f["rounds"], "rounds", MaxRounds),
		MaxTargets: d.number(f["max_targets"], "max_targets", MostTargets),
	}
	if w := d.text(f["rate"], "rate"); w != "" {
		if rate, err := strconv.Atoi(w); w != "max" && (err != nil || rate < 1 || rate > MaxRate) {
			d.add(f["rate"].at, fmt.Sprintf("give packets a second, 1 to %d, or max", MaxRate), "rate %q is no rate", w)
		}
		l.Rate = w
	}
	if w := d.text(f["timeout"], "timeout"); w != "" {
		t, err := time.ParseDuration(w)
		switch {
		case err != nil:
			d.add(f["timeout"].at, "write it with its unit, such as 2s or 500ms", "timeout %q is not a time", w)
		case t < MinTimeout || t > MaxTimeout:
			d.add(f["timeout"].at, "give 10ms to 1m", "timeout %q is out of range", w)
		}
		l.Timeout = t
	}
	return l
}

// number reads a whole number from 1 to most.
func (d decoder) number(n *node, what string, most int) int {
	w := d.text(n, what)
	if w == "" {
		return 0
	}
	v, err := strconv.Atoi(w)
	if err != nil || v < 1 || v > most {
		d.add(n.at, "give 1 to "+strconv.Itoa(most), "%s %q is out of range", what, w)
		return 0
	}
	return v
}

// Boundary is a named part of the network, to group results by.
type Boundary struct {
	Name   string
	Ranges []AddrRange
}

// AddrRange is a range of addresses, both ends included.
type AddrRange struct{ From, To netip.Addr }

// contains reports whether the address is in the range.
func (r AddrRange) contains(a netip.Addr) bool {
	return a.BitLen() == r.From.BitLen() && !a.Less(r.From) && !r.To.Less(a)
}

// boundaries reads the named networks: NAME: NETWORK or a list of them.
func (d decoder) boundaries(n *node) []Boundary {
	d.mapping(n, "boundaries") // any key, each once
	var out []Boundary
	for _, p := range n.pairs {
		b := Boundary{Name: d.text(p.key, "the name of a boundary")}
		d.items(p.value, "the boundary "+b.Name, func(n *node, it item) {
			if it.key != "" {
				d.add(n.at, "write a prefix such as 198.18.1.0/24, or a range", "%q is not a network", it.name)
				return
			}
			b.Ranges = append(b.Ranges, AddrRange{it.from, it.to})
		})
		out = append(out, b)
	}
	return out
}

// Boundary names the boundary that an address lies in, the narrowest one when
// there are several; empty when there is none.
func (s *Site) Boundary(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	type found struct {
		name string
		size uint64
	}
	var in []found
	for _, b := range s.Boundaries {
		for _, r := range b.Ranges {
			if r.contains(a) {
				in = append(in, found{b.Name, sizeOf([]interval{{from: r.From, to: r.To}})})
			}
		}
	}
	if len(in) == 0 {
		return ""
	}
	return slices.MinFunc(in, func(x, y found) int { return cmp.Compare(x.size, y.size) }).name
}
