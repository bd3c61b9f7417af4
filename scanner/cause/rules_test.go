package cause_test

import (
	"cmreach/scanner"
	"cmreach/scanner/cause"
	"cmreach/scanner/verdict"
	"math/big"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// addrGen draws addresses that are near each other, so that there is something
// to join, in both families and in their IPv4-mapped form.
func addrGen() *rapid.Generator[netip.Addr] {
	return rapid.Custom(func(t *rapid.T) netip.Addr {
		n := byte(rapid.IntRange(0, 40).Draw(t, "last"))
		net := byte(rapid.IntRange(0, 2).Draw(t, "net"))
		switch rapid.IntRange(0, 6).Draw(t, "family") {
		case 0, 1:
			return netip.AddrFrom16([16]byte{0xfd, 0, 1, 0x98, 7: net, 15: n})
		case 2:
			return netip.AddrFrom16([16]byte{10: 0xff, 11: 0xff, 12: 198, 13: 18, 14: net, 15: n})
		case 3:
			return netip.AddrFrom4([4]byte{255, 255, 255, 255 - n})
		default:
			return netip.AddrFrom4([4]byte{198, 18, net, n})
		}
	})
}

// size is the number of addresses of a prefix.
func size(p netip.Prefix) *big.Int {
	return new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-p.Bits()))
}

// The prefixes cover the addresses and no other, do not overlap, and are as few
// as can be: no two are the halves of one, nor is one in another.
func TestPrefixesAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		addrs := rapid.SliceOf(addrGen()).Draw(t, "addrs")
		given := slices.Clone(addrs)
		got := cause.Prefixes(addrs)
		if !slices.Equal(addrs, given) {
			t.Fatal("the argument was changed")
		}
		want := map[netip.Addr]bool{}
		for _, a := range addrs {
			want[a.Unmap()] = true
		}
		sum := new(big.Int)
		for i, p := range got {
			sum.Add(sum, size(p))
			if p != p.Masked() || i > 0 && got[i-1].Addr().Compare(p.Addr()) >= 0 || i > 0 && got[i-1].Overlaps(p) {
				t.Fatalf("order: %v", got)
			}
			if i > 0 && got[i-1].Bits() == p.Bits() && p.Bits() > 0 && got[i-1].Addr().BitLen() == p.Addr().BitLen() {
				if wide, _ := p.Addr().Prefix(p.Bits() - 1); wide.Contains(got[i-1].Addr()) {
					t.Fatalf("%s and %s are the halves of one", got[i-1], p)
				}
			}
		}
		for a := range want {
			if !slices.ContainsFunc(got, func(p netip.Prefix) bool { return p.Contains(a) }) {
				t.Fatalf("%s is not in %v", a, got)
			}
		}
		if sum.Cmp(big.NewInt(int64(len(want)))) != 0 { // all are there, so there is nothing else
			t.Fatalf("%v cover %d addresses, want %d", got, sum, len(want))
		}
		for _, p := range cause.Subnets(addrs) {
			if p.Addr().Is4() && p.Bits() > 24 || p.Addr().Is6() && p.Bits() > 64 {
				t.Fatalf("%s is no subnet", p)
			}
		}
	})
}

func TestJoin(t *testing.T) {
	list := func(texts ...string) (out []netip.Prefix) {
		for _, s := range texts {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	for _, c := range []struct{ in, want []netip.Prefix }{
		{nil, []netip.Prefix{}},
		{list("198.18.0.0/16", "198.18.1.0/24", "198.18.1.7/32"), list("198.18.0.0/16")},
		{list("198.18.1.128/25", "198.18.1.0/25", "198.18.0.0/24"), list("198.18.0.0/23")},
		{list("0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"), list("0.0.0.0/0", "::/0")},
		{list("198.18.1.7/24"), list("198.18.1.0/24")},
		{append(list("198.18.1.1/32"), netip.Prefix{}), list("198.18.1.1/32")},
	} {
		if got := cause.Join(c.in); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.in, got, c.want)
		}
	}
}

// blocked is a finding that something blocks.
func blocked(addr, row string, port uint16, by ...string) verdict.Finding {
	f := verdict.Finding{
		Profile: "push", Requirement: "push/" + row, From: scanner.RoleSiteServer, To: scanner.RoleClient, Host: "pc-" + addr,
		Addr: netip.MustParseAddr(addr), Protocol: scanner.TCP, Port: port, Required: true, State: verdict.Blocked,
		Reason: "blocked.silent", Message: "blocked " + row,
	}
	switch len(by) {
	case 1:
		f.By, f.Reason = netip.MustParseAddr(by[0]), "blocked.prohibited"
	case 2:
		f.Between = []netip.Addr{netip.MustParseAddr(by[0]), netip.MustParseAddr(by[1])}
	}
	return f
}

