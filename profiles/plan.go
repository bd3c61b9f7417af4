package profiles

import (
	"cmreach/scanner"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"time"
)

// Options are what a plan is made of. The texts of flags are taken as they
// were given.
type Options struct {
	Profiles []*Profile
	Site     *Site    // nil: no site file
	Targets  *Targets // nil: none
	Roles    []string // ROLE=HOST[,HOST…]
	Ports    []string // NAME=PORT
	Only     []string // ROW[,ROW]
	When     []string // SETTING=VALUE
	Vantage  string   // empty: site-server
	Family   Family
	FarEnd   *FarEnd // nil: no listener is asked
}

// Plan says which paths to check: the rows that apply here, and the hosts that
// each applies to.
type Plan struct {
	Profiles []string
	Site     string // site code; empty: not known
	Vantage  scanner.Role
	Family   Family
	Rows     []*scanner.Requirement // in the order of the profiles
	LeftOut  []LeftOut

	farEnd     *FarEnd
	site       *Site // nil: no site file
	targets    *Targets
	clientRows []*scanner.Requirement
	servers    []server
	aside      []uint64 // numbers of the targets that are among the servers, ascending

	order     *scanner.Order // nil: as they were named
	shard, of uint64         // the part that was taken, from 0; of 0: all
}

// LeftOut is a row that the plan does not check, and why.
type LeftOut struct {
	Requirement string       `json:"requirement"` // "push/fsp-http"
	Title       string       `json:"title"`
	Need        scanner.Need `json:"need"`
	Reason      string       `json:"reason"`
	Hint        string       `json:"hint,omitempty"` // what would bring it in
	AnyOf       string       `json:"any_of,omitempty"`
	// Gap says that the row applies to the site, and is not checked all the same.
	Gap bool `json:"gap,omitempty"`
}

// server is a host that has a role, with the rows that lead to it; the rows to
// clients too when it is also a target.
type server struct {
	host hostItem
	rows []*scanner.Requirement
}

// NewPlan expands profiles for a site and its targets. The error joins every
// mistake in the flags.
func NewPlan(o Options) (*Plan, error) {
	m := &mistakes{limit: yamlLimit}
	over := readOverrides(o, m)
	if err := m.err(); err != nil {
		return nil, err
	}
	p := &Plan{Vantage: over.vantage, Family: o.Family, farEnd: o.FarEnd, targets: o.Targets}
	if p.targets == nil {
		p.targets = &Targets{list: newEntries()}
	}
	if p.site = o.Site; o.Site != nil {
		p.Site = o.Site.Code
	}
	excluded := over.exclude(p.targets)
	for _, profile := range o.Profiles {
		p.Profiles = append(p.Profiles, profile.Name)
		for _, row := range profile.Rows {
			p.place(profile, row, over, excluded)
		}
	}
	p.merge()
	return p, p.check(o)
}

// exclude takes excluded hosts out of the roles and returns the roles that
// lost all of theirs.
func (out overrides) exclude(t *Targets) map[scanner.Role]bool {
	emptied := map[scanner.Role]bool{}
	for role, hosts := range out.hosts {
		kept := slices.DeleteFunc(slices.Clone(hosts), t.excludes)
		out.hosts[role], emptied[role] = kept, len(kept) == 0
	}
	return emptied
}

