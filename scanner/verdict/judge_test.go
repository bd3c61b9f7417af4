package verdict_test

import (
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// verdictCase is one case of testdata/verdict: what was seen of a host, in the
// words of parseSeen, and the wanted finding of each row.
type verdictCase struct {
	Name    string            `yaml:"name"`
	Host    string            `yaml:"host"`
	Addr    string            `yaml:"addr"`
	Vantage string            `yaml:"vantage"`
	Rows    []string          `yaml:"rows"`
	Seen    []string          `yaml:"seen"`
	Want    map[string]string `yaml:"want"`
}

// row builds the requirement that a case names; the profile's own file is
// tested elsewhere.
func row(t *testing.T, id string, vantage scanner.Role) *scanner.Requirement {
	t.Helper()
	r := &scanner.Requirement{
		ID: "push/" + id, Profile: "push", From: scanner.RoleSiteServer, To: scanner.RoleClient,
		Need: scanner.Required, Protocol: scanner.TCP, Listener: scanner.ListenerNow,
	}
	switch id {
	case "icmp":
		r.Protocol = scanner.ICMP
	case "smb":
		r.Port, r.Probe = 445, "smb"
	case "epm-tcp":
		r.Port, r.Probe = 135, "rpc"
	case "epm-udp":
		r.Protocol, r.Port, r.Probe, r.Need = scanner.UDP, 135, "rpc-udp", scanner.Informational
	case "rpc-dynamic":
		r.Via, r.ViaProbe, r.Probe, r.Extra = 135, "rpc", "rpc-bind", []uint16{24158}
	case "rpc-dynamic-only":
		r.Via, r.ViaProbe, r.Probe = 135, "rpc", "rpc-bind"
	case "program":
		r.Protocol, r.Title = scanner.Manual, "statview.exe"
	case "control-tcp":
		r.Port, r.Listener = 2701, scanner.ListenerWithClient
	case "mp-http":
		r.From, r.To, r.Port, r.Probe, r.AnyOf = scanner.RoleClient, scanner.RoleManagementPoint, 80, "http-mp", "mp"
	case "mp-https":
		r.From, r.To, r.Port, r.Probe, r.AnyOf = scanner.RoleClient, scanner.RoleManagementPoint, 443, "https-mp", "mp"
	case "wol-udp":
		r.Protocol, r.Port, r.Listener, r.FarEnd, r.Control, r.ControlProbe = scanner.UDP, 9, scanner.ListenerWithClient, "far-end", 25537, "far-end-tcp"
	case "binl-udp":
		r.Protocol, r.Port, r.Probe, r.FarEnd = scanner.UDP, 4011, "pxe", "far-end"
	case "control-far":
		r.Port, r.Listener, r.FarEnd = 2701, scanner.ListenerWithClient, "far-end-tcp"
	case "every":
		r.Port, r.Ports, r.Several = 9100, []uint16{9100, 9101, 9102}, scanner.SeveralAll
	case "either":
		r.Port, r.Ports, r.Several, r.Probe = 80, []uint16{80, 8080}, scanner.SeveralAny, "http-dp"
	case "instances":
		r.Port, r.Ports, r.Several = 10124, []uint16{10124, 10125, 10126, 10127}, scanner.SeveralInstances
	default:
		t.Fatalf("unknown row %q", id)
	}
	r.FromHere = r.From == vantage
	return r
}

// parseSeen reads one observation: "tcp 445 refused ttl=61", "icmp answered",
// "smb@445 spoke computer=PC1 dns=pc1.lab.test proof=protocol",
// "tcp 445 hop=2 expired by=198.18.0.2", "tcp 49664 via=135 silent tries=3",
// "name unresolved".
func parseSeen(t *testing.T, host netip.Addr, s string) scanner.Observation {
	t.Helper()
	o := scanner.Observation{Tries: 1}
	for i, w := range strings.Fields(s) {
		key, value, hasValue := strings.Cut(w, "=")
		probe, port, isTalk := strings.Cut(w, "@")
		switch {
		case i == 0 && isTalk:
			o.Probe, o.Port, o.Protocol = probe, number[uint16](t, port), scanner.TCP
			if probe == "rpc-udp" || probe == "far-end" || probe == "pxe" {
				o.Protocol = scanner.UDP
			}
		case i == 0 && w != "name":
			check(t, o.Protocol.UnmarshalText([]byte(w)))
		case i == 0:
		case hasValue:
			set(t, &o, key, value)
		case w[0] >= '0' && w[0] <= '9':
			o.Port = number[uint16](t, w)
		default:
			check(t, o.Outcome.UnmarshalText([]byte(w)))
		}
	}
	if o.Outcome == scanner.Answered && !o.From.IsValid() {
		o.From = host
	}
	if o.Outcome == scanner.Spoke && o.Proof == 0 {
		o.Proof = scanner.AssuranceProtocol
		if o.Identity.Computer != "" { // named in the NTLM challenge
			o.Proof = scanner.AssuranceRole
		}
	}
	return o
}

// began is when the listeners of the cases began to listen.
var began = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

func set(t *testing.T, o *scanner.Observation, key, value string) {
	t.Helper()
	switch key {
	case "ttl":
		o.TTL = number[uint8](t, value)
	case "asked":
		o.Asked = value
	case "rationed":
		o.Rationed = netip.MustParseAddr(value)
	case "hop":
		o.HopLimit = number[uint8](t, value)
	case "tries":
		o.Tries = number[int](t, value)
	case "via":
		o.Via = number[uint16](t, value)
	case "by":
		o.From = netip.MustParseAddr(value)
	case "icmp":
		typ, code, _ := strings.Cut(value, "/")
		o.ICMP = scanner.ICMPError{Type: number[uint8](t, typ), Code: number[uint8](t, code)}
	case "proof":
		check(t, o.Proof.UnmarshalText([]byte(value)))
	case "computer":
		o.Identity.Computer = value
	case "dns":
		o.Identity.DNSName = value
	case "names":
		o.Identity.Names = strings.Split(value, ",")
	case "creds":
		o.NeedsCredentials = true
	case "err":
		o.Err = value
	case "sent": // seconds after began
		o.Sent = began.Add(time.Duration(number[int](t, value)) * time.Second)
	case "holds", "held": // from began on, said before or after everything else: "udp/9,tcp/2701"
		o.FarEnd = &scanner.FarEnd{Since: began, Until: began.Add(time.Minute), Again: key == "held"}
		for _, p := range strings.Split(value, ",") {
			proto, port, _ := strings.Cut(p, "/")
			if proto == "udp" {
				o.FarEnd.UDP = append(o.FarEnd.UDP, number[uint16](t, port))
			} else {
				o.FarEnd.TCP = append(o.FarEnd.TCP, number[uint16](t, port))
			}
		}
	default:
		o.Details = append(o.Details, scanner.Detail{Key: key, Value: value})
	}
}

func number[T ~int | ~uint8 | ~uint16](t *testing.T, s string) T {
	t.Helper()
	n, err := strconv.Atoi(s)
	check(t, err)
	return T(n)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func cases(t *testing.T) []verdictCase {
	t.Helper()
	files, err := filepath.Glob("../../testdata/verdict/*.yaml")
	check(t, err)
	var all []verdictCase
	for _, f := range files {
		b, err := os.ReadFile(f)
		check(t, err)
		var cs []verdictCase
		if err := yaml.UnmarshalWithOptions(b, &cs, yaml.Strict()); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		all = append(all, cs...)
	}
	if len(all) < 30 {
		t.Fatalf("only %d cases found", len(all))
	}
	return all
}

func (c verdictCase) host(t *testing.T) (scanner.Host, verdict.Context) {
	t.Helper()
	vantage := scanner.RoleSiteServer
	if c.Vantage != "" {
		vantage = scanner.Role(c.Vantage)
	}
	h := scanner.Host{Name: c.Host}
	if c.Addr != "" {
		h.Addr = netip.MustParseAddr(c.Addr)
	}
	for _, id := range c.Rows {
		h.Rows = append(h.Rows, row(t, id, vantage))
	}
	for _, s := range c.Seen {
		h.Observations = append(h.Observations, parseSeen(t, h.Addr, s))
	}
	return h, verdict.Context{Vantage: vantage}
}

// summary is a finding in the words of the case files.
func summary(f verdict.Finding) string {
	s := f.Reason
	if f.Assurance != scanner.AssuranceNone {
		s += " " + f.Assurance.String()
	}
	if f.By.IsValid() {
		s += " by " + f.By.String()
	}
	if len(f.Between) > 0 {
		s += fmt.Sprintf(" between %s %s", f.Between[0], f.Between[1])
	}
	if f.SatisfiedBy != "" {
		s += " satisfied"
	}
	return s
}

func TestCases(t *testing.T) {
	reasons := map[string]bool{}
	for _, c := range cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			h, ctx := c.host(t)
			fs := verdict.Judge(h, ctx)
			for _, f := range fs {
				id := strings.TrimPrefix(f.Requirement, "push/")
				if got := summary(f); got != c.Want[id] {
					t.Errorf("%s: got %q, want %q\n  %s", id, got, c.Want[id], f.Message)
				}
				reasons[f.Reason] = true
				for _, p := range f.Ports {
					reasons[p.Reason] = true
				}
				if !strings.HasPrefix(f.Reason, f.State.String()+".") {
					t.Errorf("%s: reason %q does not begin with its state %q", id, f.Reason, f.State)
				}
				if f.Message == "" || strings.Contains(f.Message, "invalid IP") || strings.Contains(f.Message, "%!") {
					t.Errorf("%s: message %q", id, f.Message)
				}
			}
			if len(c.Want) != len(fs) {
				t.Errorf("%d rows, %d wanted findings", len(fs), len(c.Want))
			}
		})
	}
	for _, r := range verdict.Rules() {
		if !reasons[r.Reason] {
			t.Errorf("no case shows the rule %s", r.Reason)
		}
	}
}

