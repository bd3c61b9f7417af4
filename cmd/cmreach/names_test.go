package main

import (
	"cmreach/profiles"
	"cmreach/scanner"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"
)

// zone is a name server on a loopback address. Names that it does not have do
// not exist.
type zone struct {
	at      netip.AddrPort
	asked   atomic.Int64
	records []dns.RR
	code    int // answer everything with this code; 0: honestly
}

// serveZone serves records in the format of zone files (RFC 1035 5.1).
func serveZone(records string, code int) (*zone, func(), error) {
	z := &zone{code: code}
	for line := range strings.Lines(records) {
		rr, err := dns.NewRR(line)
		if err != nil {
			return nil, nil, err
		}
		if rr != nil {
			z.records = append(z.records, rr)
		}
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	z.at = conn.LocalAddr().(*net.UDPAddr).AddrPort()
	server := &dns.Server{PacketConn: conn, Handler: z}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.ActivateAndServe() // ends when conn is closed
	}()
	return z, func() { conn.Close(); <-ended }, nil
}

func startZone(t *testing.T, records string, code int) *zone {
	t.Helper()
	z, stop, err := serveZone(records, code)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return z
}

// ServeDNS answers one question.
func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	z.asked.Add(1)
	m := new(dns.Msg)
	m.SetReply(q)
	m.Rcode = dns.RcodeNameError
	for _, rr := range z.records {
		if !strings.EqualFold(rr.Header().Name, q.Question[0].Name) {
			continue
		}
		m.Rcode = dns.RcodeSuccess
		if rr.Header().Rrtype == q.Question[0].Qtype {
			m.Answer = append(m.Answer, rr)
		}
	}
	if z.code != 0 {
		m.Rcode, m.Answer = z.code, nil
	}
	_ = w.WriteMsg(m)
}

func TestReadServers(t *testing.T) {
	got, err := readServers([]string{"198.18.0.53", "198.18.0.53:5353", "fd00:198::53", "[fd00:198::53]:54"})
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, a := range got {
		words = append(words, a.String())
	}
	if d := cmp.Diff([]string{"198.18.0.53:53", "198.18.0.53:5353", "[fd00:198::53]:53", "[fd00:198::53]:54"}, words); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{"", "dc1.lab.test", "198.18.0.53:0", "198.18.0.53:dns", "198.18.0.300"} {
		if got, err := readServers([]string{bad}); err == nil {
			t.Errorf("%q is read as %v", bad, got)
		}
	}
}

// A server that fails is followed by the next; one that says no is not.
func TestServersInTheirOrder(t *testing.T) {
	broken := startZone(t, "", dns.RcodeServerFailure)
	first := startZone(t, "pc1.lab.test. A 198.18.1.1", 0)
	second := startZone(t, "pc1.lab.test. A 198.18.1.2\npc2.lab.test. A 198.18.1.3", 0)
	s := newServers([]netip.AddrPort{broken.at, first.at, second.at})
	addrs, err := s.LookupNetIP(t.Context(), "ip4", "pc1.lab.test.")
	if err != nil || len(addrs) != 1 || addrs[0].Unmap() != netip.MustParseAddr("198.18.1.1") {
		t.Errorf("%v, %v", addrs, err)
	}
	if broken.asked.Load() == 0 || second.asked.Load() != 0 {
		t.Errorf("the broken server was asked %d times, the second %d times", broken.asked.Load(), second.asked.Load())
	}
	_, err = s.LookupNetIP(t.Context(), "ip4", "pc2.lab.test.")
	var de *net.DNSError
	if !errors.As(err, &de) || !de.IsNotFound || de.Server != first.at.String() {
		t.Errorf("pc2: %v", err)
	}
	if n := second.asked.Load(); n != 0 {
		t.Errorf("the second server was asked %d times after a no", n)
	}
}

