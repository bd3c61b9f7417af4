package cause

import (
	"cmp"
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"net/netip"
	"slices"
	"strings"
)

// Place is where something stops a path, as far as the evidence shows.
type Place uint8

// The places.
const (
	PlaceUnknown Place = iota // on the way or on the hosts: nothing tells
	PlaceDevice               // a device that said so itself
	PlaceBetween              // between two hops
	PlaceLastHop              // after the last hop before the hosts: that segment, or the hosts' own firewall
	PlaceHosts                // the hosts themselves
	PlaceWay                  // on the way and not on the hosts, by a device that could not be named
)

var placeWords = []string{"unknown", "device", "between", "last-hop", "hosts", "way"}

func (p Place) String() string {
	if int(p) < len(placeWords) {
		return placeWords[p]
	}
	return placeWords[0]
}

// The ports from which Windows takes dynamic ones since Vista and Server 2008
// (RFC 6335 6; "The default dynamic port range for TCP/IP has changed").
const (
	DynamicFirst = 49152
	DynamicLast  = 65535
)

// PortRange is a range of ports, or one.
type PortRange struct{ First, Last uint16 }

// Rule is a change of a firewall that would let blocked paths through.
type Rule struct {
	Place     Place
	By        netip.Addr   // of PlaceDevice
	Between   []netip.Addr // of PlaceBetween both hops, of PlaceLastHop the one
	Causes    []string     // the ids of the causes that it would end
	Rows      []string     // the requirements that it serves
	From, To  scanner.Role
	Protocol  scanner.Protocol // of ICMP: echo requests
	Ports     []PortRange      // none of ICMP
	Dynamic   bool             // the ports are those from which RPC takes its own
	Addrs     []netip.Addr     // the blocked ones, in order, each once
	Paths     int
	Hosts     int        // findings of one host and address count once
	Bounds    []Boundary // where the hosts lie, with the most hosts first
	Example   Example
	Elsewhere []netip.Addr // of PlaceUnknown: the last hops that hosts of the same subnets show
}

// Example is one of the findings that a rule rests on.
type Example struct {
	Host, Requirement, Message string
	Addr                       netip.Addr
}

// Ruler finds the rules to ask for. Its memory grows with the blocked
// addresses: each must be named.
type Ruler struct {
	rules map[ruleKey]*ruling
	// NotBlocked counts the findings that fail or are not decided, and of which
	// no evidence shows that a firewall stops them.
	NotBlocked verdict.Counts
}

// NewRuler returns a Ruler without a finding.
func NewRuler() *Ruler { return &Ruler{rules: map[ruleKey]*ruling{}} }

// ruleKey is what findings of one rule have in common.
type ruleKey struct {
	place     Place
	by        netip.Addr
	near, far netip.Addr
	from, to  scanner.Role
	protocol  scanner.Protocol
	ports     string
}

// ruling is a rule that grows.
type ruling struct {
	rule     Rule
	in       map[string]int
	lastHost string
	lastAddr netip.Addr
}

// AddHost takes the findings of one host. What is open, not required or made
// good by another path needs no rule; closed, down and the like are ended by
// none.
func (r *Ruler) AddHost(findings []verdict.Finding) {
	for i := range findings {
		f := &findings[i]
		switch {
		case !f.Required, f.SatisfiedBy != "", f.State == verdict.Open, f.State > verdict.Error:
		case f.State == verdict.Blocked && f.Addr.IsValid() && asks(f.Protocol):
			r.add(f)
		default:
			r.NotBlocked[f.State]++
		}
	}
}

// asks reports whether a rule can be written for the protocol.
func asks(p scanner.Protocol) bool {
	return p == scanner.ICMP || p == scanner.TCP || p == scanner.UDP
}

func (r *Ruler) add(f *verdict.Finding) {
	k := ruleKeyOf(f)
	g := r.rules[k]
	if g == nil && len(r.rules) >= maxGroups {
		k.place, k.by, k.near, k.far = PlaceUnknown, netip.Addr{}, netip.Addr{}, netip.Addr{}
		g = r.rules[k]
	}
	if g == nil {
		g = &ruling{rule: newRule(k, f), in: map[string]int{}}
		r.rules[k] = g
	}
	g.add(f)
}

func ruleKeyOf(f *verdict.Finding) ruleKey {
	k := ruleKey{from: f.From, to: f.To, protocol: f.Protocol}
	if f.Protocol != scanner.ICMP {
		k.ports = ports(f)
	}
	switch {
	case f.By.IsValid() && f.By == f.Addr:
		k.place = PlaceHosts
	case f.By.IsValid():
		k.place, k.by = PlaceDevice, f.By
	case len(f.Between) == 2 && f.Between[1] == f.Addr:
		k.place, k.near = PlaceLastHop, f.Between[0]
	case len(f.Between) == 2:
		k.place, k.near, k.far = PlaceBetween, f.Between[0], f.Between[1]
	case f.Reason == "blocked.reset", f.Reason == "blocked.dynamic-reset": // "the host itself did not refuse"
		k.place = PlaceWay
	}
	return k
}

