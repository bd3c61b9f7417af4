package verdict

import (
	"cmreach/scanner"
	"net/netip"
)

// A RST carries the address of the host in any case, so who sent it must be
// told by other means: the distance that it travelled, or the distance that a
// packet must be allowed to travel before it is refused.

// distances are the hops at which things happened to one endpoint, from the
// packets with a limited hop count.
type distances struct {
	answer  int             // the lowest hop limit at which an answer or a refusal came; 0: none
	outcome scanner.Outcome // what came then
	hops    []hop           // routers that reported "time exceeded"
	last    int             // the farthest of these
}

// hop is a router on the way, and how far it is.
type hop struct {
	limit int
	from  netip.Addr
}

// at is the router at a distance; of several that were seen there, the last.
func (d distances) at(limit int) (netip.Addr, bool) {
	for i := len(d.hops) - 1; i >= 0; i-- {
		if d.hops[i].limit == limit {
			return d.hops[i].from, true
		}
	}
	return netip.Addr{}, false
}

func (v *view) distances(proto scanner.Protocol, port uint16) distances {
	var d distances
	if !v.limited {
		return d
	}
	for _, o := range v.obs {
		if o.HopLimit == 0 || o.Protocol != proto || o.Port != port {
			continue
		}
		limit := int(o.HopLimit)
		switch o.Outcome {
		case scanner.Expired:
			d.hops = append(d.hops, hop{limit, o.From})
			d.last = max(d.last, limit)
		case scanner.Answered, scanner.Refused:
			if d.answer == 0 || limit < d.answer {
				d.answer, d.outcome = limit, o.Outcome
			}
		default:
		}
	}
	return d
}

// reference returns the distances of an endpoint at which the host itself
// answered.
func (v *view) reference() (distances, bool) {
	for _, o := range v.obs {
		if o.HopLimit == 0 || o.Outcome != scanner.Answered {
			continue
		}
		return v.distances(o.Protocol, o.Port), true
	}
	return distances{}, false
}

// origin is who sent a RST.
type origin uint8

const (
	originUnknown origin = iota
	originHost
	originMiddlebox
)

// origin finds out who sent the refusal o.
func (v *view) origin(o *scanner.Observation) origin {
	d := v.distances(o.Protocol, o.Port)
	if d.answer == 1 && d.outcome == scanner.Refused {
		return originHost // no router lies between
	}
	// A packet to the reference that could pass as few hops must have expired on
	// the way; that no answer came may be a loss.
	if ref, ok := v.reference(); ok && d.outcome == scanner.Refused && d.answer != 0 {
		if _, expired := ref.at(d.answer); expired {
			return originMiddlebox
		}
	}
	if o.TTL == 0 {
		if v.adjacent() {
			return originHost
		}
		return originUnknown
	}
	compared := false
	for _, r := range v.obs {
		if !r.Sweep() || r.Outcome != scanner.Answered || r.TTL == 0 {
			continue
		}
		if scanner.Hops(r.TTL) == scanner.Hops(o.TTL) {
			return originHost
		}
		compared = true
	}
	switch {
	case compared:
		return originMiddlebox
	case d.answer != 0 && scanner.Hops(o.TTL) == d.answer-1, v.adjacent(), v.asFar(o):
		return originHost
	default:
		return originUnknown
	}
}

// adjacent reports whether no router lies between: a packet that could pass none
// was refused, and no packet expired at one. Not every refused port is asked
// again with limited hops, and what holds for one holds for all of the host.
func (v *view) adjacent() bool {
	near := false
	for _, o := range v.obs {
		switch {
		case o.HopLimit == 0:
		case o.Outcome == scanner.Expired:
			return false
		case o.HopLimit == 1 && o.Outcome == scanner.Refused:
			near = true
		}
	}
	return near
}

// asFar reports whether a refusal came from as far away as another of which the
// hops show that the host sent it: from a router on the way it would be nearer.
func (v *view) asFar(o *scanner.Observation) bool {
	for _, r := range v.obs {
		if !r.Sweep() || r.Outcome != scanner.Refused || r.TTL == 0 || scanner.Hops(r.TTL) != scanner.Hops(o.TTL) {
			continue
		}
		if d := v.distances(r.Protocol, r.Port); d.outcome == scanner.Refused && d.answer != 0 && d.answer-1 == scanner.Hops(r.TTL) {
			return true
		}
	}
	return false
}

// middleboxReset reports whether o is a RST that the host did not send.
func (v *view) middleboxReset(o *scanner.Observation) bool {
	return o != nil && o.Outcome == scanner.Refused && v.origin(o) == originMiddlebox
}

// resetter is the router that sent the RST o: the last one that let a packet
// expire before the refusal came, because a router counts a packet's hops
// before it filters it.
func (v *view) resetter(o *scanner.Observation) netip.Addr {
	d := v.distances(o.Protocol, o.Port)
	if d.answer < 2 {
		return netip.Addr{}
	}
	if a, ok := d.at(d.answer - 1); ok {
		return a
	}
	ref, _ := v.reference()
	a, _ := ref.at(d.answer - 1)
	return a
}

// between returns the two hops around a silent drop: the last router that
// still reported an expired packet, and the next on the way of a packet that
// gets through.
func (p *path) between() []netip.Addr {
	if p.sweep == nil || p.sweep.Outcome != scanner.Silent || p.row.Via != 0 || !p.view.alive {
		return nil
	}
	if p.sweep.Rationed.IsValid() { // a router's limit holds for what expires there, too
		return nil
	}
	d := p.view.distances(p.row.Protocol, p.row.Port)
	ref, ok := p.view.reference()
	if d.last == 0 || !ok || ref.answer == 0 || d.last >= ref.answer {
		return nil
	}
	next := p.view.host.Addr
	if d.last+1 < ref.answer {
		next, _ = ref.at(d.last + 1)
	}
	if !next.IsValid() {
		return nil
	}
	before, _ := d.at(d.last)
	return []netip.Addr{before, next}
}
