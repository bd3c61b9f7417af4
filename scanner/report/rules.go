package report

import (
	"cmp"
	"cmreach/scanner"
	"cmreach/scanner/cause"
	"cmreach/scanner/verdict"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// RuleFormats are the words for the forms of the firewall change to ask for.
var RuleFormats = []string{"text", "csv", "md", "powershell", "nft", "iptables", "ip6tables"}

// RuleOptions say which rules are to be asked for, and how.
type RuleOptions struct {
	Sources map[scanner.Role][]netip.Prefix // who says so knows better than the record
	Subnets bool                            // permit whole /24 and /64 networks
	On      string                          // an address, "hosts" or "unknown": the rules of this place alone
	Chain   NFTChain                        // zero: the hook is left to the reader
	Width   int                             // of the text
	Color   bool
}

// NFTChain is a chain of nftables from which the rules are called.
type NFTChain struct{ Family, Table, Chain string }

// OnHosts and OnUnknown are places that have no address.
const (
	OnHosts   = "hosts"
	OnUnknown = "unknown"
)

// Rules are the firewall changes that a run gives reason to ask for.
type Rules struct {
	run   *Run
	o     RuleOptions
	list  []ruleAsk
	other int // rules of other places than the one asked for
	rest  verdict.Counts
}

// ruleAsk is one rule, with its number in all outputs.
type ruleAsk struct {
	cause.Rule
	n     int
	to    []netip.Prefix
	from  ruleSource
	title string
}

// ruleSource is from where a rule must permit.
type ruleSource struct {
	role    scanner.Role
	names   []string       // of the machines that checked it
	addrs   []netip.Prefix // none: not known
	checked []netip.Addr   // of a role that many computers have: the one that checked
}

// FindRules walks the record. Only blocked paths have rules: what is closed,
// down or not decided is not mended by one.
func FindRules(r *Run, o RuleOptions) (*Rules, error) {
	find := cause.NewRuler()
	for h, err := range r.Hosts() {
		if err != nil {
			return nil, err
		}
		find.AddHost(h.Findings)
	}
	s := &Rules{run: r, o: o, rest: find.NotBlocked}
	for i, rule := range find.Rules() {
		if !o.at(rule) {
			s.other++
			continue
		}
		a := ruleAsk{Rule: rule, n: i + 1, from: r.sourceOf(rule.From, o)}
		if a.to = cause.Prefixes(rule.Addrs); o.Subnets {
			a.to = cause.Subnets(rule.Addrs)
		}
		a.title = a.where() + ": permit " + a.what()
		s.list = append(s.list, a)
	}
	return s, nil
}

// at reports whether a rule is for the place that is asked for.
func (o RuleOptions) at(r cause.Rule) bool {
	switch o.On {
	case "":
		return true
	case OnHosts:
		return r.Place == cause.PlaceHosts || r.Place == cause.PlaceLastHop
	case OnUnknown:
		return r.Place == cause.PlaceUnknown
	}
	a, err := netip.ParseAddr(o.On)
	return err == nil && (r.By == a || slices.Contains(r.Between, a))
}

// Len is the number of rules.
func (s *Rules) Len() int { return len(s.list) }

// Write writes the rules in one of RuleFormats.
func (s *Rules) Write(w io.Writer, format string) error {
	switch format {
	case "text":
		return s.text(w)
	case "csv":
		return s.csv(w)
	case "md":
		return s.markdown(w)
	case "powershell":
		return s.powershell(w)
	case "nft":
		return s.nft(w)
	case "iptables":
		return s.iptables(w, false)
	case "ip6tables":
		return s.iptables(w, true)
	default:
		return fmt.Errorf("unknown format %q (known: %s)", format, strings.Join(RuleFormats, ", "))
	}
}

// sourceOf finds out what the record knows of the machines of a role.
func (r *Run) sourceOf(role scanner.Role, o RuleOptions) ruleSource {
	s := ruleSource{role: role, addrs: cause.Join(o.Sources[role])}
	name := func(vantage scanner.Role, scanned string, from []netip.Addr) {
		if vantage != role {
			return
		}
		if !slices.Contains(s.names, scanned) {
			s.names = append(s.names, scanned)
		}
		s.checked = append(s.checked, from...)
	}
	for _, m := range r.Header.Merged {
		name(m.Vantage, m.Scanner, m.Sources)
	}
	if !r.merged() {
		name(r.Header.Vantage, r.Header.Scanner, r.End.Sources)
	}
	if len(s.addrs) == 0 && role != scanner.RoleClient { // one client is not all of them
		s.addrs, s.checked = cause.Prefixes(s.checked), nil
	}
	return s
}

// MissingSource is asked for a rule of which nobody knows the source.
type MissingSource struct {
	Role   scanner.Role
	Family string // "IPv4" or "IPv6"
}

func (m *MissingSource) Error() string {
	if m.Role == scanner.RoleClient {
		return fmt.Sprintf("no record says in which %s networks all clients are: add --source client=NETWORK", m.Family)
	}
	return fmt.Sprintf("the record does not say from which %s address the %s sends: add --source %s=ADDRESS", m.Family, ruleRole(m.Role), clean(string(m.Role)))
}

// family are the sources of one address family, which a ready rule must have.
func (s ruleSource) family(six bool) ([]netip.Prefix, error) {
	out := ruleFamily(s.addrs, six)
	if len(out) == 0 {
		return nil, &MissingSource{s.role, map[bool]string{false: "IPv4", true: "IPv6"}[six]}
	}
	return out, nil
}

func ruleFamily(list []netip.Prefix, six bool) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range list {
		if p.Addr().Is6() == six {
			out = append(out, p)
		}
	}
	return out
}

