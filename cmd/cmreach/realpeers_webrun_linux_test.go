package main

import (
	"cmreach/profiles"
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// webRows are the rows of all built-in profiles that a web server answers, by
// probe, and those without a probe whose port is that of a web server here.
func webRows() map[string][]string {
	return map[string][]string{
		"http-mp":      {"push/mp-http", "gpo/mp-http", "manual/mp-http", "client-requests/http"},
		"https-mp":     {"push/mp-https", "gpo/mp-https", "manual/mp-https", "client-requests/https"},
		"http-fsp":     {"push/fsp-http", "gpo/fsp-http", "sup/fsp-http", "manual/fsp-http"},
		"http-dp":      {"push/dp-http", "gpo/dp-http", "manual/dp-http", "software-distribution/dp-http"},
		"https-dp":     {"push/dp-https", "gpo/dp-https", "manual/dp-https", "software-distribution/dp-https"},
		"http-sup":     {"sup/sup-http", "site-systems/sup-http"},
		"https-sup":    {"sup/sup-https", "site-systems/sup-https"},
		"http-hra":     {"nap/hra-http"},
		"https-hra":    {"nap/hra-https"},
		"http-notify":  {"client-notification/fallback-http"},
		"https-notify": {"client-notification/fallback-https"},
		"https-cmg":    {"cmg/client-https", "cmg/link-https"},
		"http-peer":    {"peer-cache/peer-http"},
		"": {
			"client-notification/notify-tcp", "cmg/link-vmss", "cmg/link-tls",
			"console/provider-https", "console/reports-http", "console/reports-https",
		},
	}
}

// loadWebRows looks the rows up in the profiles, and holds the list against
// them: no row with a probe for web servers may be missing in it.
func loadWebRows(t *testing.T) []webRow {
	t.Helper()
	list, err := profiles.Load(profiles.Names(), nil)
	if err != nil {
		t.Fatal(err)
	}
	wanted := webRows()
	var rows []webRow
	for _, p := range list {
		for _, r := range newProfileDocument(p).Rows {
			i := slices.Index(wanted[r.Probe], r.ID)
			if i >= 0 {
				wanted[r.Probe] = slices.Delete(wanted[r.Probe], i, i+1)
				rows = append(rows, webRow{r.ID, r.From, r.To, r.Probe, r.Port})
			} else if strings.HasPrefix(r.Probe, "http") {
				t.Errorf("%s (%s) is in no list here", r.ID, r.Probe)
			}
		}
	}
	for probe, ids := range wanted {
		for _, id := range ids {
			t.Errorf("%s (%q) is in no profile", id, probe)
		}
	}
	return rows
}

// webRoles checks every machine in every role: as the machines at which the
// rows start see it, over IPv4 and IPv6, and as the site server does.
func webRoles(t *testing.T, lan *peerLAN) {
	rows := slices.DeleteFunc(loadWebRows(t), func(r webRow) bool { return r.to == scanner.RoleClient })
	for _, vantage := range []scanner.Role{scanner.RoleClient, scanner.RoleSiteServer, scanner.RoleConsole, scanner.RoleCloudManagementGatewayLink} {
		t.Run(string(vantage), func(t *testing.T) {
			here := startAt(rows, vantage)
			exit := verdict.ExitFailed
			if vantage == scanner.RoleConsole {
				exit = verdict.ExitOpen // its rows are informational
			}
			compareReal(t, webPeers(here), lan.checkExit(t, exit, nil, webArgs(vantage, here)...).Findings)
		})
	}
	there := startAt(rows, scanner.RoleClient)
	t.Run("as nobody", func(t *testing.T) {
		compareReal(t, webPeers(there), lan.check(t, asNobody(), webArgs(scanner.RoleClient, there)...).Findings)
	})
	t.Run("from elsewhere", func(t *testing.T) {
		ps := webPeers(there)
		for _, p := range ps {
			for i, r := range p.rows {
				state, _, _ := strings.Cut(r.want, " ")
				p.rows[i].want = "untested untested.vantage none, seen " + state
			}
		}
		compareReal(t, ps, lan.checkExit(t, verdict.ExitUndecided, nil, webArgs(scanner.RoleSiteServer, there)...).Findings)
	})
	t.Run("update point on 80 and 443", func(t *testing.T) { updatesOn80(t, lan, rows) })
	t.Run("one row alone", func(t *testing.T) { oneRowAlone(t, lan) })
	t.Run("client certificate in the handshake", func(t *testing.T) { certificateInHandshake(t, lan, rows) })
	t.Run("HTTP.sys", func(t *testing.T) { kernelAnswers(t, lan) })
	t.Run("peer cache", func(t *testing.T) { peerCache(t, lan) })
	t.Run("WinRM", func(t *testing.T) { remoteManagement(t, lan) })
}

// webPeers are all machines with what must be said of rows.
func webPeers(rows []webRow) []peer {
	var ps []peer
	for _, m := range webMachines() {
		ps = append(ps, m.peer(rows))
	}
	return ps
}

func startAt(rows []webRow, vantage scanner.Role) []webRow {
	return slices.DeleteFunc(slices.Clone(rows), func(r webRow) bool { return r.from != vantage })
}

// webArgs are the arguments for a check of all machines in the roles of rows.
func webArgs(vantage scanner.Role, rows []webRow) []string {
	var names []string
	for _, m := range webMachines() {
		names = append(names, m.name+".lab.test")
	}
	args := []string{"--vantage", string(vantage), "--when", "nap=ipsec", "--when", "updates=https", "--when", "communication=both"}
	var used, roles []string
	for _, r := range rows {
		name, _, _ := strings.Cut(r.id, "/")
		if !slices.Contains(used, name) {
			used = append(used, name)
		}
		if role := string(r.to); !slices.Contains(roles, role) {
			roles = append(roles, role)
			args = append(args, "--role", role+"="+strings.Join(names, ","))
		}
		args = append(args, "--only", r.id)
	}
	return append(args, "-p", strings.Join(used, ","))
}

// updatesOn80 checks software update points on the ports that classic set-ups have.
func updatesOn80(t *testing.T, lan *peerLAN, rows []webRow) {
	var here []webRow
	for _, r := range startAt(rows, scanner.RoleClient) {
		if r.to == scanner.RoleSoftwareUpdatePoint {
			r.port = map[string]uint16{"http-sup": 80, "https-sup": 443}[r.probe]
			here = append(here, r)
		}
	}
	args := append(webArgs(scanner.RoleClient, here), "--port", "sup-http=80,sup-https=443")
	compareReal(t, webPeers(here), lan.check(t, nil, args...).Findings)
}

// certificateInHandshake checks a server that ends the handshake of TLS for want
// of a client certificate: it was reached, and what it is remains open.
func certificateInHandshake(t *testing.T, lan *peerLAN, rows []webRow) {
	here := slices.DeleteFunc(startAt(rows, scanner.RoleClient), func(r webRow) bool { return !r.secure() })
	m := webMachine{name: "strict1", number: 111, ports: securePorts, secure: said{
		want: webReached,
		says: []string{"asks for credentials", "a client certificate is wanted", "the server ended the connection", "certificate-names strict1.lab.test"},
		not:  []string{faulty},
	}}
	args := []string{"--vantage", "client", "--when", "nap=ipsec", "--when", "updates=https"}
	for _, r := range here {
		name, _, _ := strings.Cut(r.id, "/")
		args = append(args, "-p", name, "--only", r.id, "--role", string(r.to)+"=strict1.lab.test")
	}
	compareReal(t, []peer{m.peer(here)}, lan.checkExit(t, verdict.ExitOpen, nil, args...).Findings)
}

// oneRowAlone shows what a single row rests on when nothing else of the machine helps.
func oneRowAlone(t *testing.T, lan *peerLAN) {
	for _, c := range []struct {
		machine string
		number  int
		row     string
		said    said
	}{
		// Named by the challenge of NTLM, without a certificate.
		{"dp1", 86, "software-distribution/dp-http", said{want: webProven, says: []string{"computer DP1"}}},
		{"hra1", 89, "nap/hra-http", said{want: webProven, says: []string{"computer HRA1"}}},
		// Named by nothing.
		{"sup1", 87, "sup/sup-http", said{want: webUnnamed, says: []string{"/ClientWebService/wusserverversion.xml is there"}}},
		{"relay1", 109, "software-distribution/dp-http", said{want: webUnnamed, says: []string{"proxy Via: 1.1 relay1"}}},
		// Named by the certificate.
		{"sup1", 87, "sup/sup-https", said{want: webProven, says: []string{"certificate-names sup1.lab.test", "tls TLS 1.3"}}},
	} {
		t.Run(c.machine+" "+c.row, func(t *testing.T) {
			i := slices.IndexFunc(loadWebRows(t), func(r webRow) bool { return r.id == c.row })
			row := loadWebRows(t)[i]
			name, _, _ := strings.Cut(c.row, "/")
			m := webMachine{name: c.machine, number: c.number, ports: []uint16{row.port}, plain: c.said, secure: c.said}
			compareReal(t, []peer{m.peer([]webRow{row})}, lan.checkExit(t, verdict.ExitOpen, nil, "-p", name, "--only", c.row,
				"--vantage", "client", "--when", "nap=ipsec", "--when", "updates=https", "--role", string(row.to)+"="+c.machine+".lab.test").Findings)
		})
	}
}

// kernelAnswers has HTTP.sys answer without an application: it is reached, and
// that is all. The bytes are those that it sends; there is no Windows here.
func kernelAnswers(t *testing.T, lan *peerLAN) {
	if err := lan.script(t.Context(), "lan.sh", "host", "sys1", "110"); err != nil {
		t.Fatal(err)
	}
	lan.banner(t, "sys1", ":80", kernelAnswer("503 Service Unavailable", "Service Unavailable", "Error 503. The service is unavailable."))
	lan.banner(t, "sys1", ":8003", kernelAnswer("404 Not Found", "Not Found", "Error 404. The requested resource is not found."))
	addrs := []string{"198.18.0.110", "fd00:198::110"}
	says := []string{"server Microsoft-HTTPAPI/2.0"}
	doc := lan.checkExit(t, verdict.ExitOpen, nil, "-p", "sup,software-distribution,nap", "--vantage", "client", "--when", "nap=ipsec",
		"--only", "push/mp-http,sup/sup-http,software-distribution/dp-http,nap/hra-http", "--port", "sup-http=80,sup-https=443",
		"--role", "management-point=sys1.lab.test", "--role", "software-update-point=sys1.lab.test",
		"--role", "distribution-point=sys1.lab.test", "--role", "health-registration-authority=sys1.lab.test")
	compareReal(t, []peer{{"sys1.lab.test", addrs, []peerRow{
		{row: "push/mp-http", want: webReached, says: append(says, "is broken")},
		{row: "sup/sup-http", want: webReached, says: append(says, "the software update point was reached, but does not run")},
		{row: "software-distribution/dp-http", want: webReached, says: append(says, "the distribution point was reached, but does not run")},
		{row: "nap/hra-http", want: webReached, says: append(says, "does not run")},
	}}}, doc.Findings)
	// Windows itself listens on the port of the peer cache, and only an application
	// makes it: but which one is not said.
	doc = lan.checkExit(t, verdict.ExitOpen, nil, "-p", "peer-cache", "--only", "peer-cache/peer-http", "--vantage", "client", "sys1.lab.test")
	compareReal(t, []peer{{"sys1.lab.test", addrs, []peerRow{
		{row: "peer-cache/peer-http", want: webReached, says: append(says, "a peer cache source was not recognized")},
	}}}, doc.Findings)
	// In place of another role it is a web server without that.
	doc = lan.check(t, nil, "-p", "software-distribution", "--only", "software-distribution/dp-http", "--port", "http=8003", "--vantage", "client", "--role", "distribution-point=sys1.lab.test")
	compareReal(t, []peer{{"sys1.lab.test", addrs, []peerRow{
		{row: "software-distribution/dp-http", want: webForeign, says: []string{"(a web server without a distribution point)"}},
	}}}, doc.Findings)
}

// kernelAnswer is a page of HTTP.sys itself.
func kernelAnswer(status, title, text string) string {
	page := fmt.Sprintf("<HTML><HEAD><TITLE>%s</TITLE></HEAD>\r\n<BODY><h2>%s</h2>\r\n<hr><p>HTTP %s</p>\r\n</BODY></HTML>\r\n", title, title, text)
	return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: text/html; charset=us-ascii\r\nServer: Microsoft-HTTPAPI/2.0\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", status, len(page), page)
}

// peerCache checks clients that share their cache, over HTTP and over HTTPS.
func peerCache(t *testing.T, lan *peerLAN) {
	const row = "peer-cache/peer-http"
	says := func(name string, number int, s said) peer {
		m := webMachine{name: name, number: number, ports: []uint16{8003}, plain: s}
		return m.peer([]webRow{{id: row, probe: "http-peer", port: 8003}})
	}
	there := "the directory /SCCM_BranchCache$/ is there, a path that cannot exist is not"
	ps := []peer{
		says("peer1", 92, said{want: webUnnamed, says: []string{there}, not: []string{"tls"}}),
		says("peer2", 93, said{want: webProven, says: []string{there, "certificate-names peer2.lab.test"}, not: []string{faulty}}),
		// The record is stale: peer2 has the address by now.
		says("peer0099", 93, said{want: "wrong-host wrong-host.name none"}),
		says("dp1", 86, said{want: webClosed}),
	}
	for _, m := range webMachines() {
		if slices.Contains(m.ports, 8003) {
			s := m.plain
			if m.name == "login1" || m.name == "busy1" {
				s.says = nil
			}
			ps = append(ps, says(m.name, m.number, s))
		}
	}
	args := []string{"-p", "peer-cache", "--only", row, "--vantage", "client"}
	for _, p := range ps {
		args = append(args, p.name)
	}
	compareReal(t, ps, lan.check(t, nil, args...).Findings)
	compareReal(t, ps, lan.check(t, asNobody(), args...).Findings)
}

// remoteManagement checks the probe of a row that no built-in profile has.
func remoteManagement(t *testing.T, lan *peerLAN) {
	file := filepath.Join(lan.dir, "winrm.yaml")
	if err := os.WriteFile(file, []byte(winrmProfile), 0o644); err != nil {
		t.Fatal(err)
	}
	pair := func(name string, number int, http, https said) peer {
		m := webMachine{name: name, number: number, ports: []uint16{5985, 5986}, plain: http, secure: https}
		return m.peer([]webRow{{id: "winrm/http", probe: "http", port: 5985}, {id: "winrm/https", probe: "https-", port: 5986}})
	}
	same := func(name string, number int, s said) peer { return pair(name, number, s, s) }
	product := []string{"product Microsoft Corporation", "version OS: 0.0.0 SP: 0.0 Stack: 3.0", "http-status 200 OK"}
	ps := []peer{
		pair("winrm1", 94, said{want: webProven, says: product, not: []string{"tls"}},
			said{want: webProven, says: append(product, "certificate-names winrm1.lab.test"), not: []string{faulty}}),
		same("plain1", 102, said{want: webForeign, says: []string{"(a web server without WS-Management)"}}),
		same("portal1", 103, said{want: webForeign, says: []string{"(a redirect to http://portal.invalid/login)"}}),
		same("hangup1", 107, said{want: webCut}),
		same("login1", 108, said{want: webForeign, says: []string{"(a page, not the answer of WS-Management)"}}),
		same("busy1", 106, said{want: webForeign, says: []string{"http-status 503"}}),
		same("dp1", 86, said{want: webClosed}),
	}
	args := []string{"-p", file}
	for _, p := range ps {
		args = append(args, p.name)
	}
	args = append(args, "--only", "winrm/http,winrm/https")
	compareReal(t, ps, lan.check(t, nil, args...).Findings)
}

const winrmProfile = `schema: 1
profile: winrm
title: Windows Remote Management
ports: {winrm: 5985, winrms: 5986}
rows:
  - {id: http, title: WinRM over HTTP, from: site-server, to: client, protocol: tcp, port: winrm, probe: winrm, need: required, listener: now, source: DSP0226 11, fix: permit TCP 5985}
  - {id: https, title: WinRM over HTTPS, from: site-server, to: client, protocol: tcp, port: winrms, probe: winrm, need: required, listener: now, source: DSP0226 11, fix: permit TCP 5986}
`
