package scanner

import (
	"fmt"
	"testing"
	"time"
)

const simShort = time.Millisecond

// A bottleneck is found, whatever its queue and whatever random loss there is
// beside it: the mean rate comes within 20 % of it, and few packets are lost.
func TestCongestionFindsABottleneck(t *testing.T) {
	tests := []struct {
		rate, queue, loss, ceiling float64
		seed                       uint64
	}{
		{300, 20, 0, 1000, 1},
		{300, 20, 0.02, 1000, 1},
		{1000, 50, 0, 100_000, 1},
		{1000, 50, 0.05, 100_000, 1},
		{5000, 50, 0, 100_000, 1},
		{5000, 250, 0.02, 100_000, 1},
		{5000, 250, 0.05, 0, 1},
		{10_000, 100, 0, 0, 1},
	}
	for _, tt := range tests[:fewer(t, "networks", len(tests), 3)] {
		t.Run(fmt.Sprintf("%.0f a second, queue %.0f, loss %.2f, seed %d", tt.rate, tt.queue, tt.loss, tt.seed), func(t *testing.T) {
			t.Parallel()
			net := simNet{rtt: 10 * simShort, alive: 0.8, bottleneck: tt.rate, queue: tt.queue, loss: tt.loss}
			paths := int(20 * tt.rate)
			run := sim(net, tt.ceiling, paths, tt.seed)
			if mean := run.mean(100, len(run.rates)-15) / tt.rate; mean < 0.8 || mean > 1.2 {
				t.Errorf("mean rate after 10 s: %.2f of the bottleneck's", mean)
			}
			if lost := float64(run.lost) / float64(run.sent); lost > 0.22 {
				t.Errorf("%.0f %% of all packets were lost", 100*lost)
			}
			if run.wrong > paths/5000 {
				t.Errorf("%d paths of %d are falsely silent", run.wrong, paths)
			}
		})
	}
}

// Loss that does not depend on the rate does not slow the run.
func TestCongestionBearsRandomLoss(t *testing.T) {
	for _, loss := range []float64{0.02, 0.05, 0.1} {
		for _, ceiling := range []float64{300, 1000, 20_000}[:fewer(t, "ceilings", 3, 2)] {
			t.Run(fmt.Sprintf("%.2f at %.0f", loss, ceiling), func(t *testing.T) {
				t.Parallel()
				paths := int(6 * ceiling)
				with := sim(simNet{rtt: 5 * simShort, alive: 0.8, loss: loss}, ceiling, paths, 3)
				if mean := with.mean(40, 80) / ceiling; mean < 0.95 {
					t.Errorf("mean rate from 4 s to 8 s: %.2f of the ceiling", mean)
				}
				lossless := sim(simNet{rtt: 5 * simShort, alive: 0.8}, ceiling, paths, 3)
				if most := lossless.took.Seconds()*float64(with.sent)/float64(lossless.sent) + 1.5; with.took.Seconds() > most {
					t.Errorf("took %s, without loss %s", with.took, lossless.took)
				}
			})
		}
	}
}

// Without loss the ceiling is reached in a few hundred milliseconds, more only
// where the round trip is long; and then it is held.
func TestCongestionReachesFullSpeed(t *testing.T) {
	tests := []struct {
		rtt   time.Duration
		after int // tenths of a second
	}{{simShort, 4}, {20 * simShort, 5}, {80 * simShort, 9}}
	for _, tt := range tests[:fewer(t, "networks", len(tests), 1)] {
		run := sim(simNet{rtt: tt.rtt, alive: 0.8}, 100_000, 120_000, 1)
		if early := run.rates[tt.after]; early < 99_000 {
			t.Errorf("round trip %s: %.0f a second after %d ms", tt.rtt, early, 100*tt.after)
		}
		if mean := run.mean(tt.after, 18); mean < 99_000 || mean > 101_000 {
			t.Errorf("round trip %s: %.0f a second", tt.rtt, mean)
		}
	}
	if run := sim(simNet{rtt: simShort, alive: 0.8}, 1000, 3000, 1); run.rates[0] < 990 {
		t.Errorf("at the default rate there must be no start: %.0f", run.rates[0])
	}
}

// Without a ceiling the machine is the limit, and the rate does not run away
// from it.
func TestCongestionWithoutCeiling(t *testing.T) {
	run := sim(simNet{rtt: simShort, alive: 0.8, machine: 90_000}, 0, 120_000, 1)
	if mean := run.mean(5, 20); mean < 89_000 {
		t.Errorf("%.0f a second", mean)
	}
	if run.last > 4*90_000 {
		t.Errorf("the rate went to %.0f", run.last)
	}
}

