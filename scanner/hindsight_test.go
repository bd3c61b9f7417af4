package scanner

import (
	"testing"
	"time"
)

// That this machine drops a SYN is learned a second after it was to leave: no
// path is called silent before that, and the word counts for what it says.
func TestOwnFilterIsLearnedLate(t *testing.T) {
	f := newFakeNet(func(s Shot, try int) (Reply, time.Duration, bool) {
		switch {
		case s.Port == 445 && try > 1:
			return Reply{}, 0, false
		case s.Port == 445:
			return Reply{Outcome: LocalError, Err: "own firewall"}, 1100 * time.Millisecond, true
		}
		return Reply{Outcome: Answered}, time.Millisecond, s.Port != 135
	})
	for _, late := range []time.Duration{0, 1100 * time.Millisecond} {
		f.tries = map[string]int{}
		cfg := f.config()
		cfg.Traces, cfg.Rate, cfg.Hindsight = -1, 2000, late
		hosts, last, took := collect(t, cfg, targets(200, rowICMP, rowSMB, rowEPM))
		silent := 0
		for _, h := range hosts {
			switch o := only(t, h, TCP, 445, ""); {
			case o.Outcome == Silent:
				silent++
			case o.Outcome != LocalError || o.Err != "own firewall":
				t.Fatalf("learned after %s: %+v", late, o)
			}
			if o := only(t, h, TCP, 135, ""); o.Outcome != Silent || o.Tries > 5 {
				t.Fatalf("learned after %s: %+v", late, o)
			}
		}
		if late == 0 && silent == 0 || late > 0 && silent > 0 { // what is not waited for looks like silence
			t.Errorf("learned after %s: %d are called silent", late, silent)
		}
		if late > 0 && (last.Stats.Silent != 200 || took > 4*time.Second) {
			t.Errorf("%+v, %s", last.Stats, took)
		}
	}
}
