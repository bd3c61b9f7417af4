package scanner

import (
	"testing"
	"time"
)

// repeating are peers that send an answer again, a second later, when it was
// lost (RFC 6298 2.1).
func repeating(seed int, loss float64) func(Shot, int) (Reply, time.Duration, bool) {
	return func(s Shot, try int) (Reply, time.Duration, bool) {
		took := 100 * time.Microsecond
		switch {
		case !opens(seed, &s), dice(seed, "out", &s, try) < loss:
			return Reply{}, 0, false
		case dice(seed, "back", &s, try) < loss:
			took += time.Second
		}
		return Reply{Outcome: Answered}, took, s.Protocol == TCP || took < time.Second
	}
}

// Losses cost little time where the network is quick: hosts that wait for the
// late tries of their silent paths keep no others from being asked, and an
// answer that was repeated makes no network slow.
func TestLossCostsLittleTime(t *testing.T) {
	sweep := func(seed int, loss float64) time.Duration {
		f := newFakeNet(repeating(seed, loss))
		cfg := f.config()
		cfg.Rate, cfg.Traces, cfg.Window = 20_000, -1, 4000
		hosts, _, took := collect(t, cfg, fleet(16_000, rowICMP, rowSMB, rowEPM, rowRemote))
		if wrong, silent := falseSilences(hosts, seed); wrong > 0 || silent < 5000 {
			t.Errorf("loss %v: %d of %d silences are false", loss, wrong, silent)
		}
		return took
	}
	for seed := range seeds(t, 3) {
		atBest := sweep(seed, 0)
		for _, loss := range []float64{0.02, 0.05} {
			if took := sweep(seed, loss); took > atBest*3/2 {
				t.Errorf("seed %d: %s with a loss of %v, %s without", seed, took, loss, atBest)
			}
		}
	}
}

func TestRepetitionIsNoSample(t *testing.T) {
	var r roundTrip
	if r.repetition(time.Second) {
		t.Error("nothing is known of the way: the first answer is no repetition")
	}
	r.add(time.Millisecond)
	for i := range repeatMost {
		if !r.repetition(1010 * time.Millisecond) {
			t.Errorf("answer %d after a second, where all others took a millisecond", i)
		}
	}
	if r.repetition(1010 * time.Millisecond) {
		t.Error("every answer takes a second: the network has become slow")
	}
	for range 3 * repeatMost {
		r.repetition(2 * time.Millisecond)
	}
	if !r.repetition(1010 * time.Millisecond) {
		t.Error("one answer in very many that took a second")
	}
	slow := roundTrip{limit: 600 * time.Millisecond}
	if slow.repetition(1100 * time.Millisecond) {
		t.Error("where a second is not unusual")
	}
}

// A path whose host is alive gets one try more than the rounds where they leave a
// doubt, if that is allowed; nothing else does.
func TestOneTryMore(t *testing.T) {
	for _, extra := range []int{0, 1} {
		f := newFakeNet(lossy(1, 0.05))
		cfg := f.config()
		cfg.Rate, cfg.Traces, cfg.Rounds, cfg.Extra = 5000, -1, 4, extra
		hosts, last, _ := collect(t, cfg, fleet(2000, rowICMP, rowSMB, rowEPM, rowRemote))
		if last.Stats.Silent < 600 {
			t.Fatalf("%+v", last.Stats)
		}
		for _, h := range hosts {
			alive, tries := false, 0
			for _, o := range h.Observations {
				alive = alive || o.Outcome == Answered
				if o.Outcome == Silent {
					tries = max(tries, o.Tries)
				}
			}
			want := cfg.Rounds
			if alive {
				want += extra
			}
			if tries != 0 && tries != want {
				t.Fatalf("%d more: %s, alive %v, was asked %d times", extra, h.Addr, alive, tries)
			}
		}
	}
}
