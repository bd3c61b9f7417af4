package scanner

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// dice is a number from 0 to 1 that depends on nothing but what it is for.
func dice(seed int, what string, s *Shot, try int) float64 {
	h := fnv.New64a()
	b := s.Addr.As16()
	_, _ = h.Write(b[:])
	_ = binary.Write(h, binary.BigEndian, []int64{int64(seed), int64(s.Protocol), int64(s.Port), int64(try)})
	_, _ = h.Write([]byte(what))
	x := h.Sum64() // FNV mixes its last bytes too little
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}

// lossy are paths of which a tenth is silent, behind a link that loses packets
// in each direction.
func lossy(seed int, loss float64) func(Shot, int) (Reply, time.Duration, bool) {
	return func(s Shot, try int) (Reply, time.Duration, bool) {
		switch {
		case !opens(seed, &s), dice(seed, "out", &s, try) < loss, dice(seed, "back", &s, try) < loss:
			return Reply{}, 0, false
		}
		took := 5*time.Millisecond + time.Duration(20*dice(seed, "rtt", &s, try))*time.Millisecond
		return Reply{Outcome: Answered}, took, true
	}
}

func opens(seed int, s *Shot) bool { return dice(seed, "open", s, 0) >= 0.1 }

// falseSilences counts paths of hosts that are called silent and are open.
func falseSilences(hosts []*Host, seed int) (wrong, silent int) {
	for _, h := range hosts {
		for _, o := range h.Observations {
			if o.Outcome != Silent || !o.Sweep() {
				continue
			}
			silent++
			if opens(seed, &Shot{Addr: h.Addr, Protocol: o.Protocol, Port: o.Port}) {
				wrong++
			}
		}
	}
	return wrong, silent
}

// sweepOf is a check of 20,000 paths.
func sweepOf(t *testing.T, answer func(Shot, int) (Reply, time.Duration, bool)) ([]*Host, Progress, time.Duration) {
	t.Helper()
	f := newFakeNet(answer)
	cfg := f.config()
	cfg.Rate, cfg.Traces = 5000, -1
	return collect(t, cfg, fleet(5000, rowICMP, rowSMB, rowEPM, rowRemote))
}

// Random losses make no silence, and cost little time.
func TestRandomLossMakesNoSilence(t *testing.T) {
	_, clean, atBest := sweepOf(t, lossy(0, 0))
	if clean.Stats.Loss() != 0 || clean.Stats.Doubt() > maxDoubt || clean.Stats.MinTries < minTries {
		t.Errorf("without loss: %+v, doubt %f", clean.Stats, clean.Stats.Doubt())
	}
	for _, loss := range []float64{0.02, 0.05}[:fewer(t, "losses", 2, 1)] {
		for seed := range seeds(t, 10) {
			t.Run(fmt.Sprintf("%v/%d", loss, seed), func(t *testing.T) {
				hosts, last, took := sweepOf(t, lossy(seed, loss))
				wrong, silent := falseSilences(hosts, seed)
				if len(hosts) != 5000 || wrong > 0 || silent < 1500 {
					t.Errorf("%d hosts, %d of %d silences are false", len(hosts), wrong, silent)
				}
				if limit := atBest * 3 / 2; took > limit {
					t.Errorf("took %s, without loss %s", took, atBest)
				}
				want := 1 - (1-loss)*(1-loss)
				if got := last.Stats.Loss(); got < want*0.9 || got > want*1.1 {
					t.Errorf("loss %f, want about %f", got, want)
				}
				if d := last.Stats.Doubt(); d <= 0 || d > 0.03 { // 6 tries: 18,000 * 0.0975^6 is 0.015
					t.Errorf("doubt %f", d)
				}
			})
		}
	}
}

// A burst in which every packet is lost makes no silence either, and is no
// measure of the loss at other times.
func TestBurstMakesNoSilence(t *testing.T) {
	for seed := range seeds(t, 3) {
		hosts, last, _ := sweepOf(t, outages(lossy(seed, 0),
			700*time.Millisecond, 1700*time.Millisecond, 3200*time.Millisecond, 4200*time.Millisecond))
		if wrong, silent := falseSilences(hosts, seed); wrong > 0 || silent < 1500 {
			t.Errorf("%d of %d silences are false", wrong, silent)
		}
		// Until the canaries are missed, 0.2 s of each burst: then sending pauses.
		if s := last.Stats; s.Outage < 1800 || s.Outage > 3000 || s.Loss() > 0.01 {
			t.Errorf("%+v", s)
		}
	}
}