// reset is a finding of a RST that the host did not send.
func reset(addr string) verdict.Finding {
	f := blocked(addr, "smb", 445)
	f.Reason = "blocked.reset"
	return f
}

// rulesOf are the rules for findings, a host each.
func rulesOf(findings ...verdict.Finding) []cause.Rule {
	r := cause.NewRuler()
	for _, f := range findings {
		r.AddHost([]verdict.Finding{f})
	}
	return r.Rules()
}

func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		f     verdict.Finding
		place cause.Place
		id    string
	}{
		{blocked("198.18.1.1", "smb", 445, "198.18.9.1"), cause.PlaceDevice, "blocked.prohibited|push/smb|198.18.9.1"},
		{blocked("198.18.1.1", "smb", 445, "198.18.1.1"), cause.PlaceHosts, "blocked.prohibited|push/smb|self"},
		{blocked("198.18.1.1", "smb", 445, "198.18.9.1", "198.18.9.2"), cause.PlaceBetween, "blocked.silent|push/smb|198.18.9.1|198.18.9.2"},
		{blocked("198.18.1.1", "smb", 445, "198.18.9.1", "198.18.1.1"), cause.PlaceLastHop, "blocked.silent|push/smb|198.18.9.1"},
		{blocked("198.18.1.1", "smb", 445), cause.PlaceUnknown, "blocked.silent|push/smb"},
		{reset("198.18.1.1"), cause.PlaceWay, "blocked.reset|push/smb"},
	} {
		got := rulesOf(c.f)
		if len(got) != 1 || got[0].Place != c.place || !slices.Equal(got[0].Causes, []string{c.id}) {
			t.Errorf("%s: %+v", c.place, got)
		}
		causes := group([]verdict.Finding{c.f})
		if len(causes) != 1 || causes[0].ID != c.id {
			t.Errorf("%s: the report has %+v", c.place, causes)
		}
	}
}

// What no firewall is shown to stop has no rule, and is counted.
func TestOnlyBlockedIsAskedFor(t *testing.T) {
	for _, st := range append(slices.Clone(verdict.States), verdict.StateUnknown) {
		if st == verdict.Blocked {
			continue
		}
		f := blocked("198.18.1.1", "smb", 445, "198.18.9.1")
		f.State = st
		r := cause.NewRuler()
		r.AddHost([]verdict.Finding{f})
		if got := r.Rules(); len(got) > 0 {
			t.Errorf("%s: %+v", st, got)
		}
		if want := map[bool]int{true: 0, false: 1}[st == verdict.Open]; r.NotBlocked[st] != want {
			t.Errorf("%s: %d counted, want %d", st, r.NotBlocked[st], want)
		}
	}
	optional, satisfied := blocked("198.18.1.1", "smb", 445), blocked("198.18.1.1", "smb", 445)
	optional.Required, satisfied.SatisfiedBy = false, "push/other"
	manual := blocked("198.18.1.1", "smb", 445)
	manual.Protocol = scanner.Manual
	if got := rulesOf(optional, satisfied, manual); len(got) > 0 {
		t.Errorf("%+v", got)
	}
}

func TestPortsOfRules(t *testing.T) {
	several := blocked("198.18.1.1", "cmg", 10124)
	for _, p := range []uint16{10126, 10124, 10125, 10140, 443} {
		st := verdict.Blocked
		if p == 443 {
			st = verdict.Open
		}
		several.Ports = append(several.Ports, verdict.PortFinding{Port: p, State: st})
	}
	echo := blocked("198.18.1.1", "icmp", 0)
	echo.Protocol = scanner.ICMP
	last := blocked("198.18.1.1", "last", 65535)
	last.Ports = []verdict.PortFinding{{Port: 65534, State: verdict.Blocked}, {Port: 65535, State: verdict.Blocked}, {Port: 1, State: verdict.Blocked}}
	for _, c := range []struct {
		f    verdict.Finding
		want []cause.PortRange
	}{
		{several, []cause.PortRange{{10124, 10126}, {10140, 10140}}},
		{echo, nil},
		{last, []cause.PortRange{{1, 1}, {65534, 65535}}},
		{blocked("198.18.1.1", "rpc-dynamic", 0), []cause.PortRange{{49152, 65535}}},
	} {
		got := rulesOf(c.f)
		if len(got) != 1 || !slices.Equal(got[0].Ports, c.want) || got[0].Dynamic != (c.f.Requirement == "push/rpc-dynamic") {
			t.Errorf("%s: %+v", c.f.Requirement, got)
		}
	}
}