func ruleRole(r scanner.Role) string { return strings.ReplaceAll(clean(string(r)), "-", " ") }

// who says from where, with what is to be filled in when that is not known.
func (s ruleSource) who() string {
	out := "the " + ruleRole(s.role)
	switch {
	case s.role == scanner.RoleClient:
		out = "the clients"
	case len(s.names) > 0:
		out += " (" + words(s.names) + ")"
	}
	switch {
	case len(s.addrs) > 0:
		return out + ", " + rulePrefixes(s.addrs, len(s.addrs))
	case s.role == scanner.RoleClient:
		if len(s.names) > 0 {
			out += ", of which " + words(s.names)
			for _, a := range s.checked {
				out += ", " + a.String() + ","
			}
			out += " checked it"
		}
		return out + "; name their networks with --source client=NETWORK"
	default:
		return out + ", address not in the record (--source " + clean(string(s.role)) + "=ADDRESS)"
	}
}

// fillIn stands in a column where the addresses of the source should.
func (s ruleSource) fillIn() string {
	if s.role == scanner.RoleClient {
		return "<networks of the clients>"
	}
	return "<address of the " + ruleRole(s.role) + ">"
}

// where says on which device the change is to be made.
func (a ruleAsk) where() string {
	switch a.Place {
	case cause.PlaceDevice:
		return "On " + a.By.String()
	case cause.PlaceBetween:
		return fmt.Sprintf("Between %s and %s", a.Between[0], a.Between[1])
	case cause.PlaceLastHop:
		return fmt.Sprintf("Behind %s, on the hosts or just before them", a.Between[0])
	case cause.PlaceHosts:
		return "On the hosts, in their own firewall"
	default:
		return "On the way or on the hosts"
	}
}

// what names what is to be permitted.
func (a ruleAsk) what() string {
	switch {
	case a.Protocol == scanner.ICMP:
		return "echo requests (ICMP)"
	case a.Dynamic:
		return fmt.Sprintf("%s %s (dynamic RPC)", strings.ToUpper(a.Protocol.String()), a.ports("-", ", "))
	default:
		return fmt.Sprintf("%s %s", strings.ToUpper(a.Protocol.String()), a.ports("-", ", "))
	}
}

// ports lists the ports.
func (a ruleAsk) ports(dash, comma string) string {
	var parts []string
	for _, p := range a.Ports {
		s := fmt.Sprint(p.First)
		if p.Last != p.First {
			s += dash + fmt.Sprint(p.Last)
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, comma)
}

// bounds says in which boundaries the hosts lie.
func (a ruleAsk) bounds() string {
	var parts []string
	rest := a.Hosts
	for _, b := range a.Bounds {
		rest -= b.Hosts
		parts = append(parts, fmt.Sprintf("%s %d", clean(b.Name), b.Hosts))
	}
	if rest > 0 && len(parts) > 0 {
		parts = append(parts, fmt.Sprintf("in none %d", rest))
	}
	return strings.Join(parts, ", ")
}

// elsewhere says what other hosts show of an unknown place.
func (a ruleAsk) elsewhere() string {
	var hops []string
	for _, e := range a.Elsewhere {
		hops = append(hops, e.String())
	}
	if len(hops) == 0 {
		return ""
	}
	return "packets to other hosts of these subnets get as far as " + strings.Join(hops, ", ")
}

// covers says how much the rule covers.
func (a ruleAsk) covers(subnets bool) string {
	s := ruleCount(len(a.Addrs), "address", "addresses")
	switch {
	case subnets:
		return s + "; whole networks are permitted"
	case len(a.to) != len(a.Addrs):
		return s + " in " + ruleCount(len(a.to), "prefix", "prefixes")
	default:
		return s
	}
}

func ruleCount(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// rulePrefix is a prefix, or an address alone.
func rulePrefix(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// rulePrefixes lists the first prefixes.
func rulePrefixes(list []netip.Prefix, most int) string {
	var parts []string
	for i, p := range list {
		if i == most {
			parts = append(parts, fmt.Sprintf("%d more", len(list)-most))
			break
		}
		parts = append(parts, rulePrefix(p))
	}
	return strings.Join(parts, ", ")
}

// left says which findings have no rule, in the order of the reports.
func (s *Rules) left() string {
	var parts []string
	for _, st := range verdict.States {
		if n := s.rest[st]; n > 0 && st != verdict.Untested {
			parts = append(parts, fmt.Sprintf("%d %s", n, st))
		}
	}
	return strings.Join(parts, ", ")
}

// when is the time that the rules rest on.
func (s *Rules) when() string {
	return cmp.Or(s.run.End.Finished, s.run.Header.Started).UTC().Format("2006-01-02 15:04 UTC")
}
