package cause

import (
	"cmp"
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// sampleSize is how many hosts a cause names.
const sampleSize = 5

// Cause is one explanation that covers many findings. The field names are a
// contract.
type Cause struct {
	ID           string           `json:"id"` // the same in every run that finds it: reason, requirement, device
	State        verdict.State    `json:"state"`
	Reason       string           `json:"reason"`
	Requirements []string         `json:"requirements"`
	Protocol     scanner.Protocol `json:"protocol,omitempty"` // when all paths share it
	Port         uint16           `json:"port,omitempty"`
	By           netip.Addr       `json:"by,omitzero"`       // the device that rejects; zero when each host does so itself
	Between      []netip.Addr     `json:"between,omitempty"` // the two hops around a silent drop
	Subnets      []netip.Prefix   `json:"subnets"`           // where the hosts are: /24 and /64, neighbours merged
	Paths        int              `json:"paths"`
	Hosts        int              `json:"hosts"`
	Sample       []string         `json:"sample"`  // the first hosts by name
	Example      string           `json:"example"` // the message of one of the findings
	Message      string           `json:"message"` // one sentence
	Advice       []string         `json:"advice"`  // what to change, the most useful first

	// Boundaries are the named parts of the network that the hosts lie in, with
	// the most hosts first; those in none are left out.
	Boundaries []Boundary `json:"boundaries,omitempty"`

	// Neighbours are hosts of the same subnets to which the same path is open:
	// with many of them, the hosts themselves are to be looked at, with none,
	// the network.
	Neighbours int `json:"neighbours_open"`

	seen verdict.State // untested paths: what was found of the service from here
	who  uint64        // the same for the same hosts
}

// Seen is what was found, from here, of a service whose paths start elsewhere.
func (c *Cause) Seen() verdict.State { return c.seen }

// answers is 1 for untested paths whose service was seen to answer: they come last.
func (c *Cause) answers() int {
	if c.seen == verdict.Open {
		return 1
	}
	return 0
}

// Boundary is a named part of the network, and how many hosts of a cause lie in it.
type Boundary struct {
	Name  string `json:"name"`
	Hosts int    `json:"hosts"`
}

// Grouper finds the causes of the findings that are required and not open. Each
// such finding belongs to exactly one cause, except where another path of its
// any-of group is open: then nothing is to be explained. The findings come host
// by host, in whatever order of the hosts. What it keeps does not grow with
// their number: counts, networks, and a few names.
type Grouper struct{ b builder }

// NewGrouper returns a Grouper without a finding.
func NewGrouper() *Grouper {
	return &Grouper{builder{groups: map[key]*group{}, open: map[string]*subnets{}}}
}

// AddHost takes the findings of one host.
func (g *Grouper) AddHost(findings []verdict.Finding) {
	for i := range findings {
		g.b.add(&findings[i], i)
	}
}

// Causes are the causes of the findings that came so far, those that break the
// most first.
func (g *Grouper) Causes() []Cause {
	b := &g.b
	out := make([]Cause, 0, len(b.groups))
	for k, g := range b.groups {
		out = append(out, g.cause(k, b.open))
	}
	slices.SortFunc(out, func(a, b Cause) int { return cmp.Or(weigh(a, b), cmp.Compare(a.ID, b.ID)) })
	return out
}

// weigh orders causes by what is to be done about them, and by how much they break.
func weigh(a, b Cause) int {
	return cmp.Or(cmp.Compare(rank(a.State), rank(b.State)), cmp.Compare(a.answers(), b.answers()), cmp.Compare(b.Paths, a.Paths))
}

// rank is the order of the reports: what fails, what this machine could not
// do, what is not decided, what is to be tested elsewhere.
func rank(s verdict.State) int {
	switch {
	case verdict.DefaultFail.Has(s):
		return 0
	case s == verdict.Error:
		return 1
	case s == verdict.Untested:
		return 3
	default:
		return 2
	}
}

// key is what findings of one cause have in common.
type key struct {
	state       verdict.State
	reason      string
	requirement string // empty where the trouble is the host's, whatever the row
	profile     string // with from and to: for untested paths
	from, to    scanner.Role
	seen        verdict.State // untested paths: what was found of the service from here
	by          netip.Addr
	self        bool // the host itself rejected
	near, far   netip.Addr
}

func keyOf(f *verdict.Finding) key {
	k := key{state: f.State, reason: f.Reason, by: f.By}
	switch f.State {
	case verdict.Down, verdict.Unresolved, verdict.WrongHost, verdict.Error:
	case verdict.Untested:
		k.profile, k.from, k.to, k.seen = f.Profile, f.From, f.To, f.Seen
		if f.Reason == byHand {
			k.requirement = f.Requirement // each has a command of its own
		}
	default:
		k.requirement = f.Requirement
	}
	if f.By.IsValid() && f.By == f.Addr {
		k.by, k.self = netip.Addr{}, true
	}
	if len(f.Between) == 2 {
		k.near, k.far = f.Between[0], f.Between[1]
		if k.far == f.Addr {
			k.far = netip.Addr{} // before the host itself, which differs from host to host
		}
	}
	return k
}

// id is the stable name of the cause.
func (k key) id() string {
	parts := []string{k.reason}
	for _, s := range []string{k.requirement, k.profile, string(k.from), string(k.to)} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	for _, a := range []netip.Addr{k.by, k.near, k.far} {
		if a.IsValid() {
			parts = append(parts, a.String())
		}
	}
	if k.self {
		parts = append(parts, "self")
	}
	if k.seen != verdict.StateUnknown {
		parts = append(parts, "seen-"+k.seen.String())
	}
	return strings.Join(parts, "|")
}

// Limits of what is kept. No network of one company comes near them; they are
// for answers that somebody makes up.
const (
	maxGroups = 4096 // beyond it, causes are told apart by reason and row alone
	maxRows   = 256  // of one cause; beyond it, a row is there once, whatever its ports
)

// builder gathers the groups.
type builder struct {
	groups map[key]*group
	open   map[string]*subnets // by requirement
	// works are those of open in the order in which they came, because a
	// finding is mostly at the place that it has with every host.
	works []works
}

// works is where a requirement is open.
type works struct {
	requirement string
	nets        *subnets
}

// add takes a finding, which is the one at that place of its host.
func (b *builder) add(f *verdict.Finding, place int) {
	if f.State == verdict.Open {
		b.openTo(f.Requirement, place).add(f.Addr)
		return
	}
	if !f.Required || f.SatisfiedBy != "" {
		return
	}
	k := keyOf(f)
	g := b.groups[k]
	if g == nil && len(b.groups) >= maxGroups {
		k.by, k.near, k.far = netip.Addr{}, netip.Addr{}, netip.Addr{}
		g = b.groups[k]
	}
	if g == nil {
		g = &group{first: *f, nets: newSubnets()}
		b.groups[k] = g
	}
	g.add(f)
}

// openTo finds or makes the account of where a row is open.
func (b *builder) openTo(requirement string, place int) *subnets {
	if place < len(b.works) && b.works[place].requirement == requirement {
		return b.works[place].nets
	}
	s := b.open[requirement]
	if s == nil {
		s = newSubnets()
		b.open[requirement] = s
		b.works = append(b.works, works{requirement, s})
	}
	return s
}

// group is what is kept of the findings of one cause.
type group struct {
	first verdict.Finding // for what all findings of the group share
	rows  []row
	nets  *subnets
	paths int
	hosts int
	in    map[string]int // hosts by boundary

	who      uint64 // the sum of a hash of each host, whatever their order
	lastHost string
	lastAddr netip.Addr
	sample   []string
	example  string
	addr     netip.Addr // the lowest address
}

// row is a requirement that the group covers.
type row struct {
	id       string
	protocol scanner.Protocol
	port     uint16
	ports    string // of a row with several, those that are like it
}

// ports names the ports of the finding.
func ports(f *verdict.Finding) string {
	if like := f.PortsLike(); len(like) > 0 {
		return scanner.PortList(like)
	}
	return scanner.PortList([]uint16{f.Port})
}

// covers notes the row of a finding.
func (g *group) covers(f *verdict.Finding) {
	var text [8]byte
	port := strconv.AppendUint(text[:0], uint64(f.Port), 10) // ports(f), where the row has one
	for i := range g.rows {
		have := &g.rows[i]
		same := len(f.Ports) == 0 && have.protocol == f.Protocol && have.port == f.Port && have.ports == string(port)
		if have.id == f.Requirement && (same || len(g.rows) >= maxRows) {
			return
		}
	}
	r := row{f.Requirement, f.Protocol, f.Port, ports(f)}
	if !slices.Contains(g.rows, r) {
		g.rows = append(g.rows, r)
	}
}

func (g *group) add(f *verdict.Finding) {
	g.covers(f)
	g.paths++
	example := f.Message
	switch {
	case f.Reason == byHand:
		example = "no packet can test it"
	case f.State == verdict.Untested && len(f.Evidence) > 0:
		example = f.Evidence[0] // what was found of the service from here
	}
	if g.example == "" || example < g.example {
		g.example = example
	}
	if g.hosts > 0 && f.Host == g.lastHost && f.Addr == g.lastAddr {
		return
	}
	g.hosts++
	g.who += hashOf(f)
	if f.Boundary != "" {
		if g.in == nil {
			g.in = map[string]int{}
		}
		g.in[f.Boundary]++
	}
	g.lastHost, g.lastAddr = f.Host, f.Addr
	if f.Addr.IsValid() {
		g.nets.add(f.Addr)
		if !g.addr.IsValid() || f.Addr.Less(g.addr) {
			g.addr = f.Addr
		}
	}
	if i, have := slices.BinarySearch(g.sample, f.Host); !have && i < sampleSize {
		g.sample = slices.Insert(g.sample, i, f.Host)
		g.sample = g.sample[:min(len(g.sample), sampleSize)]
	}
}

// hashOf tells the hosts of a run apart: FNV-1a of the name and the address
// (draft-eastlake-fnv, 64 bits). Nobody gains by making two of them alike: at
// worst, what is said of both is said together.
func hashOf(f *verdict.Finding) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i := range len(f.Host) {
		h = (h ^ uint64(f.Host[i])) * prime
	}
	for _, b := range f.Addr.As16() {
		h = (h ^ uint64(b)) * prime
	}
	return h
}

