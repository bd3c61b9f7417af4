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
	table := icmp4
	if a.Is6() {
		table = icmp6
	}
	return table[e].kind
}

type meaning struct {
	kind kind
	text string
}

var icmp4 = map[scanner.ICMPError]meaning{
	{Type: 3, Code: 0}:  {kindNet, "network unreachable"},
	{Type: 3, Code: 1}:  {kindHost, "host unreachable"},
	{Type: 3, Code: 2}:  {kindOther, "protocol unreachable"},
	{Type: 3, Code: 3}:  {kindPort, "port unreachable"},
	{Type: 3, Code: 4}:  {kindSize, "fragmentation needed"},
	{Type: 3, Code: 5}:  {kindOther, "source route failed"},
	{Type: 3, Code: 6}:  {kindNet, "network unknown"},
	{Type: 3, Code: 7}:  {kindHost, "host unknown"},
	{Type: 3, Code: 9}:  {kindProhibited, "network administratively prohibited"},
	{Type: 3, Code: 10}: {kindProhibited, "host administratively prohibited"},
	{Type: 3, Code: 11}: {kindNet, "network unreachable for this service"},
	{Type: 3, Code: 12}: {kindHost, "host unreachable for this service"},
	{Type: 3, Code: 13}: {kindProhibited, "administratively prohibited"},
	{Type: 11, Code: 0}: {kindOther, "hop limit exceeded"},
}

var icmp6 = map[scanner.ICMPError]meaning{
	{Type: 1, Code: 0}: {kindNet, "no route"},
	{Type: 1, Code: 1}: {kindProhibited, "administratively prohibited"},
	{Type: 1, Code: 2}: {kindNet, "beyond the scope of the source address"},
	{Type: 1, Code: 3}: {kindHost, "address unreachable"},
	{Type: 1, Code: 4}: {kindPort, "port unreachable"},
	{Type: 1, Code: 5}: {kindProhibited, "source address refused by policy"},
	{Type: 1, Code: 6}: {kindProhibited, "route rejected"},
	{Type: 2, Code: 0}: {kindSize, "packet too big"},
	{Type: 3, Code: 0}: {kindOther, "hop limit exceeded"},
}

// icmpText is the message of an ICMP error in words.
func icmpText(a netip.Addr, e scanner.ICMPError) string {
	table := icmp4
	if a.Is6() {
		table = icmp6
	}
	if m, ok := table[e]; ok {
		return m.text
	}
	return fmt.Sprintf("ICMP type %d code %d", e.Type, e.Code)
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
