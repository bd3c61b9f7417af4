package report_test

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/record"
	"cmreach/scanner/verdict"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// The recorded runs of testdata/runs are made here, with -update: each host is
// described by what was observed of it, and judged by the program itself.

var (
	siteServer = scanner.RoleSiteServer
	runStart   = time.Date(2026, 11, 21, 2, 14, 5, 0, time.UTC)
	router     = netip.MustParseAddr("198.18.1.2")
)

func row(id string, p scanner.Protocol, port uint16, probe, fix string) *scanner.Requirement {
	return &scanner.Requirement{
		ID: "push/" + id, Profile: "push", Title: id, From: siteServer, To: scanner.RoleClient, Protocol: p, Port: port,
		Probe: probe, Need: scanner.Required, Listener: scanner.ListenerNow, FromHere: true, Fix: fix,
	}
}

// pushRows are the rows of the profile push, as a site server plans them.
func pushRows() []*scanner.Requirement {
	rows := []*scanner.Requirement{
		row("icmp", scanner.ICMP, 0, "", "Permit ICMP echo requests and their replies from the site server to the clients."),
		row("smb", scanner.TCP, 445, "smb", "On the client: Enable-NetFirewallRule -Name FPS-SMB-In-TCP-NoScope."),
		row("epm-tcp", scanner.TCP, 135, "rpc", "On the client: Enable-NetFirewallRule -Name WMI-RPCSS-In-TCP-NoScope."),
		row("rpc-dynamic", scanner.TCP, 0, "rpc-bind", "Permit TCP 49152-65535 from the site server to the clients, or an RPC-aware rule."),
		row("epm-udp", scanner.UDP, 135, "rpc-udp", "Nothing needs to be done: client push works without UDP 135."),
		row("mp-http", scanner.TCP, 80, "http-mp", "Permit TCP 80 from the clients to the management point."),
		row("mp-https", scanner.TCP, 443, "https-mp", "Permit TCP 443 from the clients to the management point."),
	}
	rows[3].Via, rows[3].ViaProbe = 135, "rpc"
	rows[4].Need = scanner.Informational
	for _, r := range rows[5:] {
		r.From, r.To, r.AnyOf, r.FromHere = scanner.RoleClient, scanner.RoleManagementPoint, "mp", false
	}
	return rows
}

// machine describes one host of a recorded run.
type machine struct {
	name, addr string
	obs        []scanner.Observation
	server     bool
}

func swept(p scanner.Protocol, port uint16, o scanner.Outcome) scanner.Observation {
	s := scanner.Observation{Protocol: p, Port: port, Outcome: o, Sent: runStart, Tries: 1}
	switch o {
	case scanner.Silent:
		s.Tries = 3
	default:
		s.Took, s.TTL = 1200*time.Microsecond, 126
	}
	return s
}

func talked(port uint16, probe, name string) scanner.Observation {
	return scanner.Observation{
		Protocol: scanner.TCP, Port: port, Probe: probe, Outcome: scanner.Spoke, Sent: runStart, Took: 4 * time.Millisecond, Tries: 1,
		Proof: scanner.AssuranceRole, TTL: 126,
		Identity: scanner.Identity{Computer: strings.ToUpper(name), DNSName: name + ".corp.example", OS: "10.0.26100"},
		Details:  []scanner.Detail{{Key: "dialect", Value: "3.1.1"}},
	}
}

// client answers everything a client has to answer.
func client(n int) machine {
	m := machine{name: fmt.Sprintf("pc-%04d", n), addr: fmt.Sprintf("198.18.%d.%d", 2+n/100, 10+n%100)}
	dynamic := swept(scanner.TCP, 49667, scanner.Answered)
	dynamic.Via = 135
	bound := talked(49667, "rpc-bind", m.name)
	bound.Via = 135
	m.obs = []scanner.Observation{
		swept(scanner.ICMP, 0, scanner.Answered),
		swept(scanner.TCP, 445, scanner.Answered), talked(445, "smb", m.name),
		swept(scanner.TCP, 135, scanner.Answered), talked(135, "rpc", m.name),
		dynamic, bound,
		swept(scanner.UDP, 135, scanner.Silent),
	}
	return m
}

// on replaces what was seen of an endpoint.
func (m machine) on(port uint16, seen ...scanner.Observation) machine {
	var obs []scanner.Observation
	for _, o := range m.obs {
		if o.Port != port || o.Protocol != scanner.TCP {
			obs = append(obs, o)
		}
	}
	m.obs = append(obs, seen...)
	return m
}

// rejected is TCP port that a router prohibits.
func rejected(port uint16, code uint8) scanner.Observation {
	o := swept(scanner.TCP, port, scanner.Rejected)
	o.From, o.ICMP = router, scanner.ICMPError{Type: 3, Code: code}
	return o
}

