package scanner

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// flock is a simulated run with canaries: what answers is decided by alive.
type flock struct {
	c     *canaries
	rate  float64
	now   time.Time
	sent  int
	alive func(to netip.Addr, at time.Time) bool
	sweep bool // ordinary packets are sent and answered too
	due   []canaryShot

	paused time.Duration
	ended  []window
}

type canaryShot struct {
	id   int
	sent time.Time
	at   time.Time
	ok   bool
}

const canaryTimeout = 200 * time.Millisecond

// run lets time pass in steps of a millisecond.
func (f *flock) run(until time.Time) {
	for ; f.now.Before(until); f.now = f.now.Add(time.Millisecond) {
		rest := f.due[:0]
		for _, s := range f.due {
			switch {
			case s.at.After(f.now):
				rest = append(rest, s)
			case s.ok:
				f.c.answered(s.id, s.sent)
			default:
				f.c.quieted(s.id, s.sent, f.now)
			}
		}
		f.due = rest
		_, before, _ := f.c.quiet(f.now)
		if before {
			f.paused += time.Millisecond
		}
		if f.sweep && !before && f.alive(netip.MustParseAddr("198.18.255.1"), f.now) {
			f.c.heard(f.now.Add(-2 * time.Millisecond))
		}
		if w, ok := f.c.over(); ok {
			f.ended = append(f.ended, w)
		}
		if id, p, wait := f.c.next(f.now, f.rate); wait == 0 {
			f.sent++
			s := canaryShot{id: id, sent: f.now, at: f.now.Add(canaryTimeout)}
			if f.alive(p.Addr, f.now) {
				s.ok, s.at = true, f.now.Add(3*time.Millisecond)
			}
			f.due = append(f.due, s)
		}
	}
}

func newFlock(rate float64, hosts int) *flock {
	f := &flock{c: newCanaries(5), rate: rate, now: at(0), alive: func(netip.Addr, time.Time) bool { return true }}
	for i := range hosts {
		f.c.add(canaryPath{Addr: netip.AddrFrom4([4]byte{198, 18, byte(i), 9}), Protocol: TCP, Port: 445})
	}
	return f
}

func TestCanariesKeepToTheirShare(t *testing.T) {
	tests := []struct {
		rate       float64
		hosts      int
		from, upto int // packets in 10 s
	}{
		{10, 100, 4, 6},      // 5 %
		{100, 100, 38, 42},   // one each 250 ms
		{1000, 100, 98, 102}, // 1 %
		{10_000, 100, 990, 1010},
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
		if _, _, quiet := f.c.quiet(f.now); quiet || len(f.ended) > 0 {
			t.Errorf("rate %v: quiet although all answer", tt.rate)
		}
	}
}

