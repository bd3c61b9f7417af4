package main

import (
	"bytes"
	"cmreach/scanner/cause"
	"cmreach/scanner/record"
	"cmreach/scanner/verdict"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"
)

// crowd is all of 127.0.0.0/8 behind one listener, which counts who was asked.
type crowd struct {
	listener net.Listener
	open     int // port
	closed   int // another, where nobody listens

	mu    sync.Mutex
	asked map[netip.Addr]int
}

func newCrowd(t *testing.T) *crowd {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	free, err := lc.Listen(t.Context(), "tcp4", "127.255.0.1:0") // taken there, and so by nobody else on other addresses
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{listener: l, asked: map[netip.Addr]int{}, open: addrOf(l.Addr()), closed: addrOf(free.Addr())}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if a, err := netip.ParseAddrPort(conn.LocalAddr().String()); err == nil {
				c.mu.Lock()
				c.asked[a.Addr().Unmap()]++
				c.mu.Unlock()
			}
			_ = conn.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); _ = free.Close(); done.Wait() })
	return c
}

func addrOf(a net.Addr) int {
	p, _ := netip.ParseAddrPort(a.String())
	return int(p.Port())
}

// counts are how often each address was asked until now: connections are
// accepted in their order, so that once this one is, all before it were.
func (c *crowd) counts(t *testing.T) map[netip.Addr]int {
	t.Helper()
	self := netip.MustParseAddr("127.254.0.1")
	get := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.asked[self]
	}
	before := get()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp4", fmt.Sprintf("%s:%d", self, c.open))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	until(t, ctx, "the listener came to the end of its queue", func() bool { return get() > before })
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.asked)
}

// check are the arguments of a check of some of the addresses. One port of each
// is open and the other closed.
func (c *crowd) check(more ...string) []string {
	return append([]string{
		"check", "-q", "--engine", "connect", "--depth", "port", "--only", "smb,epm-tcp",
		"--port", fmt.Sprintf("smb=%d,epm=%d", c.open, c.closed), "--rate", "4000", "127.77.0.0/21", "127.99.1.7",
	}, more...)
}

const crowdHosts = 2046 + 1

// result is what two runs of the same network must have in common.
type result struct {
	Findings []verdict.Finding
	Causes   []cause.Cause
	Summary  map[string]json.RawMessage
}

// runReport runs the program and reads its report in JSON.
func runReport(t *testing.T, prog cmreach, want int, args ...string) result {
	t.Helper()
	cmd := prog.command(t, nil, append(args, "-o", "json")...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != want {
		t.Fatalf("exit code %d, want %d: %s", code, want, &errs)
	}
	var doc result
	if err := json.Unmarshal(out, &doc); err != nil {
		t.Fatal(err)
	}
	for i := range doc.Findings {
		doc.Findings[i].Evidence = nil // has times
	}
	slices.SortFunc(doc.Findings, func(a, b verdict.Finding) int {
		if d := a.Addr.Compare(b.Addr); d != 0 {
			return d
		}
		return strings.Compare(a.Requirement, b.Requirement)
	})
	delete(doc.Summary, "coverage") // merged records alone have it
	return doc
}

func sameResult(t *testing.T, what string, want, got result) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.IgnoreUnexported(cause.Cause{})); d != "" {
		t.Errorf("%s (-one run +other):\n%.3000s", what, d)
	}
}

// wholeHosts are the addresses that a record has with all their messages.
func wholeHosts(t *testing.T, name string) map[netip.Addr]bool {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	in, err := record.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	hosts := map[netip.Addr]bool{}
	for e, err := range in.Hosts() {
		if err != nil {
			t.Fatal(err)
		}
		if hosts[e.Host.Addr] {
			t.Errorf("%s is recorded twice", e.Host.Addr)
		}
		hosts[e.Host.Addr] = true
	}
	return hosts
}

