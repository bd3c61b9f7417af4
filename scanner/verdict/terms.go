package verdict

import (
	"cmreach/scanner"
	"fmt"
	"slices"
)

// The conditions and phrases that the rules are written in.

// outcome is satisfied by observations that ended so.
func outcome(wanted ...scanner.Outcome) func(*scanner.Observation) bool {
	return func(o *scanner.Observation) bool { return slices.Contains(wanted, o.Outcome) }
}

// swept is satisfied by paths whose single packets ended so.
func swept(wanted ...scanner.Outcome) func(*path) bool {
	return func(p *path) bool { return p.sweep != nil && slices.Contains(wanted, p.sweep.Outcome) }
}

// talked is satisfied by paths whose conversation ended so.
func talked(wanted ...scanner.Outcome) func(*path) bool {
	return func(p *path) bool { return p.talk != nil && slices.Contains(wanted, p.talk.Outcome) }
}

// via restricts a condition to rows whose ports a conversation names.
func via(f func(*path) bool) func(*path) bool {
	return func(p *path) bool { return p.row.Via != 0 && f(p) }
}

// dead is satisfied by paths of hosts that nothing answered for, when one of
// the observations of the host satisfies f and the path itself got no further.
func dead(f func(*scanner.Observation, *path) bool) func(*path) bool {
	return func(p *path) bool {
		return swept(scanner.Silent, scanner.Rejected, scanner.Expired)(p) && !p.view.answered &&
			p.view.first(p.view.filtered) == nil &&
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
func (p *path) what() string {
	switch {
	case p.row.Protocol == scanner.ICMP:
		return "echo (ICMP)"
	case p.row.Port == 0:
		return "the dynamic RPC range"
	default:
		return fmt.Sprintf("%s %d", upper[p.row.Protocol], p.row.Port)
	}
}

var upper = map[scanner.Protocol]string{scanner.TCP: "TCP", scanner.UDP: "UDP", scanner.ICMP: "ICMP"}

// device names whoever sent the answer o.
func (p *path) device(o *scanner.Observation) string {
	from := o.From
	if o.Outcome == scanner.Refused {
		from = p.view.resetter(o)
	}
	switch {
	case !from.IsValid():
		return "a device on the way"
	case from == p.view.host.Addr:
		return "the host's own firewall"
	default:
		return from.String()
	}
}