func newRule(k ruleKey, f *verdict.Finding) Rule {
	r := Rule{Place: k.place, By: k.by, From: k.from, To: k.to, Protocol: k.protocol}
	for _, a := range []netip.Addr{k.near, k.far} {
		if a.IsValid() {
			r.Between = append(r.Between, a)
		}
	}
	switch {
	case f.Protocol == scanner.ICMP:
	case f.Port == 0 && len(f.Ports) == 0:
		r.Ports, r.Dynamic = []PortRange{{DynamicFirst, DynamicLast}}, true
	case len(f.PortsLike()) > 0:
		r.Ports = ranges(f.PortsLike())
	default:
		r.Ports = []PortRange{{f.Port, f.Port}}
	}
	return r
}

// ranges joins ports that follow each other.
func ranges(ports []uint16) []PortRange {
	var out []PortRange
	for _, p := range slices.Compact(slices.Sorted(slices.Values(ports))) {
		if n := len(out); n > 0 && out[n-1].Last+1 == p {
			out[n-1].Last = p
			continue
		}
		out = append(out, PortRange{p, p})
	}
	return out
}

func (g *ruling) add(f *verdict.Finding) {
	r := &g.rule
	r.Paths++
	if id := keyOf(f).id(); !slices.Contains(r.Causes, id) && len(r.Causes) < maxRows {
		r.Causes = append(r.Causes, id)
	}
	if !slices.Contains(r.Rows, f.Requirement) && len(r.Rows) < maxRows {
		r.Rows = append(r.Rows, f.Requirement)
	}
	e := Example{f.Host, f.Requirement, f.Message, f.Addr}
	if r.Example.Message == "" || e.before(r.Example) {
		r.Example = e
	}
	if g.lastHost == f.Host && g.lastAddr == f.Addr {
		return
	}
	g.lastHost, g.lastAddr = f.Host, f.Addr
	r.Hosts++
	r.Addrs = append(r.Addrs, f.Addr)
	if f.Boundary != "" {
		g.in[f.Boundary]++
	}
}

// before puts examples into an order that does not depend on that of the hosts.
func (e Example) before(o Example) bool {
	return cmp.Or(e.Addr.Compare(o.Addr), strings.Compare(e.Requirement, o.Requirement), strings.Compare(e.Host, o.Host)) < 0
}

// Rules are the rules for the findings that came so far. Those that name the
// place to change come first, and of these the ones that help the most paths.
func (r *Ruler) Rules() []Rule {
	out := make([]Rule, 0, len(r.rules))
	for _, g := range r.rules {
		out = append(out, g.close())
	}
	order := []Place{PlaceDevice, PlaceBetween, PlaceLastHop, PlaceHosts, PlaceWay, PlaceUnknown}
	slices.SortFunc(out, func(a, b Rule) int {
		return cmp.Or(
			cmp.Compare(slices.Index(order, a.Place), slices.Index(order, b.Place)),
			a.By.Compare(b.By), slices.CompareFunc(a.Between, b.Between, netip.Addr.Compare),
			cmp.Compare(b.Paths, a.Paths),
			slices.Compare(a.Causes, b.Causes), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To),
			slices.CompareFunc(a.Ports, b.Ports, func(a, b PortRange) int {
				return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last))
			}),
		)
	})
	hint(out)
	return out
}

func (g *ruling) close() Rule {
	r := g.rule
	r.Causes, r.Rows = slices.Sorted(slices.Values(r.Causes)), slices.Sorted(slices.Values(r.Rows))
	r.Addrs = slices.Clone(r.Addrs)
	for i := range r.Addrs {
		r.Addrs[i] = r.Addrs[i].Unmap().WithZone("")
	}
	slices.SortFunc(r.Addrs, netip.Addr.Compare)
	r.Addrs = slices.Compact(r.Addrs)
	for name, n := range g.in {
		r.Bounds = append(r.Bounds, Boundary{name, n})
	}
	slices.SortFunc(r.Bounds, func(a, b Boundary) int {
		return cmp.Or(cmp.Compare(b.Hosts, a.Hosts), cmp.Compare(a.Name, b.Name))
	})
	return r
}

// hint tells rules whose place is not known what the way to other hosts of the
// same subnets shows: only a sample of the silent hosts is traced.
func hint(rules []Rule) {
	for i := range rules {
		r := &rules[i]
		if r.Place != PlaceUnknown {
			continue
		}
		nets := map[netip.Prefix]bool{}
		for _, p := range wholeSubnets(r.Addrs) {
			nets[p] = true
		}
		for _, o := range rules {
			same := o.From == r.From && o.Protocol == r.Protocol && slices.Equal(o.Ports, r.Ports)
			if len(o.Between) == 0 || !same || slices.Contains(r.Elsewhere, o.Between[0]) {
				continue
			}
			if slices.ContainsFunc(wholeSubnets(o.Addrs), func(p netip.Prefix) bool { return nets[p] }) {
				r.Elsewhere = append(r.Elsewhere, o.Between[0])
			}
		}
	}
}

// wholeSubnets are the /24 or /64 networks of addresses in order, not joined.
func wholeSubnets(addrs []netip.Addr) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range addrs {
		bits := 64
		if a.Is4() {
			bits = 24
		}
		if p, err := a.Prefix(bits); err == nil && (len(out) == 0 || out[len(out)-1] != p) {
			out = append(out, p)
		}
	}
	return out
}
