package cause_test

import (
	"cmreach/scanner"
	"cmreach/scanner/cause"
	"cmreach/scanner/verdict"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// group gives findings to a grouper, in which those of one host follow each other.
func group(findings []verdict.Finding) []cause.Cause {
	g := cause.NewGrouper()
	for len(findings) > 0 {
		n := slices.IndexFunc(findings, func(f verdict.Finding) bool {
			return f.Host != findings[0].Host || f.Addr != findings[0].Addr
		})
		if n < 0 {
			n = len(findings)
		}
		g.AddHost(findings[:n])
		findings = findings[n:]
	}
	return g.Causes()
}

// finding is one on a client, blocked or whatever the reason code says.
func finding(addr, row, reason string) verdict.Finding {
	word, _, _ := strings.Cut(reason, ".")
	state, err := verdict.ParseState(word)
	if err != nil {
		panic(err)
	}
	f := verdict.Finding{
		Profile: "push", Requirement: "push/" + row, From: scanner.RoleSiteServer, To: scanner.RoleClient,
		Host: "pc-" + addr, Protocol: scanner.TCP, Port: 445, Required: true, State: state, Reason: reason,
		Message: reason + " at " + addr, Fix: "fix of " + row,
	}
	switch row {
	case "icmp":
		f.Protocol, f.Port = scanner.ICMP, 0
	case "rpc-dynamic":
		f.Port = 0
	}
	if addr != "" {
		f.Addr = netip.MustParseAddr(addr)
	}
	return f
}

func by(a string, f verdict.Finding) verdict.Finding {
	f.By = netip.MustParseAddr(a)
	return f
}

func between(near, far string, f verdict.Finding) verdict.Finding {
	f.Between = []netip.Addr{netip.MustParseAddr(near), netip.MustParseAddr(far)}
	return f
}

// fleet makes one finding for each of n hosts of a /24.
func fleet(subnet string, n int, row, reason string) []verdict.Finding {
	var out []verdict.Finding
	for i := range n {
		out = append(out, finding(fmt.Sprintf("%s.%d", subnet, i+10), row, reason))
	}
	return out
}

func TestMessages(t *testing.T) {
	var rejected []verdict.Finding
	for _, net := range []string{"198.18.3", "198.18.7", "198.18.9"} {
		for _, f := range fleet(net, 32, "smb", "blocked.prohibited") {
			rejected = append(rejected, by("198.18.1.2", f))
		}
	}
	untested := finding("198.18.0.80", "mp-http", "untested.vantage")
	untested.Host, untested.From, untested.To = "mp1.example", scanner.RoleClient, scanner.RoleManagementPoint
	https := untested
	https.Requirement = "push/mp-https"
	proxied := untested
	proxied.Seen = verdict.WrongService
	fine := untested
	fine.Seen = verdict.Open
	evil := untested
	evil.Host = "mp1;reboot"
	for _, tt := range []struct {
		name   string
		in     []verdict.Finding
		want   string
		advice string
	}{
		{
			"a router", rejected,
			"198.18.1.2 rejects TCP 445 (administratively prohibited) to 3 subnets: 96 paths",
			"On 198.18.1.2: permit TCP 445 from the site server to 198.18.3.0/24, 198.18.7.0/24, 198.18.9.0/24.",
		},
		{
			"one host", rejected[:1],
			"198.18.1.2 rejects TCP 445 (administratively prohibited) to 198.18.3.10: 1 path",
			"On 198.18.1.2: permit TCP 445 from the site server to 198.18.3.10.",
		},
		{
			"the hosts themselves",
			[]verdict.Finding{
				by("198.18.3.1", finding("198.18.3.1", "icmp", "blocked.prohibited")),
				by("198.18.3.2", finding("198.18.3.2", "icmp", "blocked.prohibited")),
			},
			"the hosts' own firewall rejects echo (ICMP) (administratively prohibited) to 198.18.3.0/24: 2 paths",
			"The hosts reject it themselves: permit echo (ICMP) from the site server in their own firewall.",
		},
		{
			"swallowed, others not", append(fleet("198.18.3", 3, "smb", "blocked.silent"), fleet("198.18.3", 40, "smb", "open.answer")...),
			"TCP 445 to 198.18.3.0/24 is swallowed silently: 3 paths",
			"The same path is open to 40 hosts of the same subnets: look at the firewall of these hosts first.",
		},
		{
			"swallowed, all", fleet("198.18.3", 3, "smb", "blocked.silent"),
			"TCP 445 to 198.18.3.0/24 is swallowed silently: 3 paths",
			"No host of these subnets has this path open: look for a filter on the way to 198.18.3.0/24, then at the policy for the hosts' firewall.",
		},
		{
			"swallowed between",
			[]verdict.Finding{between("198.18.1.1", "198.18.1.2", finding("198.18.3.1", "smb", "blocked.silent"))},
			"TCP 445 to 198.18.3.1 is swallowed silently between 198.18.1.1 and 198.18.1.2: 1 path",
			"Behind 198.18.1.1: permit TCP 445 from the site server to 198.18.3.1.",
		},
		{
			"swallowed at the last hop",
			[]verdict.Finding{
				between("198.18.1.1", "198.18.3.1", finding("198.18.3.1", "smb", "blocked.silent")),
				between("198.18.1.1", "198.18.3.2", finding("198.18.3.2", "smb", "blocked.silent")),
			},
			"TCP 445 to 198.18.3.0/24 is swallowed silently after 198.18.1.1, the last hop before the hosts: 2 paths",
			"Behind 198.18.1.1: permit TCP 445 from the site server to 198.18.3.0/24.",
		},
		{
			"dynamic", fleet("198.18.3", 2, "rpc-dynamic", "blocked.dynamic-rejected"),
			"a device on the way that could not be named rejects the dynamic RPC ports to 198.18.3.0/24: 2 paths",
			"No host of these subnets",
		},
		{
			"down", append(fleet("198.18.3", 2, "smb", "down.silent"), fleet("198.18.2", 1, "smb", "down.silent")...),
			"nothing answers at 3 addresses of 198.18.2.0/23: 3 paths", "Switch the computers on",
		},
		{
			"all rows of a down host",
			[]verdict.Finding{finding("198.18.3.1", "icmp", "down.silent"), finding("198.18.3.1", "smb", "down.silent")},
			"nothing answers at 198.18.3.1: 2 paths", "Switch the computers on",
		},
		{
			"no route",
			[]verdict.Finding{by("198.18.1.1", finding("198.18.3.1", "icmp", "down.no-route"))},
			"198.18.1.1 has no route to 198.18.3.1: 1 path", "Mend the routing to 198.18.3.1; see 198.18.1.1.",
		},
		{
			"no name",
			[]verdict.Finding{finding("", "icmp", "unresolved.no-address")},
			"the name service has no address for 1 name: 1 path", "Check the spelling",
		},
		{
			"stale DNS", fleet("198.18.3", 2, "smb", "wrong-host.name"),
			"DNS points to another computer for 2 names: 2 paths", "Correct or delete the stale DNS records",
		},
		{
			"a reason that is not known here", fleet("198.18.3", 1, "smb", "inconclusive.full-moon"),
			"TCP 445 to 198.18.3.10 could not be decided (full moon): 1 path", "fix of smb",
		},
		{
			"untested",
			[]verdict.Finding{untested, https},
			"push/mp-http, push/mp-https: the way starts at the client and is not tested from here: 2 paths",
			"Run this from a client: cmreach check -p push --vantage client --only mp-http,mp-https --role management-point=mp1.example",
		},
		{
			"untested, with a proxy in its place",
			[]verdict.Finding{proxied},
			"push/mp-http: the way starts at the client and is not tested from here; the service itself is wrong-service, seen from here: 1 path",
			"Run this from a client: ",
		},
		{
			"untested, and fine",
			[]verdict.Finding{fine},
			"push/mp-http: the way starts at the client and is not tested from here; the service itself answers: 1 path",
			"Run this from a client: ",
		},
		{
			"a name that is a command",
			[]verdict.Finding{evil},
			"push/mp-http: the way starts at the client and is not tested from here: 1 path",
			"Run this from a client: cmreach check -p push --vantage client --only mp-http --role management-point=NAME",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := group(tt.in)
			if len(got) != 1 {
				t.Fatalf("%d causes, want 1: %+v", len(got), got)
			}
			if got[0].Message != tt.want {
				t.Errorf("message %q\nwant    %q", got[0].Message, tt.want)
			}
			if !strings.HasPrefix(got[0].Advice[0], tt.advice) {
				t.Errorf("advice %q\nwant   %q", got[0].Advice, tt.advice)
			}
		})
	}
}

