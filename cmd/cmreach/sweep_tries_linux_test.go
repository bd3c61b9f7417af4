package main

import (
	"fmt"
	"math"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
)

// countSYNs has the fleet's end of the link note each SYN before any is lost.
func (f *fleet) countSYNs(t testing.TB) {
	f.nft(t, f.far, fmt.Sprintf(`table ip counts {
	set syns {
		type ipv4_addr . inet_service . inet_service
		flags dynamic
		size 262144
	}
	chain arriving {
		type filter hook prerouting priority -400
		iifname %s tcp flags & (syn | ack) == syn add @syns { ip daddr . tcp dport . tcp sport }
	}
}`, scannerDevice))
}

// attempts returns from how many source ports each path was asked.
func (f *fleet) attempts(t testing.TB) map[netip.AddrPort]int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "nft", "--numeric", "list", "set", "ip", "counts", "syns")
	var out strings.Builder
	cmd.Stdout = &out
	err := f.far.do(cmd.Start)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(out.String(), "elements = {")
	list, _, _ = strings.Cut(list, "}")
	n := map[netip.AddrPort]int{}
	for element := range strings.SplitSeq(list, ",") {
		parts := strings.Split(strings.TrimSpace(element), " . ")
		if len(parts) != 3 {
			t.Fatalf("element %q", element)
		}
		path, err := netip.ParseAddrPort(parts[0] + ":" + parts[1])
		if err != nil {
			t.Fatal(err)
		}
		n[path]++
	}
	return n
}

// TestSweepTries: each try that the portable engine claims of a silent path has
// left this machine, from a port of its own, though its sockets are used again. So
// heavy a loss leaves some paths falsely silent after six tries: how many, and how
// many independent losses lead to expect, is told and not judged.
func TestSweepTries(t *testing.T) {
	needRoot(t)
	const percent = 20
	f := startFleet(t, fleetPlan{hosts: 512, counted: true})
	f.lose(t, percent)
	f.countSYNs(t)
	sc, _ := f.check(t, buildProgram(t), sweep{engine: "connect", user: true, args: []string{"--rate", "max"}})
	if sc.end == nil {
		t.Fatal("the record has no end")
	}
	arrived := f.attempts(t)
	falsely := 0
	for path, tries := range sc.silent {
		if arrived[path] < tries {
			t.Errorf("%s: %d tries are claimed, SYNs came from %d ports", path, tries, arrived[path])
		}
		for c, check := range fleetChecks {
			if check.port == path.Port() && f.truth(f.index(path.Addr()), c) != answersNothing {
				falsely++
			}
		}
	}
	const through = 1 - percent/100.0
	t.Logf("%d of %d TCP paths silent, %d of them falsely; by chance up to %.1f are after 6 tries; the run's own figure for all paths is %.1f",
		len(sc.silent), 3*f.hosts, falsely, 0.85*3*float64(f.hosts)*math.Pow(1-through*through, 6), sc.end.Doubt)
	if len(sc.silent) < f.hosts/4 {
		t.Errorf("%d paths are silent: nothing is shown", len(sc.silent))
	}
}
