package main

import (
	"cmreach/profiles"
	"cmreach/scanner"
	"slices"
	"strings"
	"testing"
)

// withoutRealServer are the rows for which Debian has no server, and why: they
// are tested against servers that the tests make themselves.
var withoutRealServer = map[string]string{
	"sql":     "no package speaks TDS as SQL Server does",
	"rpc-udp": "nobody but Windows speaks connectionless RPC; TestRealPeers sees it closed",
}

// TestRowsWithRealServers: each row of each profile is checked against a real
// server, or it is known why not.
func TestRowsWithRealServers(t *testing.T) {
	list, err := profiles.Load([]string{"all"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	services := map[string]bool{}
	for _, r := range realRows(t) {
		services[r.id] = true
		right := false
		for _, machine := range cast(r.to) {
			p, ok := found(machine, r.probe)
			if !ok || p.want == "" {
				t.Errorf("%s: nothing is said of %s", r.id, machine)
			}
			right = right || strings.HasPrefix(p.want, "open ")
		}
		if !right {
			t.Errorf("%s: no machine that is cast for a %s has it open", r.id, r.to)
		}
	}
	used := map[string]bool{}
	for _, p := range list {
		for _, r := range p.Rows {
			_, none := withoutRealServer[r.Probe]
			used[r.Probe] = true
			kinds := []bool{
				services[p.Name+"/"+r.ID],
				strings.HasPrefix(r.Probe, "http") || r.Probe == "winrm", // the web servers of TestRealPeers
				none,
				r.Probe == "" && r.Protocol != scanner.ICMP, // nothing is said there that a probe could know
			}
			if n := len(slices.DeleteFunc(kinds, func(is bool) bool { return !is })); n != 1 {
				t.Errorf("%s/%s: of %d kinds, want one", p.Name, r.ID, n)
			}
		}
	}
	for probe := range withoutRealServer {
		if !used[probe] {
			t.Errorf("no row is proven by %s", probe)
		}
	}
}