func TestTheFixOfTheRowFollowsTheAdvice(t *testing.T) {
	got := group(fleet("198.18.3", 2, "smb", "blocked.silent"))[0]
	if len(got.Advice) != 2 || got.Advice[1] != "fix of smb" {
		t.Errorf("advice %q", got.Advice)
	}
}

func TestNothingToExplain(t *testing.T) {
	optional := finding("198.18.3.1", "smb", "blocked.silent")
	optional.Required = false
	satisfied := finding("198.18.3.1", "mp-http", "closed.reset")
	satisfied.SatisfiedBy = "push/mp-https"
	in := []verdict.Finding{finding("198.18.3.1", "smb", "open.answer"), optional, satisfied}
	if got := group(in); len(got) != 0 {
		t.Errorf("causes %+v", got)
	}
}

// What breaks the most comes first; what merely needs another place last.
func TestOrder(t *testing.T) {
	var in []verdict.Finding
	in = append(in, fleet("198.18.1", 9, "mp-http", "untested.vantage")...)
	in = append(in, fleet("198.18.2", 8, "smb", "down.silent")...)
	in = append(in, fleet("198.18.3", 2, "smb", "error.local")...)
	in = append(in, fleet("198.18.4", 3, "smb", "closed.reset")...)
	in = append(in, fleet("198.18.5", 5, "smb", "blocked.silent")...)
	var got []string
	for _, c := range group(in) {
		got = append(got, c.Reason)
	}
	want := []string{"blocked.silent", "closed.reset", "error.local", "down.silent", "untested.vantage"}
	if !slices.Equal(got, want) {
		t.Errorf("order %q, want %q", got, want)
	}
}

