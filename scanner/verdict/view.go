package verdict

import (
	"cmp"
	"cmreach/scanner"
	"net/netip"
	"slices"
)

// view is the evidence of one host, read once.
type view struct {
	host     *scanner.Host
	obs      []*scanner.Observation   // in the order of compare
	few      [12]*scanner.Observation // room for those of most hosts
	alive    bool                     // something at the address answered that only a live host answers
	answered bool                     // something answered, though perhaps not the host
	stranger string                   // the name of the other machine that answered; empty: none did
	known    bool                     // the machine gave the name that was asked for
	limited  bool                     // there are packets with a limited hop count
	untried  bool                     // a TCP port of the host could not be asked: it may be the one that answers
	rationed netip.Addr               // a router that may have rejected what is silent, without a word
	// The first ordinary observations, in the order of compare, of something
	// that filters, of a name without an address, and of this machine's failure.
	filter, unresolved, fault *scanner.Observation

	path  path   // of the row that is being judged
	text  []byte // its sentence and its evidence, one after the other
	marks []int  // where each of these ends in text
	brief bool   // see Context
}

// read takes in the evidence of a host, in place of that of another one.
func (v *view) read(h *scanner.Host) {
	v.host, v.obs = h, v.obs[:0]
	v.alive, v.answered, v.stranger, v.known, v.limited = false, false, "", false, false
	v.rationed, v.untried = netip.Addr{}, false
	v.filter, v.unresolved, v.fault = nil, nil, nil
	if v.obs == nil {
		v.obs = v.few[:0]
	}
	for i := range h.Observations {
		v.obs = append(v.obs, &h.Observations[i])
	}
	slices.SortFunc(v.obs, compare)
	for _, o := range v.obs {
		v.note(o)
	}
	v.answered = v.answered || v.alive
	v.filter = v.first(v.filtered)
}

// note takes in what an observation says of the host as a whole.
func (v *view) note(o *scanner.Observation) {
	if o.HopLimit != 0 {
		v.limited = true
		return
	}
	switch o.Outcome {
	case scanner.Silent:
		if !v.rationed.IsValid() {
			v.rationed = o.Rationed
		}
	case scanner.Answered:
		v.alive = true
	case scanner.Spoke:
		v.alive = true
		v.identify(o.Identity)
	case scanner.Foreign, scanner.Mute, scanner.Cut, scanner.Garbled:
		v.alive = true
	case scanner.Rejected:
		v.alive = v.alive || o.From == v.host.Addr
	case scanner.Refused:
		v.answered = true
	case scanner.Unresolved:
		v.unresolved = cmp.Or(v.unresolved, o)
	case scanner.LocalError:
		v.fault = cmp.Or(v.fault, o)
		v.untried = v.untried || o.Protocol == scanner.TCP
	default:
	}
}

// compare orders observations, so that nothing depends on the order in which
// they were made.
func compare(a, b *scanner.Observation) int {
	// What differs between the observations of almost every host comes first
	// and alone: there are many hosts.
	if a.Protocol != b.Protocol {
		return cmp.Compare(a.Protocol, b.Protocol)
	}
	if a.Port != b.Port {
		return cmp.Compare(a.Port, b.Port)
	}
	return cmp.Or(
		cmp.Compare(a.Probe, b.Probe), cmp.Compare(a.Asked, b.Asked),
		cmp.Compare(a.HopLimit, b.HopLimit), cmp.Compare(a.Outcome, b.Outcome), a.From.Compare(b.From),
		cmp.Compare(a.ICMP.Type, b.ICMP.Type), cmp.Compare(a.ICMP.Code, b.ICMP.Code), cmp.Compare(a.TTL, b.TTL),
		cmp.Compare(a.Tries, b.Tries), cmp.Compare(a.Err, b.Err), a.Sent.Compare(b.Sent), a.Rationed.Compare(b.Rationed),
	)
}

// find returns the observation of an endpoint: of the sweep when probe is
// empty, else of that conversation.
func (v *view) find(proto scanner.Protocol, port uint16, probe string) *scanner.Observation {
	for _, o := range v.obs {
		if o.HopLimit == 0 && o.Protocol == proto && o.Port == port && o.Probe == probe {
			return o
		}
	}
	return nil
}

// swept returns what single packets to a row's own port showed: those that
// asked the row's own question, or else any.
func (v *view) swept(row *scanner.Requirement) *scanner.Observation {
	var other *scanner.Observation
	for _, o := range v.obs {
		switch {
		case o.HopLimit != 0 || o.Probe != "" || o.Protocol != row.Protocol || o.Port != row.Port:
		case o.Asked != "" && o.Asked == row.Probe:
			return o
		case other == nil && (o.Asked == "" || row.Probe == ""):
			other = o
		}
	}
	return other
}

// first returns the first ordinary observation that satisfies f.
func (v *view) first(f func(*scanner.Observation) bool) *scanner.Observation {
	for _, o := range v.obs {
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

// newPath finds the evidence of a row. The path is valid until the next call.
func newPath(v *view, row *scanner.Requirement) *path {
	v.path = path{view: v, row: row, named: v.path.named[:0], extra: v.path.extra[:0]}
	p := &v.path
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
	for _, o := range v.obs {
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