// place puts a row into the plan or notes why it is left out.
func (p *Plan) place(profile *Profile, row Row, over overrides, excluded map[scanner.Role]bool) {
	id := profile.Name + "/" + row.ID
	leave := func(reason, hint string) {
		applies, _, _ := row.When.holds(over.hosts, over.settings)
		p.LeftOut = append(p.LeftOut, LeftOut{
			Requirement: id, Title: row.Title, Need: row.Need, Reason: reason, Hint: hint, AnyOf: row.AnyOf, Gap: applies || excluded[row.To],
		})
	}
	if over.only != nil && !over.only[id] {
		leave("not chosen by --only", "")
		return
	}
	if excluded[row.To] {
		leave("every "+spaced(row.To)+" is excluded", "")
		return
	}
	if ok, reason, hint := row.When.holds(over.hosts, over.settings); !ok {
		leave(reason, hint)
		return
	}
	toClient := row.To == scanner.RoleClient
	switch {
	case toClient && p.targets.Len() == 0:
		leave("no target is named", "name clients as arguments or with -t FILE")
		return
	case !toClient && len(over.hosts[row.To]) == 0:
		leave(roleMissing(row.To))
		return
	}
	req := over.requirement(profile, row)
	p.farEnd.ask(req)
	p.Rows = append(p.Rows, req)
	if toClient {
		p.clientRows = append(p.clientRows, req)
		return
	}
	for _, h := range over.hosts[row.To] {
		i := slices.IndexFunc(p.servers, func(s server) bool { return s.host.key == h.key })
		if i < 0 {
			i = len(p.servers)
			p.servers = append(p.servers, server{host: h})
		}
		p.servers[i].rows = append(p.servers[i].rows, req)
	}
}

// merge gives the rows to clients to servers that are targets as well: what
// one port of a host shows explains another, so a host is walked once.
func (p *Plan) merge() {
	if len(p.clientRows) == 0 {
		return
	}
	for i := range p.servers {
		s := &p.servers[i]
		n, found := p.targets.number(s.host)
		if !found {
			continue
		}
		s.host.row = p.targets.at(n).row
		p.aside = append(p.aside, n)
		var rows []*scanner.Requirement
		for _, r := range p.Rows {
			if r.To == scanner.RoleClient || slices.Contains(s.rows, r) {
				rows = append(rows, r)
			}
		}
		s.rows = rows
	}
	slices.Sort(p.aside)
}

// check refuses a plan that would check nothing of what was asked for.
func (p *Plan) check(o Options) error {
	fromHere := slices.ContainsFunc(p.Rows, func(r *scanner.Requirement) bool { return r.FromHere })
	switch {
	case fromHere, len(p.Rows) > 0 && (len(o.Only) > 0 || p.targets.Len() > 0):
		return nil
	case p.targets.ExcludedCount() > 0 && p.targets.Len() == 0:
		return &Error{File: "targets", Msg: "every target is excluded", Hint: "check --exclude and the site file"}
	case p.targets.Len() == 0 && p.Vantage == scanner.RoleSiteServer:
		return &Error{File: "targets", Msg: "no target is named", Hint: "name clients as arguments or with -t FILE"}
	}
	none := &Error{
		File: "plan", Msg: fmt.Sprintf("no row of the profile applies from the vantage %s", p.Vantage),
		Hint: "name the hosts of its roles with --role ROLE=HOST or in a site file",
	}
	if len(p.Rows) == 0 && len(p.LeftOut) == 1 && p.LeftOut[0].Hint != "" { // then it is plain what is missing
		none.Msg, none.Hint = p.LeftOut[0].Requirement+" is left out: "+p.LeftOut[0].Reason, p.LeftOut[0].Hint
	}
	return none
}

// Targets walks what the plan checks, or the part of it that was taken. Each
// host comes once. The slices of rows are shared.
func (p *Plan) Targets() iter.Seq[scanner.Target] {
	return func(yield func(scanner.Target) bool) {
		for i := range p.Places() {
			if !yield(p.At(i)) {
				return
			}
		}
	}
}

// Hosts is how many targets there are, in the part of the plan that was taken. A
// name counts once, however many addresses it turns out to have.
func (p *Plan) Hosts() int {
	if p.of < 2 {
		return len(p.servers) + p.allClients()
	}
	return int((p.All() + p.of - 1 - p.shard) / p.of) //nolint:gosec // G115: not above All
}

// allClients is how many targets of the whole plan get the rows to clients alone.
func (p *Plan) allClients() int {
	if len(p.clientRows) == 0 {
		return 0
	}
	return p.targets.Len() - len(p.aside)
}

// Paths is how many paths there are in the part that was taken, with one
// address for each name.
func (p *Plan) Paths() int {
	servers, clients := p.share()
	n := clients * len(p.clientRows)
	for _, s := range servers {
		n += len(s.rows)
	}
	return n
}

