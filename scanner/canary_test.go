package scanner

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// flock is a simulated run with canaries: what answers is decided by alive.
type flock struct {
	c     *sight
	rate  float64
	now   time.Duration
	sent  int
	alive func(to netip.Addr, at time.Duration) bool
	sweep bool // ordinary packets are sent and answered too
	due   []canaryShot

	paused time.Duration
	ended  []span
}

type canaryShot struct {
	id   int
	sent time.Duration
	at   time.Duration
	ok   bool
}

// at is a time of the run.
func at(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }

const canaryTimeout = 200 * time.Millisecond

// run lets time pass in steps of a millisecond.
func (f *flock) run(until time.Duration) {
	for ; f.now < until; f.now += time.Millisecond {
		rest := f.due[:0]
		for _, s := range f.due {
			switch {
			case s.at > f.now:
				rest = append(rest, s)
			case s.ok:
				f.c.slots[s.id].faults = 0
				f.saw(s.sent)
			default:
				f.c.quieted(s.id, s.sent, f.now)
			}
		}
		f.due = rest
		before := f.c.pausing(f.now)
		if before {
			f.paused += time.Millisecond
		}
		if f.sweep && !before && f.alive(netip.MustParseAddr("198.18.255.1"), f.now) {
			f.saw(f.now - 2*time.Millisecond)
		}
		if id, p, wait := f.c.next(f.now, f.rate, false); wait == 0 {
			f.sent++
			s := canaryShot{id: id, sent: f.now, at: f.now + canaryTimeout}
			if f.alive(p.addr, f.now) {
				s.ok, s.at = true, f.now+3*time.Millisecond
			}
			f.due = append(f.due, s)
		}
	}
}

// saw is an answer to a packet that left at a time.
func (f *flock) saw(sent time.Duration) {
	if f.c.saw(sent) {
		f.ended = append(f.ended, f.c.dark[(f.c.darks-1)%len(f.c.dark)])
	}
}

func newFlock(rate float64, hosts int) *flock {
	f := &flock{c: &sight{canaries: canaries{key: 5, good: -1}}, rate: rate, now: at(0), alive: func(netip.Addr, time.Duration) bool { return true }}
	for i := range hosts {
		f.c.add(canaryPath{addr: netip.AddrFrom4([4]byte{198, 18, byte(i), 9}), proto: TCP, port: 445})
	}
	return f
}

func TestCanariesKeepToTheirShare(t *testing.T) {
	tests := []struct {
		rate       float64
		hosts      int
		from, upto int // packets in 10 s
	}{
		{10, 100, 4, 6},         // 5 %
		{100, 100, 38, 42},      // one each 250 ms
		{1000, 100, 98, 102},    // 1 %
		{10_000, 100, 965, 985}, /* the first comes later */
		{100_000, 100, 1500, 2000},
		{0, 100, 1500, 2000},
		{100_000, 1, 49, 51}, // one host: each 200 ms
		{100_000, 0, 0, 0},
	}
	for _, tt := range tests {
		f := newFlock(tt.rate, tt.hosts)
		f.run(at(10_000))
		if f.sent < tt.from || f.sent > tt.upto {
			t.Errorf("rate %v, %d hosts: %d packets in 10 s", tt.rate, tt.hosts, f.sent)
		}
		if f.c.quiet || len(f.ended) > 0 && tt.rate > 10 { // where the canaries alone are asked each 2 s
			t.Errorf("rate %v: quiet although all answer", tt.rate)
		}
	}
}

// All is lost for 1 s, twice: both windows are found, cover what was lost, and
// are little longer; sending pauses in them.
func TestCanariesFindWindows(t *testing.T) {
	lost := []span{{at(3000), at(4000)}, {at(8000), at(9000)}}
	for _, rate := range []float64{1000, 20_000, 100_000, 0} {
		for _, sweep := range []bool{false, true} {
			f := newFlock(rate, 200)
			f.sweep = sweep
			f.alive = func(_ netip.Addr, at time.Duration) bool {
				for _, w := range lost {
					if at >= w.from && at < w.to {
						return false
					}
				}
				return true
			}
			f.run(at(12_000))
			if len(f.ended) != len(lost) {
				t.Fatalf("rate %v, sweep %v: windows %v", rate, sweep, f.ended)
			}
			for i, w := range f.ended {
				if w.from > lost[i].from || w.to+dusk < lost[i].to {
					t.Errorf("rate %v, sweep %v: %v does not cover %v", rate, sweep, w, lost[i])
				}
				if w.to-w.from > 1300*time.Millisecond {
					t.Errorf("rate %v, sweep %v: window of %s", rate, sweep, w.to-w.from)
				}
			}
			if f.paused < 600*time.Millisecond || f.paused > 1800*time.Millisecond {
				t.Errorf("rate %v, sweep %v: paused for %s of 2 s", rate, sweep, f.paused)
			}
		}
	}
}