// One subnet that loses a quarter of its packets is asked as often as it needs
// to be, though the run on the whole loses next to nothing.
func TestLossOfASubnet(t *testing.T) {
	bad := func(a netip.Addr) bool { return a.As4()[2] == 3 }
	f := newFakeNet(func(s Shot, try int) (Reply, time.Duration, bool) {
		if s.Port == 445 || bad(s.Addr) && dice(1, "loss", &s, try) < 0.25 {
			return Reply{}, 0, false
		}
		return Reply{Outcome: Answered}, time.Millisecond, true
	})
	cfg := f.config()
	cfg.Rate, cfg.Traces, cfg.Rounds = 5000, -1, 12
	hosts, last, _ := collect(t, cfg, fleet(2560, rowSMB, rowICMP))
	for _, h := range hosts {
		if o := only(t, h, ICMP, 0, ""); o.Outcome != Answered {
			t.Errorf("%s: %+v", h.Addr, o)
		}
		o := only(t, h, TCP, 445, "")
		if few := o.Tries <= 7; few == bad(h.Addr) && h.Addr.As4()[2] != 0 {
			t.Fatalf("%s: %d tries", h.Addr, o.Tries)
		}
	}
	if d := last.Stats.Doubt(); d > 0.02 {
		t.Errorf("doubt %f", d)
	}
}

// What was sent when most packets were lost does not count, not even against
// the limit of the rounds.
func TestTriesInAnOutageDoNotCount(t *testing.T) {
	cfg, err := newFakeNet(nil).config().withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	for _, lost := range []int{momentTries - 1, momentTries} {
		e := newEngine(t.Context(), cfg)
		e.stats.Answered = 1000
		h := &hostRun{Host: &Host{Addr: addr(1)}, net: e.subnets.enter(addr(1))}
		task := &task{host: h, proto: TCP, port: 445}
		for range cfg.Rounds {
			e.now += minDeadline
			e.shots = append(e.shots[:0], e.shot(task, e.slots.take(task)))
			e.flying(&e.shots[0])
			for range lost {
				e.lost(h.net, e.now, true)
			}
		}
		e.now += minDeadline
		e.weigh()
		void := 0
		if lost == momentTries {
			void = cfg.Rounds
		}
		if got := e.void(task); got != void {
			t.Errorf("%d lost at the time of each try: %d of %d are void", lost, got, task.tries)
		}
		if _, more := e.oneMore(task, void); more != (void > 0) {
			t.Errorf("%d lost at the time of each try: asked again %v", lost, more)
		}
	}
}

// The link goes down near the end of the sweep and comes back after three tries:
// nothing shows that it was the link but that nothing else answers.
func TestOutageAtTheEnd(t *testing.T) {
	for _, end := range []time.Duration{900, 1200, 2000, 4000} {
		f := newFakeNet(outages(lossy(2, 0), 300*time.Millisecond, end*time.Millisecond))
		cfg := f.config()
		cfg.Rate, cfg.Traces = 5000, -1
		hosts, _, _ := collect(t, cfg, fleet(500, rowICMP, rowSMB, rowEPM, rowRemote))
		if wrong, silent := falseSilences(hosts, 2); wrong > 0 || silent < 150 {
			t.Errorf("until %d ms: %d of %d silences are false", end, wrong, silent)
		}
	}
}

// A link that goes down and stays so is no silence of the paths.
func TestLinkThatStaysDown(t *testing.T) {
	f := newFakeNet(outages(lossy(2, 0), 300*time.Millisecond, time.Hour))
	cfg := f.config()
	cfg.Rate, cfg.Traces = 5000, -1
	hosts, _, took := collect(t, cfg, fleet(500, rowICMP, rowSMB, rowEPM, rowRemote))
	wrong, _ := falseSilences(hosts, 2)
	failed := 0
	for _, h := range hosts {
		for _, o := range h.Observations {
			if o.Outcome == LocalError {
				failed++
			}
		}
	}
	if wrong > 0 || failed < 400 || took < canaryPatience || took > canaryPatience+15*time.Second {
		t.Errorf("%d silences are false, %d are called this machine's fault, %s", wrong, failed, took)
	}
}