// Excluded reports whether an address must not be touched. Names can resolve
// to excluded addresses, so whoever resolves them must ask.
func (p *Plan) Excluded(a netip.Addr) bool { return p.targets.Excluded(a) }

// Boundary names the boundary of the site that an address lies in; empty when
// it lies in none.
func (p *Plan) Boundary(a netip.Addr) string {
	if p.site == nil || !a.IsValid() {
		return ""
	}
	return p.site.Boundary(a)
}

// Boundaries are the names of the site's boundaries, in their order.
func (p *Plan) Boundaries() []string {
	var out []string
	if p.site != nil {
		for _, b := range p.site.Boundaries {
			out = append(out, b.Name)
		}
	}
	return out
}

// Duplicates is how many targets were named again and left out.
func (p *Plan) Duplicates() int { return p.targets.Duplicates() }

// ExcludedCount is how many targets an exclusion took out.
func (p *Plan) ExcludedCount() int { return p.targets.ExcludedCount() }

// Estimate is what a plan would send, and for how long. The conversations on
// ports that answer come on top: they depend on what answers.
type Estimate struct {
	PacketsBest   int           `json:"packets_best"`  // when everything answers the first packet
	PacketsWorst  int           `json:"packets_worst"` // when nothing ever answers
	Conversations int           `json:"conversations"` // at most, besides the ports that conversations reveal
	Best          time.Duration `json:"best"`          // nanoseconds
	Worst         time.Duration `json:"worst"`
}

// Estimate reckons with a rate in packets a second (0: as fast as it goes),
// rounds for the silent, and the time that each round waits at its end.
func (p *Plan) Estimate(rate, rounds int, timeout time.Duration) Estimate {
	servers, clients := p.share()
	shots, talks := shotsOf(p.clientRows)
	e := Estimate{PacketsBest: clients * shots, Conversations: clients * talks}
	for _, s := range servers {
		shots, talks := shotsOf(s.rows)
		e.PacketsBest += shots
		e.Conversations += talks
	}
	rounds = max(rounds, 1)
	e.PacketsWorst = e.PacketsBest * rounds
	e.Worst = timeout * time.Duration(rounds)
	if rate > 0 {
		second := float64(time.Second) / float64(rate) // for a packet
		e.Best = time.Duration(float64(e.PacketsBest) * second)
		e.Worst += time.Duration(float64(e.PacketsWorst) * second)
	}
	return e
}

// shotsOf counts the single packets and the conversations for one host. Rows
// that share a port share its packet.
func shotsOf(rows []*scanner.Requirement) (shots, talks int) {
	type endpoint struct {
		protocol scanner.Protocol
		port     uint16
		question string // of "cmreach listen", which is sent beside the service's own
	}
	type talk struct {
		endpoint
		probe string
	}
	ends, probes := map[endpoint]bool{}, map[talk]bool{}
	for _, r := range rows {
		if r.Protocol == scanner.Manual {
			continue // nothing is sent
		}
		e := endpoint{protocol: r.Protocol, port: r.Port}
		if r.Via != 0 {
			e.port = r.Via
			probes[talk{e, r.ViaProbe}] = true
			for _, extra := range r.Extra {
				ends[endpoint{protocol: r.Protocol, port: extra}] = true
			}
			ends[e] = true
			continue
		}
		for _, port := range r.OwnPorts() {
			e.port = port
			ends[e] = true
			if r.Probe != "" && r.Protocol == scanner.TCP {
				probes[talk{e, r.Probe}] = true
			}
		}
		switch {
		case r.FarEnd == "":
		case r.Protocol == scanner.TCP:
			probes[talk{e, r.FarEnd}] = true
		default:
			if r.Probe == "" {
				delete(ends, e) // the listener's question takes the place of an empty datagram
			}
			ends[endpoint{r.Protocol, r.Port, r.FarEnd}] = true
		}
		if r.Control != 0 {
			control := endpoint{protocol: scanner.TCP, port: r.Control}
			ends[control], probes[talk{control, r.ControlProbe}] = true, true
		}
	}
	return len(ends), len(probes)
}
