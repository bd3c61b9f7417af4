package verdict

import (
	"cmreach/scanner"
	"net/netip"
)

// kindOf is what an ICMP error about packets to an address speaks of.
func kindOf(a netip.Addr, e scanner.ICMPError) scanner.ICMPKind { return e.Kind(a.Is6()) }

// icmpText is the message of an ICMP error in words.
func icmpText(a netip.Addr, e scanner.ICMPError) string { return e.Text(a.Is6()) }

func appendICMP(b []byte, a netip.Addr, e scanner.ICMPError) []byte {
	return append(b, icmpText(a, e)...)
}

// appendAddr appends an address as its String gives it.
func appendAddr(b []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return append(b, a.String()...)
	}
	return a.AppendTo(b)
}

// unreachable reports whether somebody on the way said that the host cannot be
// reached at all, which is the routing's or the host's trouble, not a filter's.
func unreachable(target netip.Addr, o *scanner.Observation) bool {
	if o.Outcome == scanner.Expired {
		return true
	}
	if o.Outcome != scanner.Rejected || o.From == target {
		return false
	}
	return o.ICMP.Unreachable(target.Is6())
}

// filtered reports whether o was rejected by a device that filters: it says
// that it prohibits the packet, or it answers for a port that is not its own,
// or it calls a host unreachable that is alive.
func (v *view) filtered(o *scanner.Observation) bool {
	if o == nil || o.Outcome != scanner.Rejected || !o.From.IsValid() {
		return false
	}
	switch kindOf(v.host.Addr, o.ICMP) {
	case scanner.ICMPProhibited:
		return true
	case scanner.ICMPPort:
		return o.From != v.host.Addr
	case scanner.ICMPHost, scanner.ICMPNet:
		return o.From != v.host.Addr && v.alive
	default:
		return false
	}
}