// What an untested path looks like from here decides what its cause says.
func TestUntestedByJudge(t *testing.T) {
	r := &scanner.Requirement{
		ID: "push/mp-http", Profile: "push", From: scanner.RoleClient, To: scanner.RoleManagementPoint,
		Protocol: scanner.TCP, Port: 80, Probe: "http-mp", Need: scanner.Required, Listener: scanner.ListenerNow,
	}
	h := scanner.Host{Name: "mp1", Addr: netip.MustParseAddr("198.18.0.80"), Rows: []*scanner.Requirement{r}, Observations: []scanner.Observation{
		{Protocol: scanner.TCP, Port: 80, Outcome: scanner.Answered},
		{Protocol: scanner.TCP, Port: 80, Probe: "http-mp", Outcome: scanner.Foreign},
	}}
	got := group(verdict.Judge(h, verdict.Context{Vantage: scanner.RoleSiteServer}))
	if len(got) != 1 || !strings.Contains(got[0].Message, "the service itself is wrong-service") {
		t.Errorf("causes %+v", got)
	}
}

// A whole network that is blocked is one cause of bounded size.
func TestLargeFleet(t *testing.T) {
	const n = 1 << 17
	g := cause.NewGrouper()
	a := netip.MustParseAddr("198.18.0.0")
	for range n {
		f := finding("198.18.0.1", "smb", "blocked.silent")
		f.Host, f.Addr = a.String(), a
		g.AddHost([]verdict.Finding{f})
		a = a.Next()
	}
	got := g.Causes()
	if len(got) != 1 || got[0].Paths != n || got[0].Hosts != n || len(got[0].Sample) != 5 {
		t.Fatalf("%+v", got)
	}
	if want := []netip.Prefix{netip.MustParsePrefix("198.18.0.0/15")}; !slices.Equal(got[0].Subnets, want) {
		t.Errorf("subnets %v, want %v", got[0].Subnets, want)
	}
}

