package scanner

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// icmpBucket is a token bucket of a router.
type icmpBucket struct {
	burst, rate float64 // rate 0: no limit
	tokens      float64
	last        time.Time
}

func (b *icmpBucket) take(now time.Time) bool {
	if b.rate == 0 {
		return true
	}
	if b.last.IsZero() {
		b.tokens = b.burst
	} else {
		b.tokens = min(b.burst, b.tokens+b.rate*now.Sub(b.last).Seconds())
	}
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// rejectSim sweeps 32 subnets x 3 ports behind one router: 15 % of the paths
// are dropped, 5 % rejected, the others answer. It returns what was recognised
// and how the silent paths really are.
type rejectSim struct {
	limits *rejectLimits
	bucket icmpBucket
	router netip.Addr
	now    time.Time
	silent []simReject
	seen   int // rejects that came
}

type simReject struct {
	net      netip.Prefix
	port     uint16
	rejected bool // by the rule of the router
	first    time.Time
	tries    int
}

func newRejectSim(bucket icmpBucket, rate, loss float64, seed uint64) *rejectSim {
	r := rand.New(rand.NewPCG(seed, 8))
	s := &rejectSim{limits: newRejectLimits(), bucket: bucket, router: netip.MustParseAddr("198.18.0.1"), now: at(0)}
	const hosts = 32 * 256
	paths := Order{Key: seed, N: hosts * 3}
	gap := time.Duration(float64(time.Second) / rate)
	ask := func(p *simReject) bool {
		p.tries++
		if p.rejected && s.bucket.take(s.now) && r.Float64() >= loss {
			s.seen++
			s.limits.rejected(s.router, p.net, TCP, p.port, s.now, s.now.Add(time.Millisecond), p.tries)
			return true
		}
		return false
	}
	var all []simReject
	timeout := 0 // the first path whose silence was not yet noted
	for i := range paths.N {
		k := paths.At(i)
		p := simReject{
			net:  netOf(netip.AddrFrom4([4]byte{198, 19, byte(k / 3 >> 8), 0})),
			port: []uint16{135, 445, 2701}[k%3], first: s.now,
		}
		switch x := r.Float64(); {
		case x < 0.05:
			p.rejected = true
		case x >= 0.2:
			s.now = s.now.Add(gap)
			continue
		}
		if !ask(&p) {
			all = append(all, p)
		}
		s.now = s.now.Add(gap)
		for timeout < len(all) && s.now.Sub(all[timeout].first) > 200*time.Millisecond {
			s.limits.silent(all[timeout].net, TCP, all[timeout].port, all[timeout].first, 1)
			timeout++
		}
	}
	for ; timeout < len(all); timeout++ {
		s.limits.silent(all[timeout].net, TCP, all[timeout].port, all[timeout].first, 1)
	}
	for try := 2; try <= 4; try++ {
		rest := all[:0]
		for i := range all {
			sent := s.now
			if !ask(&all[i]) {
				s.limits.silent(all[i].net, TCP, all[i].port, sent, try)
				rest = append(rest, all[i])
			}
			s.now = s.now.Add(gap)
		}
		all = rest
	}
	s.silent = all
	return s
}

func TestRejectLimits(t *testing.T) {
	tests := []struct {
		name   string
		bucket icmpBucket
		rate   float64
		loss   float64
		want   bool
	}{
		{"Linux, for each destination, 20,000 a second", icmpBucket{burst: 6, rate: 1}, 20_000, 0, true},
		{"Linux, for each destination, 1,000 a second", icmpBucket{burst: 6, rate: 1}, 1000, 0, true},
		{"Linux, for each destination, with loss", icmpBucket{burst: 6, rate: 1}, 20_000, 0.1, true},
		{"Linux, in all, 100,000 a second", icmpBucket{burst: 50, rate: 1000}, 100_000, 0, true},
		{"two a second", icmpBucket{burst: 1, rate: 2}, 5000, 0, true},
		{"no limit", icmpBucket{}, 20_000, 0, false},
		{"no limit, slow", icmpBucket{}, 500, 0, false},
		{"no limit, with loss", icmpBucket{}, 20_000, 0.1, false},
		{"a limit that the sweep does not reach", icmpBucket{burst: 50, rate: 1000}, 5000, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for seed := range uint64(5) {
				s := newRejectSim(tt.bucket, tt.rate, tt.loss, seed+1)
				hidden, suspects := 0, 0
				for _, p := range s.silent {
					by, is := s.limits.suspect(p.net, TCP, p.port)
					if is {
						suspects++
						if by != s.router {
							t.Fatalf("%v is suspected", by)
						}
					}
					if p.rejected && !is {
						hidden++
					}
				}
				if tt.want && (suspects == 0 || hidden > 0) {
					t.Errorf("seed %d: %d rejects came, %d of %d silent paths are suspect, %d rejects are taken for silence", seed, s.seen, suspects, len(s.silent), hidden)
				}
				if !tt.want && suspects > 0 {
					t.Errorf("seed %d: %d of %d silent paths are suspect though rejects came as they should", seed, suspects, len(s.silent))
				}
				if _, is := s.limits.suspect(s.silent[0].net, UDP, s.silent[0].port); is {
					t.Errorf("seed %d: a port that nobody rejects is suspect", seed)
				}
			}
		})
	}
}