func push(t *testing.T) []*profiles.Profile {
	t.Helper()
	list, err := profiles.Load([]string{"push"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestDiscover(t *testing.T) {
	const srv = "_mssms_mp_ps1._tcp.lab.test. SRV 0 0 "
	for _, tt := range []struct {
		name    string
		records string
		s       selection
		site    *profiles.Site
		code    int
		roles   []string
		ports   []string
		note    string
		err     string
	}{
		{
			name: "two", records: srv + "80 mp1.lab.test.\n" + srv + "443 mp2.lab.test.",
			roles: []string{"management-point=mp1.lab.test,mp2.lab.test"}, note: "_mssms_mp_ps1._tcp.lab.test names the management point mp1.lab.test, port 80",
		},
		{
			name: "another port", records: srv + "8080 mp1.lab.test.",
			roles: []string{"management-point=mp1.lab.test"}, ports: []string{"http=8080"}, note: "is taken for the HTTP port",
		},
		{
			name: "another port that is named", records: srv + "8443 mp1.lab.test.", s: selection{ports: []string{"smb=4450,https=8443"}},
			roles: []string{"management-point=mp1.lab.test"}, ports: []string{"smb=4450,https=8443"}, note: "port 8443",
		},
		{
			name: "an alternative port that a flag names", records: srv + "8080 mp1.lab.test.", s: selection{ports: []string{"http=80,8080"}},
			roles: []string{"management-point=mp1.lab.test"}, ports: []string{"http=80,8080"}, note: "port 8080",
		},
		{
			name: "another port against a flag", records: srv + "8080 mp1.lab.test.", s: selection{ports: []string{"http=81"}},
			roles: []string{"management-point=mp1.lab.test"}, ports: []string{"http=81"}, note: "is not checked",
		},
		{name: "two ports", records: srv + "8080 mp1.lab.test.\n" + srv + "8081 mp2.lab.test.", err: "names the ports 8080 and 8081"},
		{name: "none published", records: "lab.test. A 198.18.0.1", err: "the site publishes no management point as _mssms_mp_ps1._tcp.lab.test: name one with --role"},
		{name: "not available", records: srv + "0 .", err: "names no host"},
		{name: "broken", records: srv + "80 mp1.lab.test.", code: dns.RcodeServerFailure, err: "could not be looked up"},
		{
			name: "named by flag", records: srv + "80 mp1.lab.test.", s: selection{roles: []string{"management-point=mp9"}},
			roles: []string{"management-point=mp9"},
		},
		{
			name: "named by the site file", records: srv + "80 mp1.lab.test.",
			site: &profiles.Site{Code: "PS1", Roles: map[scanner.Role][]string{scanner.RoleManagementPoint: {"mp9"}}},
		},
		{name: "no site code", records: srv + "80 mp1.lab.test.", site: &profiles.Site{}, note: "no site code is known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			z := startZone(t, tt.records, tt.code)
			if tt.s.dnsSuffix = "lab.test"; tt.site == nil {
				tt.site = &profiles.Site{Code: "PS1"}
			}
			notes, err := tt.s.discover(t.Context(), newServers([]netip.AddrPort{z.at}), push(t), tt.site)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			slices.Sort(notes)
			if err != nil || !strings.Contains(strings.Join(notes, "\n"), tt.note) || tt.note == "" && len(notes) > 0 {
				t.Errorf("notes %q, error %v", notes, err)
			}
			if len(tt.s.roles) == 1 && strings.Contains(tt.s.roles[0], "mp2") && strings.Contains(tt.s.roles[0], "mp2.lab.test,mp1") {
				tt.s.roles[0] = "management-point=mp1.lab.test,mp2.lab.test" // records of one weight come in any order
			}
			if d := cmp.Diff(tt.roles, tt.s.roles); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(tt.ports, tt.s.ports); d != "" {
				t.Error(d)
			}
		})
	}
}

const auditZone = `
good.lab.test. A 198.18.1.1
1.1.18.198.in-addr.arpa. PTR GOOD.lab.test.
stale.lab.test. A 198.18.1.2
2.1.18.198.in-addr.arpa. PTR other.lab.test.
many.lab.test. A 198.18.1.3
many.lab.test. A 198.18.1.4
3.1.18.198.in-addr.arpa. PTR many.lab.test.
4.1.18.198.in-addr.arpa. PTR many-vpn.lab.test.
silent.lab.test. A 198.18.1.5
moved.lab.test. A 198.18.1.6
6.1.18.198.in-addr.arpa. PTR moved.lab.test.
7.1.18.198.in-addr.arpa. PTR moved.lab.test.
8.1.18.198.in-addr.arpa. PTR gone.lab.test.
short. A 198.18.1.9
short.lab.test. A 198.18.1.10
`

func TestNameAudit(t *testing.T) {
	z := startZone(t, auditZone, 0)
	a := newNameAudit(newServers([]netip.AddrPort{z.at}), "ip4", "lab.test")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, tt := range []struct {
		name, addr string
		want       []string
	}{
		{"good.lab.test", "198.18.1.1", nil},
		{"stale.lab.test", "198.18.1.2", []string{"the PTR record of 198.18.1.2 names other.lab.test, not stale.lab.test"}},
		{"many.lab.test", "198.18.1.3", []string{"many.lab.test has 2 addresses: 198.18.1.3, 198.18.1.4"}},
		{"many.lab.test", "198.18.1.4", []string{
			"many.lab.test has 2 addresses: 198.18.1.3, 198.18.1.4", "the PTR record of 198.18.1.4 names many-vpn.lab.test, not many.lab.test",
		}},
		{"silent.lab.test", "198.18.1.5", nil},
		{"nobody.lab.test", "", nil},
		{"198.18.1.6", "198.18.1.6", nil},
		{"198.18.1.7", "198.18.1.7", []string{"the PTR record of 198.18.1.7 names moved.lab.test, which is 198.18.1.6"}},
		{"198.18.1.8", "198.18.1.8", []string{"the PTR record of 198.18.1.8 names gone.lab.test, which has no address"}},
		{"short.lab.test", "198.18.1.10", []string{"short.lab.test is 198.18.1.10, but short is 198.18.1.9"}},
		{"short", "198.18.1.9", []string{"short is 198.18.1.9, but short.lab.test is 198.18.1.10"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := scanner.Host{Name: tt.name}
			target := scanner.Target{Name: tt.name}
			if tt.addr != "" {
				h.Addr = netip.MustParseAddr(tt.addr)
			}
			if tt.addr == tt.name {
				target.Addr = h.Addr
			}
			for range a.watch(ctx, slices.Values([]scanner.Target{target})) {
				a.add(ctx, &h)
			}
			var got []string
			for _, o := range h.Observations {
				if o.Probe != scanner.NameAudit || o.Outcome != scanner.OutcomeUnknown || o.Sweep() {
					t.Errorf("observation %+v", o)
				}
				for _, d := range o.Details {
					got = append(got, d.Value)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
	a.wait()
}

// A cancelled run does not wait for the name service.
func TestNameAuditEnds(t *testing.T) {
	a := newNameAudit(newServers([]netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")}), "ip4", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	targets := slices.Repeat([]scanner.Target{{Name: "pc1.lab.test"}}, 3*audits)
	for target := range a.watch(ctx, slices.Values(targets)) {
		a.add(ctx, &scanner.Host{Name: target.Name})
	}
	a.wait()
}

// startNames serves a file of records, in which $VARIABLES are replaced, for
// the rest of the script; DNS is its address: "names FILE".
func startNames(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: names FILE")
	}
	z, stop, err := serveZone(os.Expand(ts.ReadFile(args[0]), ts.Getenv), 0)
	ts.Check(err)
	ts.Defer(stop)
	ts.Setenv("DNS", z.at.String())
}
