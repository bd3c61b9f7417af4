package scanner

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// paced runs a pacer against a simulated clock whose timers wake late, and
// returns how many packets left in how long, and the most in any window of
// catchUp.
func paced(rate float64, late func() time.Duration, long time.Duration) (sent int, took time.Duration, most int) {
	start := time.Unix(1_000_000_000, 0)
	now, p := start, newPacer(rate)
	type spurt struct {
		at time.Time
		n  int
	}
	var recent []spurt
	inWindow := 0
	for now.Sub(start) < long {
		n, wait := p.allow(now, batch)
		if n == 0 {
			now = now.Add(wait + late())
			continue
		}
		p.sent(n)
		sent += n
		inWindow += n
		recent = append(recent, spurt{now, n})
		for now.Sub(recent[0].at) > catchUp {
			inWindow -= recent[0].n
			recent = recent[1:]
		}
		most = max(most, inWindow)
		now = now.Add(time.Duration(n) * 300 * time.Nanosecond) // what sending costs
	}
	return sent, now.Sub(start), most
}

func TestPacerIsExact(t *testing.T) {
	lateness := map[string]func(*rand.Rand) time.Duration{
		"exact timers": func(*rand.Rand) time.Duration { return 0 },
		"60 µs late":   func(*rand.Rand) time.Duration { return 60 * time.Microsecond },
		"1 to 5 ms late": func(r *rand.Rand) time.Duration {
			return time.Millisecond + time.Duration(r.Int64N(int64(4*time.Millisecond)))
		},
		"jiffies of 4 ms": func(r *rand.Rand) time.Duration { return time.Duration(r.Int64N(int64(4 * time.Millisecond))) },
	}
	for name, late := range lateness {
		for _, rate := range []float64{10, 33, 90, 100, 150, 250, 1000, 3333, 10_000, 64_000, 100_000, 333_333, 1_000_000} {
			t.Run(fmt.Sprintf("%v a second, %s", rate, name), func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(rate), 7))
				long := max(2*time.Second, time.Duration(400/rate*float64(time.Second)))
				sent, took, most := paced(rate, func() time.Duration { return late(r) }, long)
				got := float64(sent) / took.Seconds()
				if got < 0.97*rate || got > 1.03*rate {
					t.Errorf("%.1f a second", got)
				}
				// What was due for catchUp, and what becomes due in it.
				if bound := 2 + int(2*rate*catchUp.Seconds()); most > bound {
					t.Errorf("%d packets within %s, bound %d", most, catchUp, bound)
				}
			})
		}
	}
}

func TestPacerSendsSinglePacketsAtLowRates(t *testing.T) {
	for _, rate := range []float64{1, 10, 50, 99} {
		p := newPacer(rate)
		now := time.Unix(0, 0)
		p.allow(now, batch)
		now = now.Add(time.Hour)
		if n, _ := p.allow(now, batch); n != 1 {
			t.Errorf("%v a second: %d at once after a stall", rate, n)
		}
		p.sent(1)
		if n, wait := p.allow(now, batch); n != 0 || wait < time.Duration(0.98*float64(time.Second)/rate)-catchUp {
			t.Errorf("%v a second: next after %s", rate, wait)
		}
	}
}

func TestPacerForgetsStalls(t *testing.T) {
	const rate = 10_000
	p := newPacer(rate)
	now := time.Unix(0, 0)
	p.allow(now, batch)
	p.sent(1)
	now = now.Add(3 * time.Second) // the machine slept
	burst := 0
	for {
		n, _ := p.allow(now, batch)
		if n == 0 {
			break
		}
		burst += n
		p.sent(n)
	}
	if burst < 100 || burst > 101 {
		t.Errorf("%d packets at once after a stall, want those of 10 ms", burst)
	}
}

func TestPacerWithoutLimit(t *testing.T) {
	p := newPacer(0)
	now := time.Unix(0, 0)
	if n, wait := p.allow(now, 64); n != 64 || wait != 0 {
		t.Errorf("%d, %s", n, wait)
	}
	p.sent(64)
	p.setRate(now, 1000) // what was sent without a limit is no debt
	if n, _ := p.allow(now, 64); n != 1 {
		t.Errorf("%d allowed at once", n)
	}
}

// A packet that nobody asked for (a canary, the second datagram of a question)
// is made up for.
func TestPacerCountsWhatWasNotAsked(t *testing.T) {
	p := newPacer(100)
	now := time.Unix(0, 0)
	p.allow(now, 1)
	p.sent(3)
	if n, wait := p.allow(now, 1); n != 0 || wait < 29*time.Millisecond || wait > 31*time.Millisecond {
		t.Errorf("%d, %s", n, wait)
	}
}

func TestPacerChangesItsRate(t *testing.T) {
	p := newPacer(1000)
	now := time.Unix(0, 0)
	p.allow(now, 1)
	p.sent(1)
	for _, rate := range []float64{2000, 50, 100_000, 400} {
		p.setRate(now, rate)
		sent := 0
		for end := now.Add(4 * time.Second); now.Before(end); {
			n, wait := p.allow(now, batch)
			p.sent(n)
			sent += n
			now = now.Add(wait)
		}
		if got := float64(sent) / 4; got < 0.97*rate || got > 1.03*rate {
			t.Errorf("%v a second became %.1f", rate, got)
		}
	}
}

func TestPacerAllocatesNothing(t *testing.T) {
	p := newPacer(1e6)
	now := time.Unix(0, 0)
	if n := testing.AllocsPerRun(1000, func() {
		now = now.Add(time.Millisecond)
		k, _ := p.allow(now, batch)
		p.sent(k)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPacer(b *testing.B) {
	p := newPacer(1e6)
	now := time.Unix(0, 0)
	for b.Loop() {
		now = now.Add(time.Microsecond)
		n, _ := p.allow(now, 1)
		p.sent(n)
	}
}

// BenchmarkPacerInRealTime says how exact the rate is with the timers of this
// machine; the figure of merit is off%.
func BenchmarkPacerInRealTime(b *testing.B) {
	for _, rate := range []float64{10, 1000, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("rate=%.0f", rate), func(b *testing.B) {
			p, sent, turns := newPacer(rate), 0, 0
			start := time.Now()
			last := start
			end := start.Add(max(500*time.Millisecond, time.Duration(10.5/rate*float64(time.Second))))
			for now := start; now.Before(end); now = time.Now() {
				n, wait := p.allow(now, batch)
				p.sent(n)
				sent += n
				turns++
				if n > 0 {
					last = now
				}
				if wait > 0 {
					time.Sleep(wait)
				}
			}
			got := float64(sent-1) / last.Sub(start).Seconds()
			b.ReportMetric(got, "packets/s")
			b.ReportMetric(100*(got/rate-1), "off%")
			b.ReportMetric(float64(turns), "turns")
			b.ReportMetric(0, "ns/op")
		})
	}
}