// Asked as slowly as is said, every rejected path is rejected, and what stays
// silent is silent.
func TestRejectsAskedSlowly(t *testing.T) {
	for _, bucket := range []icmpBucket{{burst: 6, rate: 1}, {burst: 1, rate: 2}, {burst: 50, rate: 1000}} {
		s := newRejectSim(bucket, max(20_000, 100*bucket.rate), 0, 4)
		start, asked, rejects := s.now, 0, 0
		for i := 0; i < len(s.silent) && asked < 400; i++ {
			p := s.silent[i]
			if _, is := s.limits.suspect(p.net, TCP, p.port); !is {
				continue // of this port no reject was seen at all
			}
			for n := 0; ; n++ {
				wait := s.limits.slow(p.net, TCP, p.port, s.now)
				if wait == 0 {
					break
				}
				if n > 3 {
					t.Fatalf("%+v: still %s to wait", bucket, wait)
				}
				s.now = s.now.Add(wait)
			}
			asked++
			if s.bucket.take(s.now) != p.rejected && p.rejected {
				t.Errorf("%+v: the %dth question, asked slowly, was not rejected", bucket, asked)
			}
			if p.rejected {
				rejects++
			}
		}
		if asked < 100 || rejects < 10 {
			t.Fatalf("%+v: %d rejects of %d", bucket, rejects, asked)
		}
		if each := s.now.Sub(start) / time.Duration(asked); each > rejectCeil {
			t.Errorf("%+v: %s for each question", bucket, each)
		}
	}
}

// A reject and a silence of one port in one subnet are suspect as long as
// nothing more is known of the router; other ports and subnets are not.
func TestRejectsOfAnUnknownRouter(t *testing.T) {
	l := newRejectLimits()
	here, there := netip.MustParsePrefix("198.18.1.0/24"), netip.MustParsePrefix("fd00:198::/64")
	router := netip.MustParseAddr("198.18.0.1")
	if _, is := l.suspect(here, TCP, 445); is {
		t.Error("suspect without any reject")
	}
	l.rejected(router, here, TCP, 445, at(0), at(1), 1)
	l.silent(here, TCP, 445, at(0), 1)
	if by, is := l.suspect(here, TCP, 445); !is || by != router {
		t.Errorf("%v, %v", by, is)
	}
	for _, p := range []struct {
		net  netip.Prefix
		port uint16
	}{{here, 135}, {there, 445}} {
		if _, is := l.suspect(p.net, TCP, p.port); is {
			t.Errorf("%v port %d is suspect", p.net, p.port)
		}
	}
	if wait := l.slow(here, TCP, 445, at(250)); wait != rejectSlow-250*time.Millisecond {
		t.Errorf("first slow question after %s", wait)
	}
	if wait := l.slow(here, TCP, 445, at(1250)); wait != 0 {
		t.Errorf("still %s", wait)
	}
	if wait := l.slow(here, TCP, 445, at(1250)); wait != rejectSlow {
		t.Errorf("second slow question after %s", wait)
	}
}