func off(n int) machine {
	m := client(n)
	m.obs = []scanner.Observation{
		swept(scanner.ICMP, 0, scanner.Silent), swept(scanner.TCP, 445, scanner.Silent),
		swept(scanner.TCP, 135, scanner.Silent), swept(scanner.UDP, 135, scanner.Silent),
	}
	return m
}

// stale is a name whose address belongs to another machine by now.
func stale(n, other int) machine {
	m := client(n)
	m.obs = client(other).obs
	return m
}

func managementPoint() machine {
	proxy := talked(80, "http-mp", "")
	proxy.Outcome, proxy.Proof, proxy.Identity = scanner.Foreign, scanner.AssuranceNone, scanner.Identity{}
	proxy.Err = "HTTP 407 Proxy Authentication Required, Via: 1.1 proxy7"
	https := talked(443, "https-mp", "mp1")
	https.Details = []scanner.Detail{{Key: "site-code", Value: "P01"}}
	return machine{name: "mp1.corp.example", addr: "198.18.0.80", server: true, obs: []scanner.Observation{
		swept(scanner.TCP, 80, scanner.Answered), proxy, swept(scanner.TCP, 443, scanner.Answered), https,
	}}
}

// everything is a run in which each fault occurs.
func everything() []machine {
	var out []machine
	for n := range 30 {
		out = append(out, client(n))
	}
	for n := 100; n < 132; n++ {
		out = append(out, client(n).on(445, rejected(445, 13)))
	}
	dynamic := rejected(49667, 13)
	dynamic.Via = 135
	out = append(out, client(200).on(49667, dynamic), client(201).on(49667, dynamic))
	silent := swept(scanner.TCP, 49667, scanner.Silent)
	silent.Via = 135
	out = append(out,
		client(30).on(445, swept(scanner.TCP, 445, scanner.Silent)),
		client(31).on(135, swept(scanner.TCP, 135, scanner.Refused)).on(49667),
		client(32).on(49667, silent),
		off(33), off(34),
		stale(35, 999),
		machine{name: "pc-gone", obs: []scanner.Observation{{Outcome: scanner.Unresolved, Sent: runStart, Err: "no such host"}}},
		client(36).on(445, scanner.Observation{
			Protocol: scanner.TCP, Port: 445, Outcome: scanner.LocalError, Sent: runStart, Err: "too many open files",
		}),
		managementPoint(),
	)
	return out
}

// run is a recorded run that can be made again.
type run struct {
	name     string
	machines []machine
	end      record.End
	notes    []string
}

func runs() []run {
	whole := everything()
	var good []machine
	for n := range 3 {
		good = append(good, client(n))
	}
	return []run{
		{
			name: "push-mixed", machines: whole,
			notes: []string{"answers' TTL are not visible without CAP_NET_RAW: who sent a RST is not always known"},
			end:   record.End{Finished: runStart.Add(41 * time.Second), Hosts: len(whole), Planned: len(whole), Packets: 1204, Loss: 0.002, Doubt: 0.004},
		},
		{
			name: "push-ready", machines: append(good, managementPoint()),
			end: record.End{Finished: runStart.Add(1400 * time.Millisecond), Hosts: 4, Planned: 4, Packets: 31},
		},
		{
			name: "push-interrupted", machines: whole[28:36],
			end: record.End{
				Finished: runStart.Add(3 * time.Second), Interrupted: true, Hosts: 8, Planned: 200, Packets: 96,
				Loss: 0.01, Doubt: 1.5, Err: "",
			},
		},
	}
}

func judge(h record.Header, host scanner.Host) []verdict.Finding {
	return verdict.Judge(host, verdict.Context{Vantage: h.Vantage})
}

// record writes the run as the program does.
func (r run) record(t testing.TB) []byte {
	t.Helper()
	rows := pushRows()
	h := record.Header{
		Version: "0.1.0", Started: runStart, Scanner: "SRV01", Vantage: siteServer, Site: "P01", Profiles: []string{"push"}, Rows: rows,
		Targets: r.end.Planned, Engine: "connect", Depth: "identity", Rate: "1000", Timeout: time.Second, Rounds: 3, Notes: r.notes,
	}
	var b bytes.Buffer
	w := record.NewWriter(&b)
	err := w.WriteHeader(h)
	for i, m := range r.machines {
		host := scanner.Host{Name: m.name, Rows: rows[:5], Observations: m.obs}
		if m.server {
			host.Rows = rows[5:]
		}
		if m.addr != "" {
			host.Addr = netip.MustParseAddr(m.addr)
		}
		for i := range host.Observations {
			if o := &host.Observations[i]; o.Outcome == scanner.Answered || o.Outcome == scanner.Refused || o.Probe != "" {
				o.From = host.Addr
			}
		}
		err = errors.Join(err, record.WriteHost(w, host, judge(h, host)))
		if i%20 == 19 {
			err = errors.Join(err, w.WriteProgress(record.Progress{At: runStart.Add(time.Second), Hosts: i + 1, Planned: r.end.Planned}))
		}
	}
	if err = errors.Join(err, w.WriteEnd(r.end)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