// outages is a network in which nothing comes through from each first time to
// the second, counted from the first packet.
func outages(calm func(Shot, int) (Reply, time.Duration, bool), times ...time.Duration) func(Shot, int) (Reply, time.Duration, bool) {
	var started time.Time
	return func(s Shot, try int) (Reply, time.Duration, bool) {
		if started.IsZero() {
			started = time.Now()
		}
		at := time.Since(started)
		for i := 0; i < len(times); i += 2 {
			if at >= times[i] && at < times[i+1] {
				return Reply{}, 0, false
			}
		}
		return calm(s, try)
	}
}

// The tries of a silent path are not all made in the second of the first, where
// losses were seen, however few.
func TestLateTriesAreSpread(t *testing.T) {
	for _, loss := range []float64{0.0005, 0.03}[:fewer(t, "losses", 2, 1)] {
		f := newFakeNet(lossy(5, loss))
		cfg := f.config()
		cfg.Rate, cfg.Traces = 5000, -1
		collect(t, cfg, fleet(3000, rowICMP, rowSMB, rowEPM, rowRemote))
		first, last := map[netip.AddrPort]time.Time{}, map[netip.AddrPort]time.Time{}
		for _, s := range f.shots {
			to := netip.AddrPortFrom(s.Addr, s.Port)
			if first[to].IsZero() {
				first[to] = s.at
			}
			last[to] = s.at
		}
		silent := 0
		for to, at := range first {
			s := Shot{Addr: to.Addr(), Protocol: TCP, Port: to.Port()}
			if to.Port() == 0 {
				s.Protocol = ICMP
			}
			if opens(5, &s) || at.Sub(f.shots[0].at) < time.Second { // until then none may have been seen
				continue
			}
			silent++
			if span := last[to].Sub(at); span < time.Second {
				t.Fatalf("loss %v: %s: all tries within %s", loss, to, span)
			}
		}
		if silent < 300 {
			t.Errorf("%d silent paths", silent)
		}
	}
}

func TestAllSilentIsQuick(t *testing.T) {
	f := newFakeNet(func(Shot, int) (Reply, time.Duration, bool) { return Reply{}, 0, false })
	cfg := f.config()
	cfg.Rounds = 5
	hosts, last, took := collect(t, cfg, fleet(1000, rowICMP, rowSMB, rowEPM, rowRemote))
	if len(hosts) != 1000 || last.Packets != 20_000 || took > 1500*time.Millisecond {
		t.Errorf("%d hosts, %d packets, %s", len(hosts), last.Packets, took)
	}
}

// A network that is slower than any first guess is not silent.
func TestSlowNetwork(t *testing.T) {
	for _, rate := range []float64{0, 1000} {
		f := newFakeNet(func(s Shot, _ int) (Reply, time.Duration, bool) {
			return Reply{Outcome: Answered}, 700 * time.Millisecond, s.Port != 445
		})
		cfg := f.config()
		cfg.Rate, cfg.Traces = rate, -1
		hosts, last, _ := collect(t, cfg, fleet(600, rowICMP, rowSMB, rowEPM))
		for _, h := range hosts {
			if o := only(t, h, TCP, 135, ""); o.Outcome != Answered || o.Took != 700*time.Millisecond {
				t.Fatalf("%+v", o)
			}
		}
		if last.Stats.Loss() != 0 || last.Stats.Silent != 600 {
			t.Errorf("%+v", last.Stats)
		}
	}
}