func (g *group) cause(k key, open map[string]*subnets) Cause {
	slices.SortFunc(g.rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.protocol, b.protocol), cmp.Compare(a.port, b.port), cmp.Compare(a.ports, b.ports))
	})
	c := Cause{
		ID: k.id(), State: k.state, Reason: k.reason, By: k.by,
		Subnets: g.nets.merged(), Paths: g.paths, Hosts: g.hosts, Sample: g.sample, Example: g.example,
		seen: k.seen, who: g.who,
	}
	for _, r := range g.rows {
		if n := len(c.Requirements); n == 0 || c.Requirements[n-1] != r.id {
			c.Requirements = append(c.Requirements, r.id)
		}
	}
	if len(g.rows) == 1 {
		c.Protocol, c.Port = g.rows[0].protocol, g.rows[0].port
	}
	if k.near.IsValid() {
		c.Between = []netip.Addr{k.near, k.far}
	}
	if k.requirement != "" {
		c.Neighbours = g.nets.common(open[k.requirement])
	}
	for name, n := range g.in {
		c.Boundaries = append(c.Boundaries, Boundary{name, n})
	}
	slices.SortFunc(c.Boundaries, func(a, b Boundary) int {
		return cmp.Or(cmp.Compare(b.Hosts, a.Hosts), cmp.Compare(a.Name, b.Name))
	})
	w := words{c: c, k: k, g: g}
	c.Message, c.Advice = w.message(), w.advice()
	return c
}