func TestScatteredFleetIsWidened(t *testing.T) {
	var in []verdict.Finding
	for i := range 10000 {
		f := finding("198.18.0.1", "smb", "blocked.silent")
		f.Addr = netip.AddrFrom4([4]byte{10, byte(i >> 7), byte(i<<1) & 0xfe, 1})
		f.Host = f.Addr.String()
		in = append(in, f)
	}
	got := group(in)
	if len(got) != 1 || len(got[0].Subnets) > 4096 {
		t.Fatalf("%d causes, %d subnets", len(got), len(got[0].Subnets))
	}
	for _, f := range in {
		if !slices.ContainsFunc(got[0].Subnets, func(p netip.Prefix) bool { return p.Contains(f.Addr) }) {
			t.Fatalf("%s is in none of the subnets", f.Addr)
		}
	}
}

// Every required path that is not open is in exactly one cause, and the order
// of the hosts does not matter.
func TestEveryFindingHasOneCause(t *testing.T) {
	reasons := []string{
		"open.answer", "blocked.prohibited", "blocked.silent", "closed.reset", "wrong-service.foreign", "wrong-host.name",
		"down.silent", "unresolved.no-address", "inconclusive.mapper", "untested.vantage", "error.local",
	}
	rapid.Check(t, func(t *rapid.T) {
		var hosts [][]verdict.Finding
		want := 0
		for i := range rapid.IntRange(0, 30).Draw(t, "hosts") {
			addr := fmt.Sprintf("198.18.%d.%d", rapid.IntRange(0, 3).Draw(t, "net"), i)
			var h []verdict.Finding
			for _, row := range []string{"icmp", "smb", "rpc-dynamic"} {
				f := finding(addr, row, rapid.SampledFrom(reasons).Draw(t, "reason"))
				f.Required = rapid.Bool().Draw(t, "required")
				if rapid.Bool().Draw(t, "satisfied") {
					f.SatisfiedBy = "push/other"
				}
				if rapid.Bool().Draw(t, "by") {
					f.By = rapid.SampledFrom([]netip.Addr{f.Addr, netip.MustParseAddr("198.18.9.9")}).Draw(t, "device")
				}
				if f.Required && f.SatisfiedBy == "" && f.State != verdict.Open {
					want++
				}
				h = append(h, f)
			}
			hosts = append(hosts, h)
		}
		got := group(slices.Concat(hosts...))
		sum := 0
		ids := map[string]bool{}
		for _, c := range got {
			sum += c.Paths
			if ids[c.ID] {
				t.Errorf("two causes have the id %q", c.ID)
			}
			ids[c.ID] = true
			if c.Message == "" || len(c.Advice) == 0 || c.Hosts > c.Paths || len(c.Sample) == 0 {
				t.Errorf("poor cause %+v", c)
			}
		}
		if sum != want {
			t.Errorf("the causes cover %d paths of %d", sum, want)
		}
		slices.Reverse(hosts)
		if d := cmp.Diff(got, group(slices.Concat(hosts...)), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.IgnoreUnexported(cause.Cause{})); d != "" {
			t.Errorf("the order of the hosts matters:\n%s", d)
		}
	})
}
