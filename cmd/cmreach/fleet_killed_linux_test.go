package main

import (
	"cmreach/scanner/verdict"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// killing is a sweep that is killed and gone on with, until it comes to its end.
type killing struct {
	f     *fleet
	prog  cmreach
	file  string   // the record
	first []string // arguments that begin the run
	// when waits for the moment to kill a part, and is left when the program ends.
	when func(j *job, part int)
	// then looks at what a part that was killed has left.
	then  func(part int)
	costs []outlay // of each part
}

// newKilling prepares the sweep of a fleet, from a list of its addresses in an
// order of its own, which takes more memory than a range.
func newKilling(t testing.TB, f *fleet) *killing {
	t.Helper()
	k := &killing{f: f, prog: buildProgram(t)}
	k.file = filepath.Join(k.prog.dir, "killed.jsonl")
	list, profile := filepath.Join(k.prog.dir, "list.txt"), filepath.Join(k.prog.dir, "sweep.yaml")
	text, err := os.ReadFile("../../testdata/sweep/sweep.yaml")
	if err != nil {
		t.Fatal(err)
	}
	write(t, profile, string(text))
	var b strings.Builder
	for i := range f.hosts {
		b.WriteString(f.addr((i*7919)%f.hosts).String() + "\n") // a prime that divides no size of a fleet
	}
	write(t, list, b.String())
	k.first = []string{"check", "-q", "-p", profile, "--depth", "port", "--engine", "raw", "--rate", "max", "--max-targets", fmt.Sprint(f.hosts), "-t", list, "-o", "jsonl=" + k.file}
	return k
}

// run kills so many parts, and lets the last one come to its end.
func (k *killing) run(t testing.TB, kills int) *score {
	t.Helper()
	args := k.first
	for part := range kills + 1 {
		j := &job{cmd: k.prog.command(t, nil, args...)}
		j.cmd.Stderr = &j.errs
		during := func(j *job) {
			k.when(j, part)
			if j.ctx.Err() == nil {
				_ = j.cmd.Process.Kill()
			}
		}
		if part == kills {
			during = nil
		}
		cost, err := k.f.spend(t, j, nil, during)
		if err != nil {
			t.Fatalf("part %d: %v\n%s", part, err, j.errs.String())
		}
		k.costs = append(k.costs, cost)
		switch {
		case part == kills && cost.exit != verdict.ExitFailed:
			t.Fatalf("part %d: exit code %d\n%s", part, cost.exit, j.errs.String())
		case part < kills && cost.exit != -1:
			t.Fatalf("part %d came to its end with %d before it was killed: the test proves less than it says\n%s", part, cost.exit, j.errs.String())
		case part < kills && k.then != nil:
			k.then(part)
		}
		args = []string{"check", "-q", "--resume", k.file}
	}
	sc, err := k.f.scoreRecord(k.file)
	if err != nil {
		t.Fatal(err)
	}
	if sc.wrong() > 0 || sc.missing > 0 || sc.undecided > 0 {
		t.Errorf("%s\n\t%s", sc, strings.Join(sc.samples, "\n\t"))
	}
	if e := sc.end; e == nil || e.Interrupted || e.Err != "" || e.Hosts != k.f.hosts || e.Targets != k.f.hosts || e.Planned != k.f.hosts {
		t.Errorf("the record's end: %+v", sc.end)
	}
	return sc
}

// size of the record.
func (k *killing) size() int64 {
	info, err := os.Stat(k.file)
	if err != nil {
		return 0
	}
	return info.Size()
}

// TestSweepKilled kills the raw engine again and again in the midst of its work. No
// packet goes again to a host that is recorded, and none is lost or double.
func TestSweepKilled(t *testing.T) {
	needRoot(t)
	p := million
	p.hosts = fewer(t, "hosts", 20_000, 2000)
	k := newKilling(t, startFleet(t, p))
	k.f.nft(t, k.f.far, `table inet recorded {
		set hosts { type ipv6_addr; }
		counter asked { }
		chain arriving {
			type filter hook prerouting priority -200; policy accept;
			tcp flags & (syn | ack | rst) == syn ip6 daddr @hosts counter name asked
			icmpv6 type echo-request ip6 daddr @hosts counter name asked
		}
	}`)
	var from int64
	k.when = func(j *job, _ int) {
		within(j.ctx, time.Minute, func() bool { return k.size() > from+int64(p.hosts)*200 })
	}
	recorded := map[netip.Addr]bool{}
	k.then = func(part int) {
		now := wholeHosts(t, k.file)
		for a := range recorded {
			if !now[a] {
				t.Fatalf("part %d: %s was recorded, and is no more", part, a)
			}
		}
		if n := k.asked(t); n > 0 {
			t.Fatalf("part %d: %d packets went to hosts that were recorded", part, n)
		}
		if len(now) <= len(recorded) {
			t.Fatalf("part %d has recorded nothing", part)
		}
		var add []string
		for a := range now {
			if !recorded[a] {
				add = append(add, a.String())
			}
		}
		for list := range slices.Chunk(add, 1000) {
			k.f.nft(t, k.f.far, "add element inet recorded hosts { "+strings.Join(list, ", ")+" }\n")
		}
		recorded, from = now, k.size()
	}
	sc := k.run(t, fewer(t, "kills", 5, 2))
	if n := k.asked(t); n > 0 {
		t.Errorf("%d packets went to hosts that were recorded", n)
	}
	t.Logf("%d hosts were recorded when it was killed for the last time; %s", len(recorded), sc)
}

var counted = regexp.MustCompile(`packets (\d+)`)

// asked is how many packets went to hosts that were recorded.
func (k *killing) asked(t testing.TB) (n int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "nft", "list", "counter", "inet", "recorded", "asked")
	var out strings.Builder
	cmd.Stdout = &out
	if err := k.f.far.do(cmd.Start); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	m := counted.FindStringSubmatch(out.String())
	if m == nil {
		t.Fatalf("no counter: %s", out.String())
	}
	n, err := number(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// mostMemory is what no run may hold, whatever its size.
const mostMemory = 256 << 20

// BenchmarkKilled plans a million hosts of which one in a hundred answers, from
// a list, and kills the run whenever it has sent for ten seconds, five times; then
// it comes to its end.
func BenchmarkKilled(b *testing.B) {
	needRoot(b)
	for b.Loop() {
		k := newKilling(b, startFleet(b, million))
		k.when = func(j *job, _ int) {
			_, before := k.f.traffic(b)
			if !k.f.sent(b, j, before, 1000) { // the list and the record are read by now
				return
			}
			select {
			case <-j.ctx.Done():
			case <-time.After(10 * time.Second):
			}
		}
		var kept []string
		k.then = func(int) { kept = append(kept, fmt.Sprintf("%d MB", k.size()>>20)) }
		sc := k.run(b, 5)
		var wall, cpu time.Duration
		var peaks []string
		var most int64
		for _, c := range k.costs {
			wall, cpu, most = wall+c.wall, cpu+c.cpu, max(most, c.peak)
			peaks = append(peaks, fmt.Sprintf("%d", c.peak>>20))
		}
		if most > mostMemory {
			b.Errorf("a part held %d MB", most>>20)
		}
		b.Logf("%s; killed at %s of the record, which came to %d MB; the parts held %s MB", sc, strings.Join(kept, ", "), k.size()>>20, strings.Join(peaks, ", "))
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(wall.Seconds(), "wall-s")
		b.ReportMetric(cpu.Seconds(), "cpu-s")
		b.ReportMetric(float64(most)/(1<<20), "MB")
		b.ReportMetric(float64(sc.wrong()+sc.missing+sc.undecided), "not-right")
	}
}
