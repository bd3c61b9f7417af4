package main

import (
	"bytes"
	"cmreach/scanner/verdict"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// peerRow is what must be said of a row of a real machine: "state reason
// assurance", "by host" where the host itself refused, and "seen" as what if the
// way cannot be tested from here.
type peerRow struct {
	row  string
	want string
	says []string // that must be in the evidence
	not  []string // that must not
}

// peer is a real machine, under one of its names.
type peer struct {
	name  string
	addrs []string
	rows  []peerRow
}

// realClients are the machines of testdata/peers as the site server sees them.
func realClients() []peer {
	closed := peerRow{row: "epm-udp", want: "closed closed.port-unreachable none by host"} // no Samba listens there
	echo := peerRow{row: "icmp", want: "open open.echo protocol"}
	epm := peerRow{row: "epm-tcp", want: "open open.answer identity", says: []string{"rpc endpoints", "rpc ports 49664"}}
	dynamic := peerRow{row: "rpc-dynamic", want: "open open.dynamic protocol", says: []string{"TCP 49664 rpc-bind: spoken"}}
	var stale []peerRow
	for _, r := range []peerRow{echo, epm, dynamic, closed, {row: "smb"}} {
		stale = append(stale, peerRow{row: r.row, want: "wrong-host wrong-host.name none"})
	}
	return []peer{
		{"pc0001.lab.test", []string{"198.18.0.30", "fd00:198::30"}, []peerRow{
			echo, epm, dynamic, closed,
			{row: "smb", want: "open open.answer identity", says: []string{"computer PC0001", "dialect 3.1.1", "signing enabled"}},
		}},
		// The record is stale: PC0001 has the address by now.
		{"pc0099.lab.test", []string{"198.18.0.30", "fd00:198::30"}, stale},
		// SMB1 only.
		{"old0001.lab.test", []string{"198.18.0.31"}, []peerRow{
			echo, epm, dynamic, closed,
			{row: "smb", want: "open open.answer identity", says: []string{"computer OLD0001", "SMB1 only", "does not speak SMB2"}},
		}},
		// An SSH server on TCP 445, and nothing else.
		{"ssh0001.lab.test", []string{"198.18.0.32", "fd00:198::32"}, []peerRow{
			echo, closed,
			{row: "smb", want: "wrong-service wrong-service.foreign none", says: []string{"SSH"}},
			{row: "epm-tcp", want: "closed closed.reset none by host"},
			{row: "rpc-dynamic", want: "inconclusive inconclusive.mapper none"},
		}},
		// A domain controller, found by its own DNS.
		{"dc1.lab.test", []string{"198.18.0.2", "fd00:198::2"}, []peerRow{
			echo, closed,
			{row: "smb", want: "open open.answer identity", says: []string{"name dc1.lab.test", "dialect 3.1.1", "signing required"}},
			{row: "epm-tcp", want: "open open.answer identity", says: []string{"rpc ports 49152 49153 49154"}},
			{row: "rpc-dynamic", want: "open open.dynamic protocol", says: []string{"TCP 49152 rpc-bind: spoken"}},
		}},
	}
}

// managementPoints are the web servers of testdata/peers/web.sh as a client
// that trusts their issuer sees them. The role is proven by the list of
// management points; a certificate that every client refuses makes it useless.
func managementPoints() []peer {
	const open, foreign = "open open.answer identity", "wrong-service wrong-service.foreign none"
	const refused = "wrong-service wrong-service.certificate none"
	faulty := []string{"; certificate "} // begins each fault of a certificate
	v4 := func(n int) []string { return []string{fmt.Sprintf("198.18.0.%d", n)} }
	return []peer{
		{"mp1.lab.test", []string{"198.18.0.80", "fd00:198::80"}, []peerRow{
			{row: "mp-http", want: open, says: []string{"management-points mp1.lab.test", "site-code LAB"}},
			{row: "mp-https", want: open, says: []string{"site-code LAB", "certificate-names mp1.lab.test"}, not: faulty},
		}},
		{"mp2.lab.test", v4(81), []peerRow{
			{row: "mp-http", want: foreign, says: []string{"a web server without a management point"}},
			{row: "mp-https", want: refused, says: []string{"; certificate not for the name mp2.lab.test"}, not: []string{"expired", "trust"}},
		}},
		{"mp3.lab.test", v4(82), []peerRow{
			{row: "mp-http", want: foreign, says: []string{"a redirect to http://portal.invalid/login"}},
			// One fault only: what is above it has not expired.
			{row: "mp-https", want: refused, says: []string{"; certificate expired on 2021-01-01"}, not: []string{"above it", "not for the name", "trust"}},
		}},
		{"mp4.lab.test", v4(83), []peerRow{
			{row: "mp-http", want: foreign, says: []string{"503"}},
			{row: "mp-https", want: "open open.answer protocol", says: []string{"asks for credentials", "a client certificate is wanted"}, not: faulty},
		}},
		{"mp5.lab.test", v4(84), []peerRow{
			{row: "mp-http", want: foreign, says: []string{"a gateway or proxy could not reach the server behind it"}},
			{row: "mp-https", want: foreign, says: []string{"a web server without a management point"}},
		}},
		// The list has two names, as that of a real site has. That one of them is
		// the name that was asked for does not show which of the two answered; the
		// certificate of the same machine does.
		{"mp6.lab.test", v4(85), []peerRow{
			{row: "mp-http", want: open, says: []string{"management-points mp6.lab.test, mp1.lab.test"}},
			{row: "mp-https", want: open, says: []string{"certificate-names mp6.lab.test"}, not: faulty},
		}},
	}
}

// fromSiteServer is what the site server may say of a management point: that
// the way is untested, and what it saw of the service.
func fromSiteServer(ps []peer) []peer {
	var out []peer
	for _, p := range ps {
		q := peer{name: p.name, addrs: p.addrs}
		for _, r := range p.rows {
			state, _, _ := strings.Cut(r.want, " ")
			q.rows = append(q.rows, peerRow{row: r.row, want: "untested untested.vantage none, seen " + state, says: r.says[:1]})
		}
		out = append(out, q)
	}
	return out
}

// compareReal holds the findings of a run against what must be said.
func compareReal(t *testing.T, ps []peer, findings []verdict.Finding) {
	t.Helper()
	for _, p := range ps {
		for _, addr := range p.addrs {
			for _, r := range p.rows {
				i := slices.IndexFunc(findings, func(f verdict.Finding) bool {
					return f.Host == p.name && f.Addr.String() == addr && f.Requirement == r.id()
				})
				if i < 0 {
					t.Errorf("%s %s %s: no finding", p.name, addr, r.row)
					continue
				}
				r.compare(t, findings[i])
				findings = slices.Delete(findings, i, i+1)
			}
		}
	}
	for _, f := range findings {
		t.Errorf("%s %s %s: nobody asked for it", f.Host, f.Addr, f.Requirement)
	}
}

// id is the row's full id; of the profile push where none is named.
func (r peerRow) id() string {
	if strings.Contains(r.row, "/") {
		return r.row
	}
	return "push/" + r.row
}

func (r peerRow) compare(t *testing.T, f verdict.Finding) {
	t.Helper()
	got := fmt.Sprintf("%s %s %s", f.State, f.Reason, f.Assurance)
	switch {
	case f.By == f.Addr:
		got += " by host"
	case f.By.IsValid():
		got += " by " + f.By.String()
	}
	if f.Seen != verdict.StateUnknown {
		got += ", seen " + f.Seen.String()
	}
	evidence := strings.Join(f.Evidence, "\n\t")
	if got != r.want {
		t.Errorf("%s %s %s:\n\tgot  %s\n\twant %s\n\t%s\n\t%s", f.Host, f.Addr, f.Requirement, got, r.want, f.Message, evidence)
		return
	}
	for _, s := range r.says {
		if !strings.Contains(evidence, s) {
			t.Errorf("%s %s %s: the evidence does not say %q:\n\t%s", f.Host, f.Addr, f.Requirement, s, evidence)
		}
	}
	for _, s := range r.not {
		if strings.Contains(evidence, s) {
			t.Errorf("%s %s %s: the evidence says %q:\n\t%s", f.Host, f.Addr, f.Requirement, s, evidence)
		}
	}
}

// TestRealPeers checks real server software on one LAN.
func TestRealPeers(t *testing.T) {
	needRoot(t)
	lan := startPeers(t)
	var clients, points []string
	for _, p := range realClients() {
		clients = append(clients, p.name)
	}
	for _, p := range managementPoints() {
		points = append(points, p.name)
	}
	roles := []string{"--role", "management-point=" + strings.Join(points, ",")}
	fromHere := append(realClients(), fromSiteServer(managementPoints())...)
	t.Run("root", func(t *testing.T) {
		compareReal(t, fromHere, lan.check(t, nil, append(roles, clients...)...).Findings)
	})
	t.Run("user", func(t *testing.T) {
		// The user may not send echo requests, and knows of everything else as much.
		ps := slices.Clone(fromHere)
		for i := range ps {
			ps[i].rows = slices.Clone(ps[i].rows)
			for j, r := range ps[i].rows {
				if r.row == "icmp" && !strings.HasPrefix(r.want, "wrong-host") {
					ps[i].rows[j].want = "error error.local none"
				}
			}
		}
		compareReal(t, ps, lan.check(t, asNobody(), append(roles, clients...)...).Findings)
	})
	t.Run("client", func(t *testing.T) {
		compareReal(t, managementPoints(), lan.check(t, nil, append(roles, "--vantage", "client")...).Findings)
	})
	t.Run("domain controller", func(t *testing.T) {
		ps := domainController()
		args := []string{"-p", "directory", "--role", "domain-controller=dc1.lab.test", "--role", "global-catalog=dc1.lab.test"}
		for _, r := range ps[0].rows {
			args = append(args, "--only", r.row)
		}
		compareReal(t, ps, lan.checkExit(t, verdict.ExitOpen, nil, args...).Findings)
	})
	t.Run("services", lan.checkServices)
	t.Run("roles on a web server", func(t *testing.T) {
		doc := lan.check(t, nil, "-p", "sup,software-distribution,gpo", "--vantage", "client", "-4",
			"--only", "sup/sup-http,software-distribution/dp-http", "--port", "sup-http=80,sup-https=443",
			"--role", "software-update-point=mp1.lab.test", "--role", "distribution-point=mp1.lab.test")
		compareReal(t, []peer{{"mp1.lab.test", []string{"198.18.0.80"}, []peerRow{
			{row: "sup/sup-http", want: "wrong-service wrong-service.foreign none"},
			{row: "software-distribution/dp-http", want: "wrong-service wrong-service.foreign none"},
		}}}, doc.Findings)
	})
	t.Run("web roles", func(t *testing.T) { webRoles(t, lan) })
	t.Run("another site", func(t *testing.T) {
		doc := lan.check(t, nil, "--vantage", "client", "--only", "mp-http", "--role", "management-point=mp1.lab.test", "-4", "--site", lan.siteFile(t, "XYZ"))
		compareReal(t, []peer{{"mp1.lab.test", []string{"198.18.0.80"}, []peerRow{
			{row: "mp-http", want: "wrong-service wrong-service.site none", says: []string{"site-code-mismatch LAB, not XYZ"}},
		}}}, doc.Findings)
	})
}

// domainController is the Samba domain controller in all the roles that the
// site server needs of one.
func domainController() []peer {
	return []peer{{"dc1.lab.test", []string{"198.18.0.2", "fd00:198::2"}, []peerRow{
		{row: "directory/site-ldap", want: "open open.answer identity"},
		{row: "directory/site-cldap-udp", want: "open open.answer identity"},
		{row: "directory/site-gc", want: "open open.answer identity"},
		{row: "directory/site-epm-tcp", want: "open open.answer identity"},
		{row: "directory/site-rpc-dynamic", want: "open open.dynamic protocol"},
		{row: "directory/dns-udp", want: "open open.answer protocol"},
		{row: "directory/kerberos-tcp", want: "open open.answer identity"},
	}}}
}

// check runs the program at the scanner's place on the LAN, and finds something
// that does not work.
func (l *peerLAN) check(t *testing.T, attr *syscall.SysProcAttr, args ...string) document {
	t.Helper()
	return l.checkExit(t, verdict.ExitFailed, attr, args...)
}

func (l *peerLAN) checkExit(t *testing.T, want int, attr *syscall.SysProcAttr, args ...string) document {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := l.command(t, attr, append([]string{"check", "-p", "push", "-o", "json"}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	doc, exit := finish(t, cmd, &out, &errs)
	if !doc.Run.Complete || exit != want || exit != doc.Summary.Exit {
		t.Errorf("exit code %d, summary %+v, run %+v\n%s", exit, doc.Summary, doc.Run, &errs)
	}
	return doc
}