// Paths that never answer are no loss: silence slows nothing, though a
// network in which nothing at all answers is not flooded.
func TestCongestionAndSilence(t *testing.T) {
	silent := sim(simNet{rtt: simShort, machine: 100_000}, 0, 20_000, 1)
	if mean := silent.mean(5, 20); mean < 30_000 || mean > blindRate {
		t.Errorf("nothing answers: %.0f a second", mean)
	}
	if small := sim(simNet{rtt: simShort, machine: 100_000}, 0, 4000, 1); small.took > 1700*time.Millisecond {
		t.Errorf("1,000 silent hosts with 4 paths took %s for 6 tries", small.took)
	}
	if fewer(t, "networks", 4, 2) == 2 {
		return
	}
	few := sim(simNet{rtt: simShort, alive: 0.01}, 100_000, 60_000, 1)
	if mean := few.mean(6, 20); mean < 99_000 {
		t.Errorf("one in a hundred answers: %.0f a second", mean)
	}
	early := sim(simNet{rtt: simShort, alive: 0.9, deadFrom: 1500}, 100_000, 60_000, 1)
	if mean := early.mean(25, 30); mean < 80_000 {
		t.Errorf("all silent from the 1,500th path on, in the middle of the start: %.0f a second", mean)
	}
}

// All is lost for 1 s, twice. Told of the windows, the control is back soon
// after; on its own it takes that for congestion, but recovers.
func TestCongestionAndBursts(t *testing.T) {
	net := simNet{rtt: 5 * simShort, alive: 0.8, bursts: []span{{at(1500), at(2500)}, {at(5000), at(6000)}}}
	for _, ceiling := range []float64{1000, 20_000}[:fewer(t, "ceilings", 2, 1)] {
		net.canaries = true
		run := sim(net, ceiling, int(6*ceiling), 5)
		for _, from := range []int{33, 68} {
			if mean := run.mean(from, from+15) / ceiling; mean < 0.95 {
				t.Errorf("ceiling %.0f, told: %.2f of it from %d00 ms on", ceiling, mean, from)
			}
		}
		net.canaries = false
		run = sim(net, ceiling, int(10*ceiling), 5)
		if mean := run.mean(90, 120) / ceiling; mean < 0.9 {
			t.Errorf("ceiling %.0f, not told: %.2f of it in the end", ceiling, mean)
		}
	}
}

// What this machine loses itself slows it down to what it bears.
func TestCongestionOfThisMachine(t *testing.T) {
	run := sim(simNet{rtt: 5 * simShort, alive: 0.8, buffer: 30_000}, 0, 120_000, 1)
	if mean := run.mean(20, 50); mean < 15_000 || mean > 33_000 {
		t.Errorf("%.0f a second where 30,000 are borne", mean)
	}
}

func TestEvidenceWorse(t *testing.T) {
	tests := []struct {
		name      string
		here, low evidence
		want      bool
	}{
		{"nothing", evidence{}, evidence{}, false},
		{"no comparison", evidence{answered: 10, lost: 90}, evidence{}, false},
		{"the same loss", evidence{answered: 900, lost: 100}, evidence{answered: 90, lost: 10}, false},
		{"chance", evidence{answered: 36, lost: 4}, evidence{answered: 98, lost: 2}, false},
		{"more than chance", evidence{answered: 360, lost: 40}, evidence{answered: 980, lost: 20}, true},
		{"certain, but too little to matter", evidence{answered: 98_500, lost: 1500}, evidence{answered: 100_000}, false},
		{"less", evidence{answered: 1000}, evidence{answered: 500, lost: 500}, false},
	}
	for _, tt := range tests {
		if got := tt.here.worse(tt.low); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestCongestionAllocatesNothing(t *testing.T) {
	c, now := newCongestion(0), at(0)
	if n := testing.AllocsPerRun(5000, func() {
		sent := now
		c.sent(sent, 1, 0)
		now += time.Millisecond
		c.retried(sent, true)
		c.recovered(sent, true)
		c.answered(now, false)
		c.answered(now, true)
		c.rejected(now, false)
		c.lost(now)
		c.tick(now, time.Millisecond)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCongestion(b *testing.B) {
	c, now := newCongestion(100_000), at(0)
	for b.Loop() {
		c.sent(now, 1, 0)
		now += 10 * time.Microsecond
		c.answered(now, true)
		c.tick(now, time.Millisecond)
	}
}
