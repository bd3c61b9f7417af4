package verdict

import (
	"cmp"
	"cmreach/scanner"
	"net/netip"
	"slices"
)

// view is the evidence of one host, read once.
type view struct {
	host     scanner.Host
	alive    bool   // something at the address answered that only a live host answers
	answered bool   // something answered, though perhaps not the host
	stranger string // the name of the other machine that answered; empty: none did
	known    bool   // the machine gave the name that was asked for
}

func newView(h scanner.Host) *view {
	h.Observations = slices.SortedFunc(slices.Values(h.Observations), compare)
	v := &view{host: h}
	for i := range h.Observations {
		o := &h.Observations[i]
		if o.HopLimit != 0 {
			continue
		}
		switch o.Outcome {
		case scanner.Answered:
			v.alive = true
		case scanner.Spoke, scanner.Foreign, scanner.Mute, scanner.Cut, scanner.Garbled:
			v.alive = true
		case scanner.Rejected:
			v.alive = v.alive || o.From == h.Addr
		case scanner.Refused:
			v.answered = true
		default:
		}
		if o.Outcome == scanner.Spoke {
			v.identify(o.Identity)
		}
	}
	v.answered = v.answered || v.alive
	return v
}

// compare orders observations, so that nothing depends on the order in which
// they were made.
func compare(a, b scanner.Observation) int {
	return cmp.Or(
		cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Probe, b.Probe), cmp.Compare(a.Asked, b.Asked),
		cmp.Compare(a.HopLimit, b.HopLimit), cmp.Compare(a.Outcome, b.Outcome), a.From.Compare(b.From),
		cmp.Compare(a.ICMP.Type, b.ICMP.Type), cmp.Compare(a.ICMP.Code, b.ICMP.Code), cmp.Compare(a.TTL, b.TTL),
		cmp.Compare(a.Tries, b.Tries), cmp.Compare(a.Err, b.Err), a.Sent.Compare(b.Sent),
	)
}

// find returns the observation of an endpoint: of the sweep when probe is
// empty, else of that conversation.
func (v *view) find(proto scanner.Protocol, port uint16, probe string) *scanner.Observation {
	for i := range v.host.Observations {
		o := &v.host.Observations[i]
		if o.HopLimit == 0 && o.Protocol == proto && o.Port == port && o.Probe == probe {
			return o
		}
	}
	return nil
}

// swept returns what single packets to a row's own port showed.
func (v *view) swept(row *scanner.Requirement) *scanner.Observation {
	asked := v.first(func(o *scanner.Observation) bool {
		return o.Sweep() && o.Protocol == row.Protocol && o.Port == row.Port && o.Asked != "" && o.Asked == row.Probe
	})
	if asked != nil {
		return asked
	}
	return v.first(func(o *scanner.Observation) bool {
		return o.Sweep() && o.Protocol == row.Protocol && o.Port == row.Port && (o.Asked == "" || row.Probe == "")
	})
}

// first returns the first ordinary observation that satisfies f.
func (v *view) first(f func(*scanner.Observation) bool) *scanner.Observation {
	for i := range v.host.Observations {
		o := &v.host.Observations[i]
		if o.HopLimit == 0 && f(o) {
			return o
		}
	}
	return nil
}

// udpOnly reports whether the host was sent nothing but datagrams that it need
// not answer: its silence does not show that it is down then.
func (v *view) udpOnly() bool {
	return v.first(func(o *scanner.Observation) bool {
		return o.Sweep() && (o.Protocol != scanner.UDP || o.Outcome != scanner.Silent)
	}) == nil
}

// path is the evidence that bears on one row.
type path struct {
	view  *view
	row   *scanner.Requirement
	spare bool                 // the port is of an instance of the service that need not exist
	sweep *scanner.Observation // single packets to the row's port
	talk  *scanner.Observation // the conversation that proves the row
	// Of rows that "cmreach listen" is asked about: the packets to the row's
	// port, which for TCP are those of sweep, and what answered.
	farSweep *scanner.Observation
	farTalk  *scanner.Observation
	// For rows whose ports a conversation names, sweep and talk are those of
	// the mapper, and named and extra are the ports that came of it.
	named []port
	extra []port
}

