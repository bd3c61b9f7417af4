package scanner

import (
	"testing"
	"time"
)

// In an outage sending pauses soon, and goes on soon after it; nothing that is
// open is called silent, also at a rate at which an outage is but a few packets.
func TestSendingPausesInAnOutage(t *testing.T) {
	for _, rate := range []float64{200, 5000}[:fewer(t, "rates", 2, 1)] {
		from, to := 1500*time.Millisecond, 3500*time.Millisecond
		f := newFakeNet(outages(lossy(4, 0), from, to))
		cfg := f.config()
		cfg.Rate, cfg.Traces = rate, -1
		hosts, last, _ := collect(t, cfg, fleet(int(rate), rowICMP, rowSMB, rowEPM, rowRemote))
		if wrong, silent := falseSilences(hosts, 4); wrong > 0 || silent < int(rate)/4 {
			t.Errorf("rate %v: %d of %d silences are false", rate, wrong, silent)
		}
		began := f.shots[0].at
		inPause, after := 0, 0
		for _, s := range f.shots {
			switch at := s.at.Sub(began); {
			case at > from+time.Second && at < to:
				inPause++
			case at > to+200*time.Millisecond && at < to+700*time.Millisecond:
				after++
			}
		}
		if inPause > 12 || after < int(rate)/4 {
			t.Errorf("rate %v: %d packets in the outage, %d after it", rate, inPause, after)
		}
		if s := last.Stats; s.Loss() > 0.01 || s.Outage == 0 || s.MinTries < minTries || s.Doubt() > maxDoubt {
			t.Errorf("rate %v: %+v, doubt %f", rate, s, s.Doubt())
		}
	}
}

// Where all answers end for good, what was not answered is not called silent.
func TestOutageWithoutAnEnd(t *testing.T) {
	f := newFakeNet(outages(lossy(4, 0), time.Second, time.Hour))
	cfg := f.config()
	cfg.Rate, cfg.Traces = 1000, -1
	hosts, last, took := collect(t, cfg, fleet(1000, rowICMP, rowSMB))
	wrong, _ := falseSilences(hosts, 4)
	unknown := 0
	for _, h := range hosts {
		for _, o := range h.Observations {
			if o.Outcome == LocalError {
				unknown++
			}
		}
	}
	if len(hosts) != 1000 || wrong > 0 || unknown < 900 || took > 2*time.Minute {
		t.Errorf("%d hosts, %d false silences, %d unknown, %s, %+v", len(hosts), wrong, unknown, took, last.Stats)
	}
}

// Canaries are few, and none where a run is short.
func TestCanariesAreFew(t *testing.T) {
	for _, rate := range []float64{0, 10, 1000, 20_000}[:fewer(t, "rates", 4, 3)] {
		f := newFakeNet(answers(time.Millisecond))
		cfg := f.config()
		cfg.Rate = rate
		paths := 40
		if rate > 10 {
			paths = int(rate) * 4
		}
		_, last, _ := collect(t, cfg, fleet(paths, rowICMP))
		most, least := paths/100, 0
		if rate > 10 {
			least = min(int(3*rate/100), 300)
		}
		if n := int(last.Packets) - paths; n < least || n > most {
			t.Errorf("rate %v: %d canaries, want %d to %d", rate, n, least, most)
		}
		if s := last.Stats; s.Answered != paths || s.Loss() != 0 || s.Silent != 0 {
			t.Errorf("rate %v: %+v", rate, s)
		}
	}
}
