package main

import (
	"bytes"
	"cmreach/scanner/lab"
	"cmreach/scanner/verdict"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The users as whom the program must come to the verdicts of
// testdata/e2e/topology.yaml, in the words of that file.
var topologyUsers = []struct {
	name     string
	ordinary bool
	pings    string // net.ipv4.ping_group_range
}{
	{"root", false, "1 0"},
	{"user", true, "1 0"},
	{"pinger", true, "0 2147483647"},
}

// TestTopology checks hosts behind routers that drop, reset and reject, as
// root and as an ordinary user, and compares every finding with the table.
func TestTopology(t *testing.T) {
	needRoot(t)
	table := readTable(t)
	prog := buildProgram(t)
	var targets []string
	for _, h := range table.Hosts {
		for _, a := range h.addrs() {
			targets = append(targets, a.String())
		}
	}
	for _, user := range topologyUsers {
		// Each has a network of his own, in which no router has sent anything yet: of
		// a route that prohibits, Linux sends five errors to one destination and then
		// one a second, whatever net.ipv4.icmp_ratelimit says (ip_error).
		l := startLab(t, table.network(t))
		quickNeighbours(t, l, "r2")
		quickNeighbours(t, l, "")
		cmd := prog.command(t, nil, append([]string{"check", "-p", "push", "-o", "json"}, targets...)...)
		if user.ordinary {
			cmd.SysProcAttr = asNobody()
		}
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		start := func() error {
			if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte(user.pings), 0o600); err != nil {
				return err
			}
			return cmd.Start()
		}
		if err := l.In("", start); err != nil {
			t.Fatal(err)
		}
		doc, exit := finish(t, cmd, &out, &errs)
		if exit != verdict.ExitFailed || doc.Summary.Exit != exit || !doc.Run.Complete {
			t.Errorf("%s: exit code %d, summary %+v, run %+v", user.name, exit, doc.Summary, doc.Run)
		}
		t.Run(user.name, func(t *testing.T) { table.compare(t, user.name, doc.Findings) })
	}
}

// startLab builds a network around a namespace of its own. Package lab wants
// to be called from inside.
func startLab(t *testing.T, n *lab.Network) *lab.Lab {
	t.Helper()
	if n.HasIPv6() && !lab.IPv6() {
		leaveOut(t, "the kernel has no IPv6")
	}
	r := newRoom(t)
	var l *lab.Lab
	err := r.do(func() (err error) {
		l, err = lab.Start(t.Context(), n)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.do(l.Close); err != nil {
			t.Errorf("close the lab: %v", err)
		}
	})
	return l
}

// quickNeighbours shortens the time after which a node gives up to ask for the
// link address of a neighbour. With the three seconds that are usual, the word
// of it comes when nobody waits for it any more.
func quickNeighbours(t *testing.T, l *lab.Lab, node string) {
	t.Helper()
	err := l.In(node, func() error {
		files, err := filepath.Glob("/proc/sys/net/ipv[46]/neigh/down*/retrans_time_ms")
		if err == nil && len(files) == 0 {
			err = fmt.Errorf("%s has no devices", node)
		}
		for _, f := range files {
			if err == nil {
				err = os.WriteFile(f, []byte("50"), 0o600)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// compare holds the findings of a run against the table, each in one line.
func (tb *topologyTable) compare(t *testing.T, user string, findings []verdict.Finding) {
	seen := map[string]bool{}
	for _, f := range findings {
		h := tb.at(f.Addr)
		if h == nil {
			t.Errorf("nobody asked for %s", f.Addr)
			continue
		}
		family := "v4"
		if f.Addr.Is6() {
			family = "v6"
		}
		row := strings.TrimPrefix(f.Requirement, "push/")
		seen[h.Host+family+row] = true
		want, got := tb.want(h, row, user, family), tb.said(f)
		if want != got {
			t.Errorf("%s %s %s\n\tgot  %s\n\twant %s\n\tsaid: %s\n\tevidence: %s",
				h.Host, f.Addr, row, got, want, f.Message, strings.Join(f.Evidence, "\n\t          "))
		}
	}
	if want := len(tb.Hosts) * 2 * len(tb.Works); len(seen) != want {
		t.Errorf("%d findings, want %d: a row for every address", len(seen), want)
	}
}

// said is a finding in the words of the table.
func (tb *topologyTable) said(f verdict.Finding) string {
	s := f.State.String() + " " + f.Reason
	if f.By.IsValid() {
		s += " by " + tb.node(f.By, f.Addr)
	}
	if len(f.Between) == 2 {
		s += " between " + tb.node(f.Between[0], f.Addr) + " and " + tb.node(f.Between[1], f.Addr)
	}
	return s
}

// node names an address.
func (tb *topologyTable) node(a, host netip.Addr) string {
	switch a.String() {
	case host.String():
		return "host"
	case "198.18.100.10", "fd00:198:100::10":
		return "scanner"
	}
	for _, r := range tb.routers() {
		if v4, v6 := tb.net.RouterAddrs(r); a == v4 || a == v6 {
			return r
		}
	}
	return a.String()
}