// The order of the evidence must not matter.
func TestOrderOfEvidence(t *testing.T) {
	for _, c := range cases(t) {
		h, ctx := c.host(t)
		want := verdict.Judge(h, ctx)
		for i := range 20 {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			r.Shuffle(len(h.Observations), func(i, j int) {
				h.Observations[i], h.Observations[j] = h.Observations[j], h.Observations[i]
			})
			for k, f := range verdict.Judge(h, ctx) {
				if summary(f) != summary(want[k]) || f.Message != want[k].Message {
					t.Fatalf("%s: %s: %q (%s) became %q (%s)", c.Name, f.Requirement, summary(want[k]), want[k].Message, summary(f), f.Message)
				}
			}
		}
	}
}

// Judge is total, and calls nothing blocked or open without evidence.
func TestRandomEvidence(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	addr := netip.MustParseAddr("198.18.1.5")
	ids := []string{"icmp", "smb", "epm-tcp", "epm-udp", "rpc-dynamic", "control-tcp", "mp-http", "mp-https"}
	ports := []uint16{0, 80, 135, 443, 445, 2701, 24158, 49664}
	probes := []string{"", "", "smb", "rpc", "rpc-bind", "rpc-udp", "http-mp"}
	froms := []netip.Addr{{}, addr, netip.MustParseAddr("198.18.0.1")}
	for range 20000 {
		h := scanner.Host{Name: "pc1.lab.test", Addr: addr}
		for _, id := range ids {
			h.Rows = append(h.Rows, row(t, id, scanner.RoleSiteServer))
		}
		for range r.IntN(8) {
			h.Observations = append(h.Observations, scanner.Observation{
				Protocol: scanner.Protocol(r.IntN(5)), Port: ports[r.IntN(len(ports))], Probe: probes[r.IntN(len(probes))],
				Via: []uint16{0, 135}[r.IntN(2)], HopLimit: []uint8{0, 0, 0, 1, 2}[r.IntN(5)],
				Outcome: scanner.Outcome(r.IntN(14)), From: froms[r.IntN(3)], TTL: uint8(r.IntN(256)),
				ICMP: scanner.ICMPError{Type: uint8(r.IntN(13)), Code: uint8(r.IntN(16))}, Tries: 3,
			})
		}
		positive := slices.ContainsFunc(h.Observations, func(o scanner.Observation) bool {
			return o.HopLimit == 0 && (o.Outcome == scanner.Answered || o.Outcome == scanner.Spoke)
		})
		for _, f := range verdict.Judge(h, verdict.Context{Vantage: scanner.RoleSiteServer}) {
			if f.State == verdict.StateUnknown || f.Reason == "" || f.Message == "" {
				t.Fatalf("no verdict on %s from %+v", f.Requirement, h.Observations)
			}
			if f.State == verdict.Open && !positive {
				t.Fatalf("%s is open without an answer: %+v", f.Requirement, h.Observations)
			}
			if len(h.Observations) == 0 && f.State != verdict.Inconclusive && f.State != verdict.Untested {
				t.Fatalf("%s is %s without evidence", f.Requirement, f.State)
			}
		}
	}
}

func TestRulesAreStated(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range verdict.Rules() {
		if seen[r.Reason] {
			t.Errorf("reason %s stands twice", r.Reason)
		}
		seen[r.Reason] = true
		if r.Doc == "" || !strings.HasPrefix(r.Reason, r.State.String()+".") {
			t.Errorf("rule %+v", r)
		}
	}
}