// A slow branch behind a quick network: nothing of the branch is known when its
// first packets are waited for.
func TestSlowSubnet(t *testing.T) {
	slow := func(a netip.Addr) bool { return a.As4()[2] == 4 }
	for _, rate := range []float64{0, 5000} {
		f := newFakeNet(func(s Shot, _ int) (Reply, time.Duration, bool) {
			if slow(s.Addr) {
				return Reply{Outcome: Answered}, 900 * time.Millisecond, true
			}
			return Reply{Outcome: Answered}, 2 * time.Millisecond, true
		})
		cfg := f.config()
		cfg.Rate = rate
		hosts, _, _ := collect(t, cfg, fleet(2560, rowICMP, rowSMB))
		for _, h := range hosts {
			if o := only(t, h, TCP, 445, ""); o.Outcome != Answered {
				t.Fatalf("rate %v: %s: %+v", rate, h.Addr, o)
			}
		}
	}
}

// Silence in a time in which this machine lost packets is never a verdict.
func TestLastingTroubleIsNoSilence(t *testing.T) {
	f := newFakeNet(nil)
	f.answer = func(s Shot, _ int) (Reply, time.Duration, bool) {
		f.replies <- Reply{Outcome: LocalError, Err: "the receive buffer overflowed", Temporary: true, At: time.Now()}
		return Reply{Outcome: Answered}, time.Millisecond, s.Protocol == ICMP
	}
	hosts, last, took := collect(t, f.config(), targets(3, rowICMP, rowSMB))
	for _, h := range hosts {
		o := only(t, h, TCP, 445, "")
		if o.Outcome != LocalError || o.Err != "silent, but this machine lost packets: the receive buffer overflowed" {
			t.Errorf("%+v", o)
		}
	}
	if last.Stats.Trouble == 0 || last.Stats.Cause != "the receive buffer overflowed" || took > time.Minute {
		t.Errorf("%+v, %s", last.Stats, took)
	}
}

// Two silent routers on the way cost tenths of seconds.
func TestTraceWithSilentRouters(t *testing.T) {
	f := newFakeNet(func(s Shot, _ int) (Reply, time.Duration, bool) {
		switch {
		case s.HopLimit == 1 || s.HopLimit == 2:
			return Reply{}, 0, false
		case s.Port == 445:
			return Reply{Outcome: Refused, From: s.Addr, TTL: 63}, time.Millisecond, true
		}
		return Reply{Outcome: Answered, TTL: 62}, time.Millisecond, true
	})
	hosts, _, took := collect(t, f.config(), targets(1, rowSMB, rowEPM))
	if got := hops(hosts[0], 445); len(got) != 3 || got[2] != Refused || took > 900*time.Millisecond {
		t.Errorf("%v after %s", got, took)
	}
}

// A consumer that takes its time does not stop what is under way.
func TestSlowConsumer(t *testing.T) {
	f := newFakeNet(answers(time.Millisecond))
	cfg := f.config()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		for ev := range Run(t.Context(), cfg, fleet(4000, rowSMB)) {
			if ev.Host != nil {
				if n++; n%1000 == 0 {
					time.Sleep(3 * time.Second)
				}
				if o := ev.Host.Observations[0]; o.Outcome != Answered || o.Tries != 1 {
					t.Fatalf("%+v", o)
				}
			}
		}
		if n != 4000 {
			t.Errorf("%d hosts", n)
		}
	})
}

// A router that rejects but one packet a second, after the first few, swallows
// nothing: its limit is waited for.
func TestRejectsThatThinOut(t *testing.T) {
	router := netip.MustParseAddr("198.18.200.1")
	tokens, filled := rejectBurst, time.Time{}
	f := newFakeNet(func(s Shot, _ int) (Reply, time.Duration, bool) {
		if s.Port != 445 {
			return Reply{Outcome: Answered}, time.Millisecond, true
		}
		now := time.Now()
		if passed := int(now.Sub(filled) / time.Second); filled.IsZero() || passed > 0 {
			tokens, filled = min(rejectBurst, tokens+passed), now
		}
		if tokens == 0 {
			return Reply{}, 0, false
		}
		tokens--
		return Reply{Outcome: Rejected, From: router, ICMP: ICMPError{Type: 3, Code: 13}}, time.Millisecond, true
	})
	cfg := f.config()
	cfg.Traces = -1
	hosts, _, _ := collect(t, cfg, targets(9, rowICMP, rowSMB, rowEPM, rowRemote))
	for _, h := range hosts {
		if o := only(t, h, TCP, 445, ""); o.Outcome != Rejected {
			t.Errorf("%s: %+v", h.Addr, o)
		}
	}
}
