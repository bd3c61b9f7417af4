package verdict

import (
	"cmreach/scanner"
	"slices"
	"strconv"
)

// The conditions and phrases that the rules are written in.

// swept reports whether the path's single packets ended so.
func (p *path) swept(wanted ...scanner.Outcome) bool {
	return p.sweep != nil && slices.Contains(wanted, p.sweep.Outcome)
}

// talked reports whether the path's conversation ended so.
func (p *path) talked(wanted ...scanner.Outcome) bool {
	return p.talk != nil && slices.Contains(wanted, p.talk.Outcome)
}

// swept is satisfied by paths whose single packets ended so.
func swept(wanted ...scanner.Outcome) func(*path) bool {
	return func(p *path) bool { return p.swept(wanted...) }
}

// talked is satisfied by paths whose conversation ended so.
func talked(wanted ...scanner.Outcome) func(*path) bool {
	return func(p *path) bool { return p.talked(wanted...) }
}

// via restricts a condition to rows whose ports a conversation names.
func via(f func(*path) bool) func(*path) bool {
	return func(p *path) bool { return p.row.Via != 0 && f(p) }
}

// dead is satisfied by paths of hosts that nothing answered for, when one of
// the observations of the host satisfies f and the path itself got no further.
func dead(f func(*scanner.Observation, *path) bool) func(*path) bool {
	return func(p *path) bool {
		return p.swept(scanner.Silent, scanner.Rejected, scanner.Expired) && !p.view.answered &&
			p.view.filter == nil &&
			p.view.first(func(o *scanner.Observation) bool { return f(o, p) }) != nil
	}
}

func refused(o *scanner.Observation) bool { return o.Outcome == scanner.Refused }

// localFault is the failure of this machine that leaves the path untested.
func (p *path) localFault() *scanner.Observation {
	for _, o := range []*scanner.Observation{p.talk, p.sweep} {
		if o != nil && o.Outcome == scanner.LocalError {
			return o
		}
	}
	if p.row.Via == 0 || p.spokeOn() != 0 {
		return nil
	}
	for _, n := range p.named {
		for _, o := range []*scanner.Observation{n.talk, n.sweep} {
			if o != nil && o.Outcome == scanner.LocalError {
				return o
			}
		}
	}
	return nil
}

// spokeOn is a named port, or one beside them, on which the conversation was held.
func (p *path) spokeOn() uint16 {
	for _, n := range p.allPorts() {
		if n.talk != nil && n.talk.Outcome == scanner.Spoke {
			return n.talk.Port
		}
	}
	return 0
}

// namedPort is the first named port whose sweep satisfies f.
func (p *path) namedPort(f func(*scanner.Observation) bool) *scanner.Observation {
	for _, n := range p.named {
		if f(n.sweep) {
			return n.sweep
		}
	}
	return nil
}

// namedTalk is the first conversation on a named port that ended so.
func (p *path) namedTalk(wanted ...scanner.Outcome) *scanner.Observation {
	for _, n := range p.named {
		if n.talk != nil && slices.Contains(wanted, n.talk.Outcome) {
			return n.talk
		}
	}
	return nil
}

// all reports whether the sweeps of all named ports satisfy f.
func (p *path) all(f func(*scanner.Observation) bool) bool {
	for _, n := range p.named {
		if !f(n.sweep) {
			return false
		}
	}
	return true
}

// detail is the value of a fact; empty when it is not there.
func detail(o *scanner.Observation, key string) string {
	for _, d := range o.Details {
		if d.Key == key {
			return d.Value
		}
	}
	return ""
}

// because gives the observation's own words, if it has any.
func because(o *scanner.Observation) string {
	if o.Err == "" {
		return ""
	}
	return ": " + o.Err
}

// what names the path in a sentence.
func (p *path) what() string { return string(p.appendWhat(nil)) }

func (p *path) appendWhat(b []byte) []byte {
	switch {
	case p.row.Protocol == scanner.ICMP:
		return append(b, "echo (ICMP)"...)
	case p.row.Port == 0:
		return append(b, "the dynamic RPC range"...)
	default:
		b = append(append(b, upper(p.row.Protocol)...), ' ')
		return strconv.AppendUint(b, uint64(p.row.Port), 10)
	}
}

// upper is the protocol as people write it; empty for none.
func upper(p scanner.Protocol) string {
	switch p {
	case scanner.TCP:
		return "TCP"
	case scanner.UDP:
		return "UDP"
	case scanner.ICMP:
		return "ICMP"
	default:
		return ""
	}
}

// device names whoever sent the answer o.
func (p *path) device(o *scanner.Observation) string { return string(p.appendDevice(nil, o)) }

func (p *path) appendDevice(b []byte, o *scanner.Observation) []byte {
	from := o.From
	if o.Outcome == scanner.Refused {
		from = p.view.resetter(o)
	}
	switch {
	case !from.IsValid():
		return append(b, "a device on the way"...)
	case from == p.view.host.Addr:
		return append(b, "the host's own firewall"...)
	default:
		return from.AppendTo(b)
	}
}
