package verdict_test

import (
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"net/netip"
	"testing"
	"time"
)

// benchHost is a host of four rows at --depth port, as most of a large run are.
func benchHost(outcomes ...scanner.Outcome) scanner.Host {
	h := scanner.Host{Addr: netip.MustParseAddr("198.19.7.9"), Name: "198.19.7.9"}
	at := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	for i, port := range []uint16{2701, 0, 445, 135} {
		p := scanner.TCP
		if port == 0 {
			p = scanner.ICMP
		}
		h.Rows = append(h.Rows, &scanner.Requirement{
			ID: "sweep/row", Profile: "sweep", From: scanner.RoleSiteServer, To: scanner.RoleClient, Protocol: p, Port: port,
			Need: scanner.Required, Listener: scanner.ListenerNow, FromHere: true, Fix: "open it",
		})
		o := scanner.Observation{Protocol: p, Port: port, Outcome: outcomes[i], Sent: at, Tries: 1, Took: 1411098, TTL: 64, From: h.Addr}
		switch o.Outcome {
		case scanner.Silent:
			o.Took, o.TTL, o.From, o.Tries = 0, 0, netip.Addr{}, 5
		case scanner.Rejected:
			o.From, o.ICMP = netip.MustParseAddr("198.18.0.2"), scanner.ICMPError{Type: 3, Code: 13}
		default:
		}
		h.Observations = append(h.Observations, o)
	}
	return h
}

// benchTalks is the host with conversations on two ports.
func benchTalks() scanner.Host {
	h := benchHost(scanner.Answered, scanner.Answered, scanner.Answered, scanner.Answered)
	for i, probe := range []string{"rc", "", "smb", "rpc"} {
		o := h.Observations[i]
		if probe == "" {
			continue
		}
		row := *h.Rows[i]
		row.Probe = probe
		h.Rows[i] = &row
		o.Probe, o.Outcome, o.Proof = probe, scanner.Spoke, scanner.AssuranceRole
		o.Identity = scanner.Identity{Computer: "PC-1", DNSName: "pc-1.corp.example", OS: "10.0.26100"}
		o.Details = []scanner.Detail{{Key: "dialect", Value: "3.1.1"}}
		h.Observations = append(h.Observations, o)
	}
	return h
}

var benchHosts = []struct {
	name string
	host scanner.Host
}{
	{"open", benchHost(scanner.Answered, scanner.Answered, scanner.Answered, scanner.Answered)},
	{"mixed", benchHost(scanner.Refused, scanner.Answered, scanner.Rejected, scanner.Silent)},
	{"down", benchHost(scanner.Silent, scanner.Silent, scanner.Silent, scanner.Silent)},
	{"talk", benchTalks()},
}

// One operation is one host of four rows.
func BenchmarkJudge(b *testing.B) {
	for _, bb := range benchHosts {
		for name, brief := range map[string]bool{"": false, "/brief": true} {
			b.Run(bb.name+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					verdict.Judge(bb.host, verdict.Context{Vantage: scanner.RoleSiteServer, Brief: brief})
				}
			})
		}
	}
}

func BenchmarkTally(b *testing.B) {
	for _, bb := range benchHosts[:2] {
		b.Run(bb.name, func(b *testing.B) {
			findings := verdict.Judge(bb.host, verdict.Context{Vantage: scanner.RoleSiteServer})
			t := verdict.NewTally(verdict.DefaultFail)
			b.ReportAllocs()
			for b.Loop() {
				t.AddHost(findings)
			}
		})
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	findings := verdict.Judge(benchHosts[1].host, verdict.Context{Vantage: scanner.RoleSiteServer})
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = buf[:0]
		for i := range findings {
			var err error
			if buf, err = findings[i].AppendJSON(buf); err != nil {
				b.Fatal(err)
			}
		}
	}
}