// TestResumeAfterKill kills a check twenty times, tears its record now and then,
// and goes on each time. What was recorded is not asked again, and the end is
// that of a run that nobody disturbed.
func TestResumeAfterKill(t *testing.T) {
	if testing.Short() {
		leaveOut(t, "left out by -short")
	}
	prog := buildProgram(t)
	c := newCrowd(t)
	want := runReport(t, prog, verdict.ExitFailed, c.check()...)
	if len(want.Findings) != 2*crowdHosts || len(want.Causes) != 1 {
		t.Fatalf("%d findings, %d causes", len(want.Findings), len(want.Causes))
	}
	rng := rand.New(rand.NewPCG(4, 20))
	name := filepath.Join(prog.dir, "run.jsonl")
	args := c.check("-o", "jsonl="+name)
	for i := range fewer(t, "kills", 20, 4) {
		recorded := map[netip.Addr]bool{}
		if i > 0 {
			recorded = wholeHosts(t, name)
		}
		before := c.counts(t)
		killed(t, prog, name, int64(rng.IntN(90_000)), args)
		if t.Failed() {
			return
		}
		after := c.counts(t)
		for a := range recorded {
			if after[a] != before[a] {
				t.Fatalf("part %d: %s was recorded, and asked again", i, a)
			}
		}
		now := wholeHosts(t, name)
		for a := range recorded {
			if !now[a] {
				t.Fatalf("part %d: %s was recorded, and is no more", i, a)
			}
		}
		if len(now) == crowdHosts {
			t.Fatalf("part %d came to its end: the test proves less than it says", i)
		}
		if i%3 == 2 { // as a machine leaves it that fell over
			tear(t, name, int64(rng.IntN(1200)))
		}
		args = []string{"check", "-q", "--resume", name}
	}
	recorded, before := wholeHosts(t, name), c.counts(t)
	got := runReport(t, prog, verdict.ExitFailed, args...)
	after := c.counts(t)
	for a := range recorded {
		if after[a] != before[a] {
			t.Errorf("%s was recorded, and asked again", a)
		}
	}
	sameResult(t, "resumed", want, got)
	sameResult(t, "reported again", want, runReport(t, prog, verdict.ExitFailed, "report", name))
	if n := len(wholeHosts(t, name)); n != crowdHosts {
		t.Errorf("%d hosts are recorded of %d", n, crowdHosts)
	}
	lastMessage(t, name, func(e *record.End) bool {
		return e.Hosts == crowdHosts && e.Targets == crowdHosts && e.Planned == crowdHosts && e.Packets >= 2*crowdHosts && e.Loss < 0.01 && !e.Interrupted
	})
	before = c.counts(t)
	sameResult(t, "with nothing left to do", want, runReport(t, prog, verdict.ExitFailed, args...))
	after = c.counts(t)
	delete(before, netip.MustParseAddr("127.254.0.1"))
	delete(after, netip.MustParseAddr("127.254.0.1"))
	if !maps.Equal(before, after) {
		t.Error("a run with nothing left to do has asked somebody")
	}
}

