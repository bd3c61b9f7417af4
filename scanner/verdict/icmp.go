package verdict

import (
	"cmreach/scanner"
	"fmt"
	"net/netip"
)

// kind is what an ICMP error says, whatever the address family.
type kind uint8

const (
	kindOther      kind = iota
	kindProhibited      // a filter says so
	kindPort            // port unreachable
	kindHost            // host unreachable or unknown
	kindNet             // no route
	kindSize            // packet too big
)

// kindOf reads the type and code of a destination unreachable message: RFC 792
// and RFC 1812 5.2.7.1 for IPv4, RFC 4443 3.1 for IPv6.
func kindOf(a netip.Addr, e scanner.ICMPError) kind {
	return meaningOf(a, e).kind
}

// meaningOf finds what an error means; of one that is not known, nothing.
func meaningOf(a netip.Addr, e scanner.ICMPError) meaning {
	list := icmp4
	if a.Is6() {
		list = icmp6
	}
	if int(e.Type) < len(list) && int(e.Code) < len(list[e.Type]) {
		return list[e.Type][e.Code]
	}
	return meaning{}
}

type meaning struct {
	kind kind
	text string
}

// The errors by type and code.
var icmp4 = [][]meaning{
	3: {
		0:  {kindNet, "network unreachable"},
		1:  {kindHost, "host unreachable"},
		2:  {kindOther, "protocol unreachable"},
		3:  {kindPort, "port unreachable"},
		4:  {kindSize, "fragmentation needed"},
		5:  {kindOther, "source route failed"},
		6:  {kindNet, "network unknown"},
		7:  {kindHost, "host unknown"},
		9:  {kindProhibited, "network administratively prohibited"},
		10: {kindProhibited, "host administratively prohibited"},
		11: {kindNet, "network unreachable for this service"},
		12: {kindHost, "host unreachable for this service"},
		13: {kindProhibited, "administratively prohibited"},
	},
	11: {{kindOther, "hop limit exceeded"}},
}

var icmp6 = [][]meaning{
	1: {
		0: {kindNet, "no route"},
		1: {kindProhibited, "administratively prohibited"},
		2: {kindNet, "beyond the scope of the source address"},
		3: {kindHost, "address unreachable"},
		4: {kindPort, "port unreachable"},
		5: {kindProhibited, "source address refused by policy"},
		6: {kindProhibited, "route rejected"},
	},
	2: {{kindSize, "packet too big"}},
	3: {{kindOther, "hop limit exceeded"}},
}

// icmpText is the message of an ICMP error in words.
func icmpText(a netip.Addr, e scanner.ICMPError) string {
	if m := meaningOf(a, e); m.text != "" {
		return m.text
	}
	return fmt.Sprintf("ICMP type %d code %d", e.Type, e.Code)
}

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
	k := kindOf(target, o.ICMP)
	return k == kindHost || k == kindNet
}

// filtered reports whether o was rejected by a device that filters: it says
// that it prohibits the packet, or it answers for a port that is not its own,
// or it calls a host unreachable that is alive.
func (v *view) filtered(o *scanner.Observation) bool {
	if o == nil || o.Outcome != scanner.Rejected || !o.From.IsValid() {
		return false
	}
	switch kindOf(v.host.Addr, o.ICMP) {
	case kindProhibited:
		return true
	case kindPort:
		return o.From != v.host.Addr
	case kindHost, kindNet:
		return o.From != v.host.Addr && v.alive
	default:
		return false
	}
}