// port is the evidence of one port that a conversation named.
type port struct {
	sweep *scanner.Observation
	talk  *scanner.Observation
}

func newPath(v *view, row *scanner.Requirement) *path {
	p := &path{view: v, row: row}
	if row.Via == 0 {
		p.sweep = v.swept(row)
		p.talk = v.find(row.Protocol, row.Port, row.Probe)
		if row.Probe == "" {
			p.talk = nil
		}
		p.askFarEnd()
		return p
	}
	p.sweep = v.find(scanner.TCP, row.Via, "")
	p.talk = v.find(scanner.TCP, row.Via, row.ViaProbe)
	for i := range v.host.Observations {
		o := &v.host.Observations[i]
		if o.Via != row.Via || !o.Sweep() {
			continue
		}
		found := port{sweep: o, talk: v.find(o.Protocol, o.Port, row.Probe)}
		switch {
		case contains(row.Extra, o.Port):
			p.extra = append(p.extra, found)
		case !v.extraOf(row.Via, o.Port):
			p.named = append(p.named, found)
		}
	}
	return p
}

// extraOf reports whether a port was tried because a row has it beside the ones
// that the mapper names. To the other rows of that mapper it says nothing.
func (v *view) extraOf(via, port uint16) bool {
	for _, row := range v.host.Rows {
		if row.Via == via && contains(row.Extra, port) {
			return true
		}
	}
	return false
}

func contains(ports []uint16, p uint16) bool {
	for _, have := range ports {
		if have == p {
			return true
		}
	}
	return false
}

// assurance is how far an open path is proven.
func (p *path) assurance() scanner.Assurance {
	best := max(p.proof(p.sweep, p.talk), p.proof(nil, p.farTalk))
	if p.row.Via != 0 {
		best = scanner.AssuranceNone
		for _, n := range p.allPorts() {
			best = max(best, p.proof(n.sweep, n.talk))
		}
	}
	if best >= scanner.AssuranceRole && p.view.known { // higher levels include lower ones
		best = scanner.AssuranceIdentity
	}
	return best
}

func (p *path) proof(sweep, talk *scanner.Observation) scanner.Assurance {
	switch {
	case talk != nil && talk.Outcome == scanner.Spoke:
		return talk.Proof
	case sweep != nil && sweep.Outcome == scanner.Answered && sweep.Protocol == scanner.ICMP:
		return scanner.AssuranceProtocol
	case sweep != nil && sweep.Outcome == scanner.Answered:
		return scanner.AssurancePortOpen
	default:
		return scanner.AssuranceNone
	}
}

func (p *path) allPorts() []port {
	return append(append([]port(nil), p.named...), p.extra...)
}

// decisive is the observation that a negative verdict on the path rests on.
func (p *path) decisive() *scanner.Observation {
	if p.farSweep != nil && !p.service() && p.held() {
		return p.farSweep
	}
	if p.row.Via != 0 {
		for _, f := range []func(*scanner.Observation) bool{p.view.filtered, p.view.middleboxReset} {
			for _, n := range p.named {
				if f(n.sweep) {
					return n.sweep
				}
			}
		}
		if len(p.named) > 0 {
			return p.named[0].sweep
		}
	}
	if p.talk != nil && p.talk.Outcome == scanner.Rejected {
		return p.talk
	}
	if p.sweep != nil && p.sweep.Outcome == scanner.Silent && !p.view.alive {
		if o := p.view.first(func(o *scanner.Observation) bool { return unreachable(p.view.host.Addr, o) }); o != nil {
			return o
		}
	}
	return p.sweep
}

// by is the address of whatever rejected the path, if it is known.
func (p *path) by() netip.Addr {
	o := p.decisive()
	switch {
	case o == nil:
		return netip.Addr{}
	case o.Outcome == scanner.Rejected || o.Outcome == scanner.Expired:
		return o.From
	case o.Outcome == scanner.Refused && p.view.middleboxReset(o):
		return p.view.resetter(o)
	case o.Outcome == scanner.Refused && p.held():
		return netip.Addr{} // not the host, which holds the port
	case o.Outcome == scanner.Refused:
		return p.view.host.Addr
	default:
		return netip.Addr{}
	}
}