// killed runs the program until its record has grown by so much, and kills it.
func killed(t *testing.T, prog cmreach, name string, more int64, args []string) {
	t.Helper()
	size := func() int64 {
		info, err := os.Stat(name)
		if err != nil {
			return 0
		}
		return info.Size()
	}
	from := size()
	cmd := prog.command(t, nil, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for size() <= max(from+more, 8000) { // the header is there
		select {
		case err := <-ended:
			t.Fatalf("ended by itself: %v: %s", err, &errs)
		case <-tick.C:
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
}

func tear(t *testing.T, name string, n int64) {
	t.Helper()
	info, err := os.Stat(name)
	if err == nil {
		err = os.Truncate(name, info.Size()-n)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// lastMessage checks the end of a record.
func lastMessage(t *testing.T, name string, good func(*record.End) bool) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	end, err := record.LastEnd(f)
	if err != nil || end == nil || !good(end) {
		t.Errorf("end: %+v, %v", end, err)
	}
}

// TestResumeAfterInterrupt goes on after Ctrl-C: the causes and the end that the
// record has by then make place for those of all of the run, with its packets.
func TestResumeAfterInterrupt(t *testing.T) {
	if testing.Short() {
		leaveOut(t, "left out by -short")
	}
	prog := buildProgram(t)
	c := newCrowd(t)
	name := filepath.Join(prog.dir, "run.jsonl")
	cmd := prog.command(t, nil, c.check("--rate", "500", "-o", "jsonl="+name)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	until(t, ctx, "the run recorded something", func() bool {
		info, err := os.Stat(name)
		return err == nil && info.Size() > 100_000
	})
	other := prog.command(t, nil, "check", "--resume", name)
	out, _ := other.CombinedOutput()
	if code := other.ProcessState.ExitCode(); code != exitUsage || !strings.Contains(string(out), "another run writes it now") {
		t.Errorf("resumed under the writer's hands: exit code %d: %s", code, out)
	}
	if err := cmd.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := await(t, cmd); code != exitInterrupted {
		t.Fatalf("exit code %d", code)
	}
	var first record.End
	lastMessage(t, name, func(e *record.End) bool { first = *e; return e.Interrupted && e.Hosts > 0 })
	recorded := wholeHosts(t, name)
	want := runReport(t, prog, verdict.ExitFailed, c.check()...)
	before := c.counts(t)
	got := runReport(t, prog, verdict.ExitFailed, "check", "-q", "--rate", "4000", "--resume", name)
	after := c.counts(t)
	for a := range recorded {
		if after[a] != before[a] {
			t.Errorf("%s was recorded, and asked again", a)
		}
	}
	sameResult(t, "resumed", want, got)
	rest := uint64(2 * (crowdHosts - first.Hosts))
	lastMessage(t, name, func(e *record.End) bool { return e.Packets >= first.Packets+rest && e.Hosts == crowdHosts })
}

// TestShardsAreOneRun checks eight parts of a plan by themselves: their merged
// records are the record of one run, and one that is missing is told.
func TestShardsAreOneRun(t *testing.T) {
	if testing.Short() {
		leaveOut(t, "left out by -short")
	}
	prog := buildProgram(t)
	c := newCrowd(t)
	want := runReport(t, prog, verdict.ExitFailed, c.check()...)
	start := c.counts(t)
	var files []string
	for i := range 8 {
		name := filepath.Join(prog.dir, fmt.Sprintf("part%d.jsonl", i+1))
		files = append(files, name)
		runReport(t, prog, verdict.ExitFailed, c.check("--shard", fmt.Sprintf("%d/8", i+1), "-o", "jsonl="+name)...)
		if n := len(wholeHosts(t, name)); n != crowdHosts/8 && n != crowdHosts/8+1 {
			t.Errorf("part %d has %d hosts", i+1, n)
		}
	}
	for a, n := range c.counts(t) {
		if n != start[a]+1 && a != netip.MustParseAddr("127.254.0.1") {
			t.Errorf("%s was asked %d times", a, n-start[a])
		}
	}
	slices.Reverse(files)
	merged := filepath.Join(prog.dir, "merged.jsonl")
	sameResult(t, "merged", want, runReport(t, prog, verdict.ExitFailed, append([]string{"merge", "-o", "jsonl=" + merged}, files...)...))
	lastMessage(t, merged, func(e *record.End) bool {
		return e.Hosts == crowdHosts && e.Targets == crowdHosts && e.Planned == crowdHosts && e.Err == "" && !e.Interrupted
	})

	some := filepath.Join(prog.dir, "some.jsonl")
	cmd := prog.command(t, nil, "merge", "-o", "text", "-o", "jsonl="+some, files[0], files[2], files[3], files[4], files[6])
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "3 of 8 parts are missing: 1, 3, 7") {
		t.Errorf("%v:\n%s", err, out)
	}
	rest := append([]string{"merge"}, some, files[1], files[5], files[7])
	sameResult(t, "merged in two steps", want, runReport(t, prog, verdict.ExitFailed, rest...))
}
