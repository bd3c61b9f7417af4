package cause_test

import (
	"cmreach/scanner"
	"cmreach/scanner/cause"
	"cmreach/scanner/verdict"
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func methodRow(id, profile string, to scanner.Role, anyOf string) *scanner.Requirement {
	return &scanner.Requirement{ID: profile + "/" + id, Profile: profile, To: to, AnyOf: anyOf, Need: scanner.Required}
}

func methodRows() []*scanner.Requirement {
	return []*scanner.Requirement{
		methodRow("smb", "push", scanner.RoleClient, ""), methodRow("mp-http", "push", scanner.RoleManagementPoint, "mp"),
		methodRow("mp-https", "push", scanner.RoleManagementPoint, "mp"), methodRow("sup-http", "sup", scanner.RoleSoftwareUpdatePoint, ""),
	}
}

// about is a finding on a path of a row.
func about(row *scanner.Requirement, host string, s verdict.State) verdict.Finding {
	f := verdict.Finding{
		Profile: row.Profile, Requirement: row.ID, From: scanner.RoleSiteServer, To: row.To, Host: host, AnyOf: row.AnyOf,
		Addr: netip.MustParseAddr("198.18.1.1"), Required: true, State: s, Reason: s.String() + ".x",
	}
	if row.To != scanner.RoleClient {
		f.From = scanner.RoleClient
	}
	return f
}

// methodRun is one run: what was found at each host.
type methodRun struct {
	profiles []string
	gaps     []cause.Unchecked
	fail     verdict.StateSet
	clients  map[string]verdict.State // of push/smb
	servers  []verdict.Finding
	partial  bool
}

func (r methodRun) advise() *cause.Advisor {
	if r.profiles == nil {
		r.profiles = []string{"push", "sup"}
	}
	if r.fail == 0 {
		r.fail = verdict.DefaultFail
	}
	rows := methodRows()
	a := cause.NewAdvisor(r.profiles, rows, r.gaps, r.fail)
	for i := range len(r.clients) {
		name := fmt.Sprintf("pc%d", i)
		a.AddHost(&scanner.Host{Name: name}, []verdict.Finding{about(rows[0], name, r.clients[name])})
	}
	for _, f := range r.servers {
		a.AddHost(&scanner.Host{Name: f.Host}, []verdict.Finding{f})
	}
	a.Close(!r.partial)
	return a
}

func TestMethods(t *testing.T) {
	rows := methodRows()
	mp := func(s, tls verdict.State) []verdict.Finding {
		return []verdict.Finding{about(rows[1], "mp1", s), about(rows[2], "mp1", tls), about(rows[3], "wsus", verdict.Open)}
	}
	satisfied := mp(verdict.Open, verdict.Blocked)
	satisfied[1].SatisfiedBy = "push/mp-http"
	all := map[string]verdict.State{
		"pc0": verdict.Open, "pc1": verdict.Blocked, "pc2": verdict.Down, "pc3": verdict.Error, "pc4": verdict.Unresolved, "pc5": verdict.Inconclusive, "pc6": verdict.Untested,
	}
	for _, tt := range []struct {
		name   string
		run    methodRun
		push   [4]int // yes, not proven, undecided, no
		shared cause.Opinion
	}{
		{"all open", methodRun{clients: all, servers: satisfied}, [4]int{1, 1, 4, 1}, cause.Opinion{}},
		{"down counts", methodRun{clients: all, servers: satisfied, fail: verdict.DefaultFail.With(verdict.Down)}, [4]int{1, 1, 3, 2}, cause.Opinion{}},
		{
			"from the site server alone",
			methodRun{clients: all, servers: mp(verdict.Untested, verdict.Untested)},
			[4]int{0, 2, 4, 1},
			cause.Opinion{Answer: cause.AnswerNotProven, Reason: "2 paths start at the client and were not tested from there", Untested: 2, From: scanner.RoleClient},
		},
		{
			"a server is blocked",
			methodRun{clients: all, servers: mp(verdict.Blocked, verdict.Untested)},
			[4]int{0, 0, 0, 7},
			cause.Opinion{Answer: cause.AnswerNo, Reason: "push/mp-http is blocked at mp1 (blocked.x)", Untested: 1, From: scanner.RoleClient, Row: "push/mp-http", State: verdict.Blocked},
		},
		{
			"a server is down",
			methodRun{clients: all, servers: mp(verdict.Down, verdict.Untested)},
			[4]int{0, 0, 6, 1},
			cause.Opinion{Answer: cause.AnswerUndecided, Reason: "push/mp-http is down at mp1 (down.x)", Untested: 1, From: scanner.RoleClient, Row: "push/mp-http", State: verdict.Down},
		},
		{
			"no management point",
			methodRun{
				clients: all, servers: satisfied,
				gaps: []cause.Unchecked{{Requirement: "sup/x", Reason: "other"}, {Requirement: "push/dp-http", Reason: "no distribution point is named"}},
			},
			[4]int{0, 2, 4, 1},
			cause.Opinion{Answer: cause.AnswerNotProven, Reason: "push/dp-http was not checked: no distribution point is named"},
		},
		{"another of its group", methodRun{clients: all, servers: satisfied, gaps: []cause.Unchecked{{Requirement: "push/mp-x", AnyOf: "mp"}}}, [4]int{1, 1, 4, 1}, cause.Opinion{}},
		{
			"interrupted",
			methodRun{clients: all, servers: satisfied, partial: true},
			[4]int{0, 2, 4, 1},
			cause.Opinion{Answer: cause.AnswerNotProven, Reason: "the run did not come to its end"},
		},
		{
			"before a server came",
			methodRun{clients: all, partial: true},
			[4]int{0, 2, 4, 1},
			cause.Opinion{Answer: cause.AnswerNotProven, Reason: "push/mp-http was not checked"},
		},
		{"not checked", methodRun{profiles: []string{"sup"}, clients: all, servers: satisfied}, [4]int{}, cause.Opinion{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.run.advise().Methods()[0]
			if d := cmp.Diff(tt.push, got.Clients); d != "" {
				t.Errorf("clients (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.shared, got.Shared); d != "" {
				t.Errorf("shared (-want +got):\n%s", d)
			}
		})
	}
}

// A client of a method without rows to clients depends on the servers alone, and
// a profile of which nothing was checked proves nothing.
func TestMethodsWithoutRows(t *testing.T) {
	rows := methodRows()
	run := methodRun{
		profiles: []string{"push", "gpo", "sup"}, clients: map[string]verdict.State{"pc0": verdict.Blocked},
		servers: []verdict.Finding{about(rows[3], "wsus", verdict.Open)},
	}
	m := run.advise().Methods()
	if m[2].Clients != [4]int{1, 0, 0, 0} || m[2].Shared.Answer != cause.AnswerYes {
		t.Errorf("sup: %+v", m[2])
	}
	if m[1].Clients != [4]int{0, 1, 0, 0} || m[1].Shared.Reason != "no required path of it was checked" {
		t.Errorf("gpo: %+v", m[1])
	}
	if m[3].Checked || m[3].Total() != 0 {
		t.Errorf("manual: %+v", m[3])
	}
}

// A name with several addresses is one client, and its worst address counts.
func TestSeveralAddresses(t *testing.T) {
	rows := methodRows()
	a := cause.NewAdvisor([]string{"push"}, rows[:1], nil, verdict.DefaultFail)
	add := func(name string, of int, s verdict.State) []cause.Opinion {
		return a.AddHost(&scanner.Host{Name: name, Addresses: of}, []verdict.Finding{about(rows[0], name, s)})
	}
	if add("pc0", 2, verdict.Blocked) != nil || add("pc1", 3, verdict.Open) != nil {
		t.Error("an opinion before the last address")
	}
	if own := add("pc0", 2, verdict.Open); len(own) != 4 || own[0].Answer != cause.AnswerNo {
		t.Errorf("pc0: %+v", own)
	}
	rest := a.Close(true)
	want := cause.Opinion{Answer: cause.AnswerNotProven, Reason: "not all of its addresses were checked"}
	if len(rest) != 1 || rest[0].Name != "pc1" || rest[0].Own[0] != want {
		t.Errorf("of pc1 an address is missing: %+v", rest)
	}
	if c := a.Methods()[0].Clients; c != [4]int{0, 1, 0, 1} {
		t.Errorf("clients %v", c)
	}
}

// A host that lacks a row of the method is not said to work.
func TestMissingRow(t *testing.T) {
	rows := methodRows()
	other := methodRow("client-smb", "gpo", scanner.RoleClient, "")
	a := cause.NewAdvisor([]string{"push", "gpo"}, []*scanner.Requirement{rows[0], other}, nil, verdict.DefaultFail)
	own := a.AddHost(&scanner.Host{Name: "pc0"}, []verdict.Finding{about(other, "pc0", verdict.Open)})
	if own[0].Answer != cause.AnswerNotProven || own[0].Reason != "push/smb was not checked" || own[1].Answer != cause.AnswerYes {
		t.Errorf("%+v", own)
	}
	odd := []*scanner.Requirement{rows[0], methodRow("icmp", "push", scanner.RoleClient, ""), methodRow("epm", "push", scanner.RoleClient, "")}
	a = cause.NewAdvisor([]string{"push"}, odd, nil, verdict.DefaultFail)
	have := func(order ...int) cause.Opinion {
		var f []verdict.Finding
		for _, i := range order {
			f = append(f, about(odd[i], "pc0", verdict.Open))
		}
		return a.AddHost(&scanner.Host{Name: "pc0"}, f)[0]
	}
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}} {
		if o := have(order...); o.Answer != cause.AnswerYes {
			t.Errorf("in the order %v: %+v", order, o)
		}
	}
	for left, order := range [][]int{{2, 1}, {0, 2}, {1, 0}} {
		if o := have(order...); o.Answer != cause.AnswerNotProven || o.Reason != odd[left].ID+" was not checked" {
			t.Errorf("%v of three rows: %+v", order, o)
		}
	}
}