// More routers, ports or subnets than can be remembered make all silence suspect.
func TestRejectTablesAreBounded(t *testing.T) {
	net := netip.MustParsePrefix("198.18.1.0/24")
	fill := map[string]func(l *rejectLimits){
		"routers": func(l *rejectLimits) {
			for i := range 200 {
				l.rejected(netip.AddrFrom4([4]byte{198, 18, 0, byte(i)}), net, TCP, 445, at(0), at(1), 1)
			}
		},
		"ports": func(l *rejectLimits) {
			for i := range 2000 {
				l.rejected(netip.AddrFrom4([4]byte{198, 18, 0, 1}), net, TCP, uint16(i), at(0), at(1), 1)
			}
		},
		"subnets": func(l *rejectLimits) {
			for i := range 20_000 {
				n := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, byte(i >> 8), byte(i), 0}), 24)
				l.rejected(netip.AddrFrom4([4]byte{198, 18, 0, 1}), n, TCP, 445, at(0), at(1), 1)
			}
		},
	}
	for name, f := range fill {
		l := newRejectLimits()
		f(l)
		if len(l.routers) > rejectRouters || len(l.ports) > rejectPorts || len(l.classes) > rejectClasses {
			t.Errorf("%s: %d routers, %d ports, %d classes", name, len(l.routers), len(l.ports), len(l.classes))
		}
		if _, is := l.suspect(netip.MustParsePrefix("198.18.77.0/24"), TCP, 3389); !is {
			t.Errorf("%s: not everything is remembered, and silence is believed", name)
		}
	}
}

func TestRejectLimitsAllocateNothing(t *testing.T) {
	l := newRejectLimits()
	net, router := netip.MustParsePrefix("198.18.1.0/24"), netip.MustParseAddr("198.18.0.1")
	l.rejected(router, net, TCP, 445, at(0), at(1), 1)
	if n := testing.AllocsPerRun(1000, func() {
		l.rejected(router, net, TCP, 445, at(2), at(3), 1)
		l.silent(net, TCP, 445, at(4), 1)
		l.silent(net, TCP, 135, at(4), 1)
		l.suspect(net, TCP, 445)
		l.slow(net, TCP, 445, at(5))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRejectRouterIsJudged(t *testing.T) {
	tests := []struct {
		name            string
		r               rejectRouter
		limited, steady bool
	}{
		{"nothing known", rejectRouter{}, false, false},
		{"a burst, nothing after it yet", rejectRouter{rejects: 6, early: rejectMix{6, 18}, first: at(0), swept: at(100)}, false, false},
		{"a burst, then too little to say", rejectRouter{rejects: 6, early: rejectMix{6, 18}, late: rejectMix{0, 60}, first: at(0), swept: at(100)}, false, false},
		{"a burst, then none", rejectRouter{rejects: 6, early: rejectMix{6, 18}, late: rejectMix{0, 70}, first: at(0), swept: at(100)}, true, false},
		{"a burst, then as many", rejectRouter{rejects: 26, early: rejectMix{6, 18}, late: rejectMix{20, 60}, first: at(0), swept: at(100)}, false, true},
		{"as many, but most to later tries", rejectRouter{rejects: 46, recovered: 20, early: rejectMix{6, 18}, late: rejectMix{20, 60}, first: at(0), swept: at(100)}, true, false},
		{"as many, but more to later tries than loss explains", rejectRouter{rejects: 39, recovered: 13, early: rejectMix{6, 18}, late: rejectMix{20, 60}, first: at(0), swept: at(100)}, false, false},
		{"all in the burst, then none, for so long that even a limit would have let more through", rejectRouter{rejects: 6, early: rejectMix{6, 18}, late: rejectMix{0, 700}, first: at(0), swept: at(60_000)}, true, false},
		{"four in a minute", rejectRouter{rejects: 4, early: rejectMix{4, 1000}, first: at(0), swept: at(60_000)}, false, true},
		{"four in a second", rejectRouter{rejects: 4, early: rejectMix{4, 1000}, first: at(0), swept: at(1000)}, false, false},
	}
	for _, tt := range tests {
		if limited, steady := tt.r.limited(), tt.r.steady(); limited != tt.limited || steady != tt.steady {
			t.Errorf("%s: limited %v, steady %v", tt.name, limited, steady)
		}
	}
	limited := rejectRouter{rejects: 10, early: rejectMix{6, 18}, late: rejectMix{4, 9000}, lateCount: 4, firstLate: at(1000), lastLate: at(4000)}
	if got := limited.spacing(); got != 1250*time.Millisecond {
		t.Errorf("one reject a second: %s", got)
	}
	limited.lastLate = at(1003)
	if got := limited.spacing(); got != rejectFloor {
		t.Errorf("1,000 rejects a second: %s", got)
	}
	limited.lastLate = at(100_000)
	if got := limited.spacing(); got != rejectCeil {
		t.Errorf("a reject each 33 s: %s", got)
	}
	limited.lateCount = 2
	if got := limited.spacing(); got != rejectSlow {
		t.Errorf("not measured: %s", got)
	}
}
