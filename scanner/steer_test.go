package scanner

import (
	"testing"
	"time"
)

// narrow is a network behind a bottleneck of so many packets a second, which
// holds a short queue and drops what is more.
func narrow(calm func(Shot, int) (Reply, time.Duration, bool), rate, queue float64) func(Shot, int) (Reply, time.Duration, bool) {
	level, last := 0.0, time.Time{}
	return func(s Shot, try int) (Reply, time.Duration, bool) {
		now := time.Now()
		if !last.IsZero() {
			level = max(0, level-now.Sub(last).Seconds()*rate)
		}
		if last = now; level+1 > queue {
			return Reply{}, 0, false
		}
		level++
		r, after, ok := calm(s, try)
		return r, after + time.Duration(level/rate*float64(time.Second)), ok
	}
}

// ratesOf counts the packets of each half second.
func ratesOf(f *fakeNet) []float64 {
	var rates []float64
	for _, s := range f.shots {
		i := int(s.at.Sub(f.shots[0].at) / (500 * time.Millisecond))
		for len(rates) <= i {
			rates = append(rates, 0)
		}
		rates[i] += 2
	}
	return rates
}

// A run finds the rate that a narrow network carries, and takes nothing that it
// lost itself for silence.
func TestBottleneckIsFound(t *testing.T) {
	tests := []struct{ carries, queue, loss, rate float64 }{
		{300, 20, 0.02, 1000},
		{2000, 50, 0, 20_000},
		{5000, 100, 0, 0},
	}
	for _, c := range tests[:fewer(t, "networks", len(tests), 1)] {
		f := newFakeNet(narrow(lossy(7, c.loss), c.carries, c.queue))
		cfg := f.config()
		cfg.Rate, cfg.Traces = c.rate, -1
		hosts, last, _ := collect(t, cfg, fleet(int(4*c.carries), rowICMP, rowSMB, rowEPM))
		if wrong, silent := falseSilences(hosts, 7); wrong > 0 || silent < int(c.carries) {
			t.Errorf("%+v: %d of %d silences are false", c, wrong, silent)
		}
		rates := ratesOf(f)
		if got := mean(rates[len(rates)/4:len(rates)/2]) / c.carries; got < 0.8 || got > 1.2 {
			t.Errorf("%+v: %.2f of what is carried; %.0f", c, got, rates)
		}
		s := last.Stats
		if got := s.Carried / c.carries; s.Cuts == 0 || got < 0.7 || got > 1.4 || s.Fastest < 0.9*min(10_000, max(c.rate, 1000)) {
			t.Errorf("%+v: %+v", c, s)
		}
	}
}

func mean(list []float64) float64 {
	sum := 0.0
	for _, x := range list {
		sum += x
	}
	return sum / float64(max(1, len(list)))
}

// Losses that do not depend on the rate do not slow the run down, but for one
// trial of a lower rate.
func TestRandomLossKeepsTheRate(t *testing.T) {
	for _, loss := range []float64{0, 0.02, 0.05} {
		for _, rate := range []float64{1000, 20_000}[:fewer(t, "rates", 2, 1)] {
			f := newFakeNet(lossy(3, loss))
			cfg := f.config()
			cfg.Rate, cfg.Traces = rate, -1
			hosts, last, _ := collect(t, cfg, fleet(int(rate), rowICMP, rowSMB, rowEPM, rowRemote))
			rates := ratesOf(f)
			if got := mean(rates[:8]) / rate; got < 0.9 || got > 1.01 {
				t.Errorf("loss %v, rate %v: %.2f of it in the first 4 s: %.0f", loss, rate, got, rates)
			}
			if got := mean(rates[4:8]) / rate; got < 0.97 || got > 1.03 {
				t.Errorf("loss %v, rate %v: %.2f of it after 2 s: %.0f", loss, rate, got, rates)
			}
			if wrong, _ := falseSilences(hosts, 3); wrong > 0 || last.Stats.Cuts > 0 {
				t.Errorf("loss %v, rate %v: %d false silences, %+v", loss, rate, wrong, last.Stats)
			}
		}
	}
}
