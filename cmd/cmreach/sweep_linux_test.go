package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// The sweep, whose every verdict is held against the truth, under everything
// that makes scanners lie. Nothing here depends on how fast it goes.

// report tells what a run came to, and fails the test for verdicts that are
// wrong, missing or double.
func (s *score) report(t testing.TB, o outlay) {
	t.Helper()
	t.Logf("%s; %.1f s, %.1f s CPU, %d MB, %d packets", s, o.wall.Seconds(), o.cpu.Seconds(), o.peak>>20, o.packets)
	if s.wrong() > 0 || s.missing > 0 {
		t.Errorf("%s\n\t%s", s, strings.Join(s.samples, "\n\t"))
	}
	if s.end == nil || s.end.Interrupted || s.end.Err != "" {
		t.Errorf("the record's end: %+v", s.end)
	}
}

// decided fails the test when more paths were left undecided than permitted.
func (s *score) decided(t testing.TB, permitted int) {
	t.Helper()
	if s.undecided > permitted {
		t.Errorf("%d of %d paths are undecided, at most %d may be\n\t%s", s.undecided, s.paths, permitted, strings.Join(s.samples, "\n\t"))
	}
}

// sweepEngines are the engines and users with which a fleet is checked, and
// how many hosts each is given.
var sweepEngines = []struct {
	name  string
	hosts int
	v6    bool
	sweep
}{
	{"raw", 4096, false, sweep{engine: "raw"}},
	{"raw6", 1024, true, sweep{engine: "raw"}},
	{"connect", 1024, false, sweep{engine: "connect"}},
	{"connect6", 1024, true, sweep{engine: "connect"}},
	{"user", 1024, false, sweep{engine: "connect", user: true}},
}

// eachEngine runs f for each of them, at the highest rate.
func eachEngine(t *testing.T, f func(t *testing.T, prog cmreach, p fleetPlan, s sweep)) {
	needRoot(t)
	prog := buildProgram(t)
	for _, e := range sweepEngines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel() // most of the time nothing happens but waiting
			e.args = []string{"--rate", "max"}
			f(t, prog, fleetPlan{hosts: fewer(t, "hosts", e.hosts, 512), v6: e.v6}, e.sweep)
		})
	}
}

// TestSweepExact: no loss, so every path is decided, and rightly.
func TestSweepExact(t *testing.T) {
	eachEngine(t, func(t *testing.T, prog cmreach, p fleetPlan, s sweep) {
		f := startFleet(t, p)
		sc, cost := f.check(t, prog, s)
		sc.report(t, cost)
		sc.decided(t, 0)
	})
}

// TestSweepSparse: nearly all of the plan is silent, and what answers is found.
func TestSweepSparse(t *testing.T) {
	needRoot(t)
	p := million
	p.hosts = fewer(t, "hosts", 1<<12, 1<<10)
	f := startFleet(t, p)
	sc, cost := f.check(t, buildProgram(t), sweep{engine: "raw", args: []string{"--rate", "max"}})
	sc.report(t, cost)
	sc.decided(t, 0)
}

// TestSweepTalks: what is found open is talked to while the rest is being swept.
func TestSweepTalks(t *testing.T) {
	needRoot(t)
	f := startFleet(t, fleetPlan{hosts: fewer(t, "hosts", 512, 128), talks: true, asked: []int{0, 1, 2}})
	sc, cost := f.check(t, buildProgram(t), sweep{engine: "raw", args: []string{"--rate", "max"}})
	sc.report(t, cost)
	sc.decided(t, 0)
}

// TestSweepLoss: packets are lost in both directions, independently. What a run
// may be wrong about is bounded by its own estimate: less than 0.01 paths.
func TestSweepLoss(t *testing.T) {
	for _, percent := range []int{2, 5} {
		t.Run(fmt.Sprintf("%d percent", percent), func(t *testing.T) {
			eachEngine(t, func(t *testing.T, prog cmreach, p fleetPlan, s sweep) {
				p.hosts = min(p.hosts, 2048)
				f := startFleet(t, p)
				f.lose(t, percent)
				sc, cost := f.check(t, prog, s)
				sc.report(t, cost)
				sc.decided(t, sc.paths/100) // a lost packet of a trace may leave open who refused
				if sc.end != nil && sc.end.Loss == 0 {
					t.Errorf("the run says that nothing was lost: %+v", sc.end)
				}
			})
		})
	}
}

// TestSweepBursts: twice, all packets of a second are lost.
func TestSweepBursts(t *testing.T) { sweepBursts(t, 0) }

// TestSweepLeakyBursts: twice, all packets of a second are lost but a few, which
// show that the network is there.
func TestSweepLeakyBursts(t *testing.T) { sweepBursts(t, 1) }