// All is lost for 1 s, twice: both windows are found, cover what was lost, and
// are little longer; sending pauses in them.
func TestCanariesFindWindows(t *testing.T) {
	lost := []window{{at(3000), at(4000)}, {at(8000), at(9000)}}
	for _, rate := range []float64{1000, 20_000, 100_000, 0} {
		for _, sweep := range []bool{false, true} {
			f := newFlock(rate, 200)
			f.sweep = sweep
			f.alive = func(_ netip.Addr, at time.Time) bool {
				for _, w := range lost {
					if !at.Before(w.since) && at.Before(w.until) {
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
				if w.since.After(lost[i].since) || w.until.Before(lost[i].until) {
					t.Errorf("rate %v, sweep %v: %v does not cover %v", rate, sweep, w, lost[i])
				}
				if w.until.Sub(w.since) > 1300*time.Millisecond {
					t.Errorf("rate %v, sweep %v: window of %s", rate, sweep, w.until.Sub(w.since))
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
		alive func(to netip.Addr, when time.Time) bool
	}{
		{"half of the hosts are switched off", 64, false, func(to netip.Addr, when time.Time) bool {
			return when.Before(at(3000)) || to.As4()[2]%2 == 0
		}},
		{"the only host is switched off", 1, false, func(_ netip.Addr, when time.Time) bool { return when.Before(at(3000)) }},
		{"all canaries are switched off, but others answer", 64, true, func(to netip.Addr, when time.Time) bool {
			return when.Before(at(3000)) || to.As4()[2] == 255
		}},
		{"10 % loss", 64, true, func(netip.Addr, time.Time) bool { return r.Float64() >= 0.1 }},
		{"40 % loss", 64, true, func(netip.Addr, time.Time) bool { return r.Float64() >= 0.4 }},
	}
	for _, tt := range tests {
		f := newFlock(20_000, tt.hosts)
		f.alive, f.sweep = tt.alive, tt.sweep
		f.run(at(20_000))
		if since, _, quiet := f.c.quiet(f.now); quiet || len(f.ended) > 0 {
			t.Errorf("%s: quiet since %v, ended %v", tt.name, since, f.ended)
		}
	}
}

// With two hosts, chance alone brings some silent canaries in a row.
func TestCanariesOfTwoHostsAndLoss(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 4))
	f := newFlock(1000, 2)
	f.alive = func(netip.Addr, time.Time) bool { return r.Float64() >= 0.1 }
	f.run(at(300_000))
	if len(f.ended) > 0 {
		t.Errorf("10 %% loss was taken for %d windows", len(f.ended))
	}
}

func TestCanariesOfTwoHosts(t *testing.T) {
	f := newFlock(1000, 2)
	f.alive = func(_ netip.Addr, when time.Time) bool { return when.Before(at(2000)) }
	f.run(at(4000))
	if since, pause, quiet := f.c.quiet(f.now); !quiet || !pause || since.After(at(2000)) || since.Before(at(1700)) {
		t.Errorf("since %v, pause %v, quiet %v", since.Sub(at(0)), pause, quiet)
	}
}

// When they never come back the pause ends, but the window does not.
func TestCanariesGiveUpWaiting(t *testing.T) {
	f := newFlock(1000, 64)
	f.alive = func(_ netip.Addr, when time.Time) bool { return when.Before(at(2000)) || when.After(at(60_000)) }
	f.run(at(59_000))
	since, pause, quiet := f.c.quiet(f.now)
	if pause || !quiet || since.After(at(2000)) {
		t.Errorf("since %v, pause %v, quiet %v", since.Sub(at(0)), pause, quiet)
	}
	if f.paused < canaryPatience-10*time.Millisecond || f.paused > canaryPatience+10*time.Millisecond {
		t.Errorf("paused for %s", f.paused)
	}
	f.run(at(61_000))
	if _, _, quiet := f.c.quiet(f.now); quiet || len(f.ended) != 1 || f.ended[0].since.After(at(2000)) || f.ended[0].until.Before(at(60_000)) {
		t.Errorf("quiet %v, windows %v", quiet, f.ended)
	}
}

// An answer to what was sent before the trouble, however late, ends nothing.
func TestCanariesAndLateAnswers(t *testing.T) {
	f := newFlock(1000, 64)
	f.alive = func(_ netip.Addr, when time.Time) bool { return when.Before(at(2000)) }
	f.run(at(3500))
	f.c.heard(at(1000))
	if _, _, quiet := f.c.quiet(f.now); !quiet {
		t.Error("a late answer ended the window")
	}
	f.c.heard(at(3400))
	if w, ok := f.c.over(); !ok || !w.until.Equal(at(3400)) {
		t.Errorf("%v, %v", w, ok)
	}
	if _, ok := f.c.over(); ok {
		t.Error("the same window twice")
	}
}

func TestCanariesAreSpreadAndReplaced(t *testing.T) {
	c := newCanaries(1)
	for i := range 65536 {
		c.add(canaryPath{Addr: netip.AddrFrom4([4]byte{198, 19, byte(i >> 8), byte(i)}), Protocol: TCP, Port: 135})
	}
	nets := map[netip.Prefix]bool{}
	for _, s := range c.slots {
		if s.used {
			nets[netOf(s.path.Addr)] = true
		}
	}
	if len(nets) != c.used || c.used < 55 {
		t.Errorf("%d canaries of %d subnets", c.used, len(nets))
	}
	id := c.slot(netip.MustParseAddr("198.19.0.1"))
	was := c.slots[id].path
	c.heard(at(10_000))
	for i := range canaryFaults {
		c.quieted(id, at(i), at(i+200))
	}
	c.add(canaryPath{Addr: netip.MustParseAddr("198.19.0.77"), Protocol: ICMP})
	if got := c.slots[id].path; got == was || got.Protocol != ICMP {
		t.Errorf("%v stays although it no longer answers", got)
	}
	c.add(canaryPath{Addr: netip.MustParseAddr("fd00:198::1"), Protocol: ICMP})
}

func TestCanariesAllocateNothing(t *testing.T) {
	c, now := newCanaries(1), at(0)
	a := netip.MustParseAddr("198.18.0.1")
	if n := testing.AllocsPerRun(2000, func() {
		c.add(canaryPath{Addr: a})
		a, now = a.Next(), now.Add(5*time.Millisecond)
		id, _, _ := c.next(now, 0)
		c.quieted(id, now, now)
		c.quiet(now)
		c.heard(now)
		c.over()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// netOf is the /24 or /64 of an address.
func netOf(a netip.Addr) netip.Prefix {
	bits := 24
	if a.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(a, bits).Masked()
}