// Of silent hosts only a sample is traced; the others hear of it.
func TestHints(t *testing.T) {
	got := rulesOf(
		blocked("198.18.1.1", "smb", 445, "198.18.9.1", "198.18.1.1"), blocked("198.18.1.2", "smb", 445),
		blocked("198.18.1.3", "epm-tcp", 135), blocked("fd00:198::7", "smb", 445),
	)
	want := map[string][]netip.Addr{"push/smb": {netip.MustParseAddr("198.18.9.1")}, "push/epm-tcp": nil}
	for _, r := range got {
		if r.Place == cause.PlaceUnknown && !slices.Equal(r.Elsewhere, want[r.Rows[0]]) {
			t.Errorf("%+v", r)
		}
	}
	if len(got) != 3 {
		t.Errorf("%+v", got)
	}
}

// ruleFindings draws findings of a few rows, hosts and devices.
func ruleFindings(t *rapid.T) [][]verdict.Finding {
	var hosts [][]verdict.Finding
	for _, a := range rapid.SliceOfN(addrGen(), 0, 30).Draw(t, "hosts") {
		var h []verdict.Finding
		for _, row := range []string{"push/smb", "gpo/smb", "push/rpc-dynamic", "push/icmp"} {
			f := blocked(a.String(), "x", map[string]uint16{"push/smb": 445, "gpo/smb": 445}[row])
			f.Requirement, f.Boundary = row, rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "boundary")
			f.State = rapid.SampledFrom([]verdict.State{verdict.Blocked, verdict.Blocked, verdict.Open, verdict.Down}).Draw(t, "state")
			f.Required = rapid.IntRange(0, 9).Draw(t, "required") > 0
			switch rapid.IntRange(0, 3).Draw(t, "by") {
			case 1:
				f.By = netip.MustParseAddr("198.18.9.1")
			case 2:
				f.By = f.Addr
			case 3:
				f.Between = []netip.Addr{netip.MustParseAddr("198.18.9.1"), f.Addr}
			}
			if row == "push/icmp" {
				f.Protocol = scanner.ICMP
			}
			h = append(h, f)
		}
		hosts = append(hosts, h)
	}
	return hosts
}

// The prefixes of the rules are the addresses of the blocked findings, service
// by service, and nothing more; the order of the hosts does not matter.
func TestRulesCoverTheBlocked(t *testing.T) {
	type service struct {
		protocol scanner.Protocol
		port     uint16
		addr     netip.Addr
	}
	rapid.Check(t, func(t *rapid.T) {
		hosts := ruleFindings(t)
		want, got := map[service]bool{}, map[service]bool{}
		r, turned := cause.NewRuler(), cause.NewRuler()
		paths := 0
		for _, h := range hosts {
			r.AddHost(h)
			for _, f := range h {
				if f.State == verdict.Blocked && f.Required {
					want[service{f.Protocol, f.Port, f.Addr.Unmap()}] = true
					paths++
				}
			}
		}
		for _, h := range slices.Backward(hosts) {
			turned.AddHost(h)
		}
		rules := r.Rules()
		for _, rule := range rules {
			s := service{protocol: rule.Protocol}
			if rule.Protocol == scanner.TCP && !rule.Dynamic {
				s.port = rule.Ports[0].First
			}
			paths -= rule.Paths
			for _, p := range cause.Prefixes(rule.Addrs) {
				for a := p.Addr(); p.Contains(a); a = a.Next() {
					s.addr = a
					got[s] = true
				}
			}
		}
		if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.AllowUnexported(service{})); d != "" || paths != 0 {
			t.Fatalf("%d paths too few; (-blocked +asked for):\n%s", paths, d)
		}
		compare := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
		for i, rule := range turned.Rules() {
			rule.Hosts = rules[i].Hosts // hosts that come twice are counted as they come
			if d := cmp.Diff(rules[i], rule, compare); d != "" && unique(hosts) {
				t.Fatalf("(-forward +backward):\n%s", d)
			}
		}
	})
}

// unique reports whether no host is there twice.
func unique(hosts [][]verdict.Finding) bool {
	seen := map[netip.Addr]bool{}
	for _, h := range hosts {
		if seen[h[0].Addr.Unmap()] {
			return false
		}
		seen[h[0].Addr.Unmap()] = true
	}
	return true
}