// sweepBursts loses all but so many of a thousand packets for a second, twice.
func sweepBursts(t *testing.T, but int) {
	eachEngine(t, func(t *testing.T, prog cmreach, p fleetPlan, s sweep) {
		f := startFleet(t, p)
		first := p.hosts * len(fleetChecks) // packets, at the least
		rate := 4000
		if s.engine == "connect" {
			rate = 1000
		}
		s.args = []string{"--rate", fmt.Sprint(fewer(t, "packets a second", rate, p.hosts))} // or no burst falls into the run
		_, before := f.traffic(t)
		bursts := 0
		s.during = func(j *job) {
			for _, at := range []int{first / 5, first * 4 / 5} {
				if f.sent(t, j, before, at) && f.burst(t, j, time.Second, but) {
					bursts++
				}
			}
		}
		sc, cost := f.check(t, prog, s)
		sc.report(t, cost)
		sc.decided(t, sc.paths/20)
		if bursts != 2 {
			t.Errorf("%d bursts fell into the run, not 2: nothing is shown", bursts)
		}
	})
}

// TestSweepRationed: a router limits its ICMP errors as the kernel's defaults
// are, so that most of what it prohibits looks like silence. Of a host that is
// alive such a path is blocked, and the verdict says that the router may be the
// one; a host of which nothing answers is not called down.
func TestSweepRationed(t *testing.T) {
	eachEngine(t, func(t *testing.T, prog cmreach, p fleetPlan, s sweep) {
		p.rationed = true
		f := startFleet(t, p)
		sc, cost := f.check(t, prog, s)
		sc.report(t, cost)
		t.Logf("%d rejections were told, %d paths are perhaps rejected", sc.named, sc.rationed)
		// Left open are a silent path of a host that only refuses others, and
		// the silent paths of hosts of which nothing answers.
		sc.decided(t, sc.paths/20)
		all := p.hosts * len(fleetChecks) / 20
		if sc.named == 0 || sc.named > all/2 || sc.rationed < all/4 {
			t.Errorf("of about %d rejections %d were told, and %d paths are perhaps rejected: nothing is shown", all, sc.named, sc.rationed)
		}
	})
}

// TestSweepSqueezed: the receive buffers are small, and somebody fills them, so
// that this machine loses answers.
func TestSweepSqueezed(t *testing.T) {
	needRoot(t)
	prog := buildProgram(t)
	for _, v6 := range []bool{false, true} {
		t.Run(map[bool]string{false: "raw", true: "raw6"}[v6], func(t *testing.T) {
			f := startFleet(t, fleetPlan{hosts: 1024, v6: v6})
			stop := f.startForger(t, 20)
			lost, sent := 0, 0
			sc, cost := f.check(t, prog, sweep{
				engine: "raw", args: []string{"--rate", "20000"}, room: f.squeezed(t),
				during: func(j *job) {
					within(j.ctx, time.Minute, func() bool {
						lost = f.overflown(t)
						return lost > 1000
					})
					sent = stop()
				},
			})
			t.Logf("%d packets of a forger, %d lost by the program's sockets until it ended", sent, lost)
			sc.report(t, cost)
			sc.decided(t, sc.paths/10)
			if lost == 0 {
				t.Error("no receive buffer overflowed: nothing is shown")
			}
		})
	}
}

// TestSweepRefused: this machine refuses to send what is new from some time on,
// as it does when its table of connections is full. That is no word on the
// network. Of the engines only the raw one is told: connect() hides it.
func TestSweepRefused(t *testing.T) {
	needRoot(t)
	prog := buildProgram(t)
	f := startFleet(t, fleetPlan{hosts: 256})
	f.refuse(t, 300)
	sc, cost := f.check(t, prog, sweep{engine: "raw", args: []string{"--rate", "max"}})
	sc.report(t, cost)
	if sc.undecided == 0 {
		t.Error("everything is decided: nothing was refused, so nothing is shown")
	}
}

// TestSweepForged: answers that bear no mark of the path change no verdict.
func TestSweepForged(t *testing.T) {
	eachEngine(t, func(t *testing.T, prog cmreach, p fleetPlan, s sweep) {
		p.hosts = min(p.hosts, 512)
		f := startFleet(t, p)
		stop := f.startForger(t, 1)
		s.args = []string{"--rate", "2000"}
		sc, cost := f.check(t, prog, s)
		sent := stop()
		t.Logf("%d forged packets", sent)
		sc.report(t, cost)
		sc.decided(t, 0)
		if sent < 5*sc.paths {
			t.Errorf("only %d forged packets: nothing is shown", sent)
		}
	})
}
