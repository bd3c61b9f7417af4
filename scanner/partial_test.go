package scanner

import (
	"fmt"
	"testing"
	"time"
)

// partly is a network that loses a share of all round trips in the times from
// each first to the second, counted from the first packet.
func partly(seed int, share float64, calm func(Shot, int) (Reply, time.Duration, bool), times ...time.Duration) func(Shot, int) (Reply, time.Duration, bool) {
	var started time.Time
	return func(s Shot, try int) (Reply, time.Duration, bool) {
		if started.IsZero() {
			started = time.Now()
		}
		at := time.Since(started)
		for i := 0; i < len(times); i += 2 {
			if at >= times[i] && at < times[i+1] && dice(seed, "window", &s, try) < share {
				return Reply{}, 0, false
			}
		}
		return calm(s, try)
	}
}

// An outage that lets a few packets through is an outage: what was silent in it
// does not count. The run takes four seconds without.
func TestPartialOutageMakesNoSilence(t *testing.T) {
	starts := []time.Duration{100, 700, 2500, 3700, 4200}
	shares := []float64{0.99, 0.9, 0.999}
	for _, share := range shares[:fewer(t, "shares", 3, 1)] {
		for seed := range seeds(t, 10) {
			from := (starts[seed%len(starts)] + time.Duration(seed*7)) * time.Millisecond
			t.Run(fmt.Sprintf("%v/%s", share, from), func(t *testing.T) {
				hosts, last, took := sweepOf(t, partly(seed, share, lossy(seed, 0), from, from+time.Second))
				wrong, silent := falseSilences(hosts, seed)
				failed := 0
				for _, h := range hosts {
					for _, o := range h.Observations {
						if o.Outcome == LocalError {
							failed++
						}
					}
				}
				if len(hosts) != 5000 || wrong > 0 || silent < 1500 || failed > 0 {
					t.Errorf("%d hosts, %d of %d silences are false, %d faults, %s: %+v", len(hosts), wrong, silent, failed, took, last.Stats)
				}
			})
		}
	}
}

// So is one that by chance lets through first packets only: they show that
// something comes through, and no retry shows that anything was lost. The hosts
// come slower than they could be asked, so that no retry waits for its turn.
func TestOutageThatHidesItsLosses(t *testing.T) {
	for seed := range seeds(t, 3) {
		calm := lossy(seed, 0)
		var started time.Time
		f := newFakeNet(func(s Shot, try int) (Reply, time.Duration, bool) {
			if started.IsZero() {
				started = time.Now()
			}
			at := time.Since(started)
			if at >= time.Second && at < 2*time.Second && (try > 1 || dice(seed, "window", &s, try) < 0.998) {
				return Reply{}, 0, false
			}
			return calm(s, try)
		})
		cfg := f.config()
		cfg.Rate, cfg.Traces = 20_000, -1
		hosts, last, _ := collect(t, cfg, func(yield func(Target) bool) {
			for target := range fleet(5000, rowICMP, rowSMB, rowEPM, rowRemote) {
				if time.Sleep(700 * time.Microsecond); !yield(target) { // of the bubble's time
					return
				}
			}
		})
		if wrong, silent := falseSilences(hosts, seed); wrong > 0 || silent < 1500 {
			t.Errorf("seed %d: %d of %d silences are false: %+v", seed, wrong, silent, last.Stats)
		}
	}
}

// A part of the network that is off is no outage: its silence costs one try
// more, and nothing else.
func TestDeadRegionIsNoOutage(t *testing.T) {
	f := newFakeNet(func(s Shot, _ int) (Reply, time.Duration, bool) {
		return Reply{Outcome: Answered}, time.Millisecond, s.Addr.As4()[2] < 8
	})
	cfg := f.config()
	cfg.Rate, cfg.Traces = 5000, -1
	hosts, last, took := collect(t, cfg, targets(12<<8, rowICMP, rowSMB))
	for _, h := range hosts {
		for _, o := range h.Observations {
			if off := h.Addr.As4()[2] >= 8; off != (o.Outcome == Silent) || o.Tries > minTries+1 {
				t.Fatalf("%s: %+v", h.Addr, o)
			}
		}
	}
	if last.Stats.Outage > 0 || took > 5*time.Second {
		t.Errorf("%+v, %s", last.Stats, took)
	}
}
