package lab

import (
	"cmreach/scanner"
	"fmt"
	"net/netip"
	"strings"
)

// Network describes a network as the scanner sees it. The scanner itself sits
// at the near side of the first router; every other router and every fleet
// hangs on a router, so that there is one way from anywhere to anywhere.
type Network struct {
	Domain  string // DNS domain of the hosts; its first label is the NetBIOS domain
	Routers []Router
	Fleets  []Fleet
	// DNS is the address that [Lab.Resolver] asks; a fleet must serve [DNS] there.
	DNS netip.Addr
}

// Router is a router, and the firewall on it.
type Router struct {
	Name    string
	Behind  string   // the router it hangs on, one that is listed before; empty for the first
	Filters []Filter // for packets from the scanner's side; the first match decides
	Routes  []Route  // what it does instead of forwarding
}

// Fleet is a set of hosts that offer the same services. They live in one
// namespace, which holds every address of the prefixes as its own.
type Fleet struct {
	Name     string
	Behind   string // the router it hangs on
	Prefixes []netip.Prefix
	Off      []netip.Prefix // addresses of the prefixes at which nothing answers anything
	Filters  []Filter       // host firewalls, for packets that arrive; the first match decides
	Listen   []Listen
	Host     func(netip.Addr) Host // who lives at an address; nil: nobody with a name
}

// Host is who answers at an address.
type Host struct {
	Addr      netip.Addr
	Others    []netip.Addr // further addresses that the machine has
	Computer  string       // NetBIOS name, at most 15 characters
	Domain    string       // NetBIOS domain name
	DNSName   string       // fully qualified
	DNSDomain string
}

// machine is the same text for all addresses of a machine.
func (h Host) machine() string {
	if h.DNSName != "" {
		return h.DNSName
	}
	return h.Addr.String()
}

// Listen says what is offered on a port.
type Listen struct {
	Addr     netip.Addr // invalid: every address of the fleet
	Protocol scanner.Protocol
	Port     uint16
	Service  Service
}

// Filter is one rule of a firewall for packets that come from the scanner's
// side; the answers to what was let through pass. Its zero fields match everything.
type Filter struct {
	To       netip.Prefix
	Protocol scanner.Protocol
	First    uint16 // first and last destination port; 0: every port
	Last     uint16 // 0: only First
	Do       Action
	Percent  int // for Lose
}

// Action is what a firewall does to a packet.
type Action uint8

// The actions. The ICMP errors have the code of the family of the packet
// (RFC 1812 5.2.7.1, RFC 4443 3.1).
const (
	ActionUnknown    Action = iota
	Accept                  // and look at no further rule
	Drop                    // swallow
	RejectProhibited        // ICMP: communication administratively prohibited
	RejectPort              // ICMP: port unreachable
	RejectHost              // ICMP: host unreachable; ICMPv6: address unreachable
	RejectNet               // ICMP: network unreachable; ICMPv6: no route
	RejectReset             // TCP RST in the name of the target
	Lose                    // swallow Percent of the packets, to and from the prefix
)

// Route is what a router does with packets to a prefix instead of forwarding them.
type Route struct {
	To   netip.Prefix
	Kind RouteKind
}

// RouteKind names the kinds of route that lead nowhere.
type RouteKind uint8

// The route kinds.
const (
	RouteUnknown     RouteKind = iota
	RouteUnreachable           // ICMP host unreachable
	RouteProhibit              // ICMP administratively prohibited
	RouteBlackhole             // silence
	RouteLoop                  // back to where it came from, until the hop limit is used up
)

// Stealth is the firewall of a host that answers on the named TCP ports only,
// as Windows does in stealth mode.
func Stealth(to netip.Prefix, ports ...uint16) []Filter {
	var fs []Filter
	for _, p := range ports {
		fs = append(fs, Filter{To: to, Protocol: scanner.TCP, First: p, Do: Accept})
	}
	return append(fs, Filter{To: to, Do: Drop})
}

// The addresses of the links are not described but assigned: link n is
// 198.18.(100+n).0/24 and fd00:198:(100+n)::/64; routers come first, then
// fleets, in their order. The near end is .1 (the scanner .10), the far end .2;
// on the scanner's own link the router is .1.
const firstLink = 100

// link is a veth pair.
type link struct {
	near, far     string // node names; near "" is the scanner
	near4, far4   netip.Prefix
	near6, far6   netip.Prefix
	nearIf, farIf string
	toRouter      bool // the far end is a router
}

// links lays out the links: routers first, then fleets.
func (n *Network) links() []link {
	var ls []link
	add := func(near, far string, router bool) {
		i := len(ls)
		nearHost, farHost := 1, 2
		if near == "" {
			nearHost, farHost = 10, 1
		}
		ls = append(ls, link{
			near: near, far: far, toRouter: router,
			near4: linkAddr4(i, nearHost), far4: linkAddr4(i, farHost),
			near6: linkAddr6(i, nearHost), far6: linkAddr6(i, farHost),
			nearIf: fmt.Sprintf("down%d", i), farIf: fmt.Sprintf("up%d", i),
		})
	}
	for _, r := range n.Routers {
		add(r.Behind, r.Name, true)
	}
	for _, f := range n.Fleets {
		add(f.Behind, f.Name, false)
	}
	return ls
}

func linkAddr4(link, host int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(firstLink + link), byte(host)}), 24) //nolint:gosec // Validate holds them below 256
}

// linkAddr6 writes the link number as the decimal digits that the IPv4 address
// has, so that fd00:198:101::2 and 198.18.101.2 are seen to be one machine.
func linkAddr6(link, host int) netip.Prefix {
	a, err := netip.ParseAddr(fmt.Sprintf("fd00:198:%d::%d", firstLink+link, host))
	if err != nil {
		return netip.Prefix{} // cannot happen: both numbers have at most three digits
	}
	return netip.PrefixFrom(a, 64)
}

// HasIPv6 reports whether any fleet has IPv6 addresses.
func (n *Network) HasIPv6() bool {
	for _, f := range n.Fleets {
		for _, p := range f.Prefixes {
			if p.Addr().Is6() {
				return true
			}
		}
	}
	return false
}

// RouterAddrs returns the addresses with which a router signs its ICMP errors
// towards the scanner: those of its near side.
func (n *Network) RouterAddrs(name string) (v4, v6 netip.Addr) {
	for _, l := range n.links() {
		if l.far == name && l.toRouter {
			return l.far4.Addr(), l.far6.Addr()
		}
	}
	return netip.Addr{}, netip.Addr{}
}

// NetBIOS returns the NetBIOS name of the network's domain.
func (n *Network) NetBIOS() string {
	first, _, _ := strings.Cut(n.Domain, ".")
	return strings.ToUpper(first)
}

// HostNamed makes the host with the given computer name at an address.
func (n *Network) HostNamed(computer string, addr netip.Addr) Host {
	return Host{
		Addr: addr, Computer: computer, Domain: n.NetBIOS(),
		DNSName: strings.ToLower(computer) + "." + n.Domain, DNSDomain: n.Domain,
	}
}

// HostByAddr makes up a host whose name is derived from its address, such as
// PC-C6130105 for 198.19.1.5: identities for whole prefixes at no cost. For
// IPv6 the last four bytes are used.
func (n *Network) HostByAddr(addr netip.Addr) Host {
	b := addr.Unmap().AsSlice()
	if len(b) < 4 {
		return Host{Addr: addr}
	}
	return n.HostNamed(fmt.Sprintf("PC-%X", b[len(b)-4:]), addr)
}