// Neither hosts that are switched off, nor loss, nor a lone host are taken for
// trouble of this machine.
func TestCanariesAreNotFooled(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	tests := []struct {
		name  string
		hosts int
		sweep bool
		alive func(to netip.Addr, when time.Duration) bool
	}{
		{"half of the hosts are switched off", 64, false, func(to netip.Addr, when time.Duration) bool {
			return when < at(3000) || to.As4()[2]%2 == 0
		}},
		{"the only host is switched off", 1, false, func(_ netip.Addr, when time.Duration) bool { return when < at(3000) }},
		{"all canaries are switched off, but others answer", 64, true, func(to netip.Addr, when time.Duration) bool {
			return when < at(3000) || to.As4()[2] == 255
		}},
		{"10 % loss", 64, true, func(netip.Addr, time.Duration) bool { return r.Float64() >= 0.1 }},
		{"40 % loss", 64, true, func(netip.Addr, time.Duration) bool { return r.Float64() >= 0.4 }},
	}
	for _, tt := range tests {
		f := newFlock(20_000, tt.hosts)
		f.alive, f.sweep = tt.alive, tt.sweep
		f.run(at(20_000))
		if f.c.quiet || len(f.ended) > 0 {
			t.Errorf("%s: quiet since %v, ended %v", tt.name, f.c.since, f.ended)
		}
	}
}

// With two hosts, chance alone brings some silent canaries in a row.
func TestCanariesOfTwoHostsAndLoss(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 4))
	f := newFlock(1000, 2)
	f.alive = func(netip.Addr, time.Duration) bool { return r.Float64() >= 0.1 }
	f.run(at(300_000))
	if len(f.ended) > 0 {
		t.Errorf("10 %% loss was taken for %d windows", len(f.ended))
	}
}

func TestCanariesOfTwoHosts(t *testing.T) {
	f := newFlock(1000, 2)
	f.alive = func(_ netip.Addr, when time.Duration) bool { return when < at(2000) }
	f.run(at(4000))
	if c := f.c; !c.quiet || !c.pausing(f.now) || c.since > at(2000) || c.since < at(1700) {
		t.Errorf("since %v, pause %v, quiet %v", c.since, c.pausing(f.now), c.quiet)
	}
}

// When they never come back the pause ends, but the window does not.
func TestCanariesGiveUpWaiting(t *testing.T) {
	f := newFlock(1000, 64)
	f.alive = func(_ netip.Addr, when time.Duration) bool { return when < at(2000) || when > at(60_000) }
	f.run(at(59_000))
	if c := f.c; c.pausing(f.now) || !c.quiet || !c.blind(f.now) || c.since > at(2000) {
		t.Errorf("since %v, pause %v, quiet %v", c.since, c.pausing(f.now), c.quiet)
	}
	if f.paused < canaryPatience-10*time.Millisecond || f.paused > canaryPatience+10*time.Millisecond {
		t.Errorf("paused for %s", f.paused)
	}
	f.run(at(61_000))
	if f.c.quiet || len(f.ended) != 1 || f.ended[0].from > at(2000) || f.ended[0].to+dusk < at(60_000) {
		t.Errorf("quiet %v, windows %v", f.c.quiet, f.ended)
	}
}

// An answer to what was sent before the trouble, however late, ends nothing.
func TestCanariesAndLateAnswers(t *testing.T) {
	f := newFlock(1000, 64)
	f.alive = func(_ netip.Addr, when time.Duration) bool { return when < at(2000) }
	f.run(at(3500))
	f.saw(at(1000))
	if !f.c.quiet {
		t.Error("a late answer ended the window")
	}
	f.saw(at(3400))
	f.saw(at(3450))
	if f.c.quiet || len(f.ended) != 1 || f.ended[0].to != at(3400)-dusk {
		t.Errorf("quiet %v, %v", f.c.quiet, f.ended)
	}
}

func TestCanariesAreSpreadAndReplaced(t *testing.T) {
	c := &sight{canaries: canaries{key: 1, good: -1}}
	for i := range 65536 {
		c.add(canaryPath{addr: netip.AddrFrom4([4]byte{198, 19, byte(i >> 8), byte(i)}), proto: TCP, port: 135})
	}
	nets := map[netip.Prefix]bool{}
	for _, s := range c.slots {
		if s.used {
			nets[Subnet(s.path.addr)] = true
		}
	}
	if c.used-len(nets) >= canaryFew || len(nets) < 55 {
		t.Errorf("%d canaries of %d subnets", c.used, len(nets))
	}
	id := c.slot(neighbours(netip.MustParseAddr("198.19.0.1")))
	was := c.slots[id].path
	c.heard(at(10_000))
	for i := range canaryFaults {
		c.quieted(id, at(i), at(i+200))
	}
	c.add(canaryPath{addr: netip.MustParseAddr("198.19.0.77"), proto: ICMP})
	if got := c.slots[id].path; got == was || got.proto != ICMP {
		t.Errorf("%v stays although it no longer answers", got)
	}
	c.add(canaryPath{addr: netip.MustParseAddr("fd00:198::1"), proto: ICMP})
}

func TestCanariesAllocateNothing(t *testing.T) {
	c, now := &sight{canaries: canaries{key: 1, good: -1}}, at(0)
	a := netip.MustParseAddr("198.18.0.1")
	if n := testing.AllocsPerRun(2000, func() {
		c.add(canaryPath{addr: a})
		a, now = a.Next(), now+5*time.Millisecond
		id, _, _ := c.next(now, 0, false)
		c.quieted(id, now, now)
		c.pausing(now)
		c.saw(now)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
