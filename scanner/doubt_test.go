package scanner

import (
	"math"
	"net/netip"
	"testing"
	"time"
)

// world is a simulated network.
type world struct {
	name   string
	hosts  int
	subnet int                    // hosts in a subnet
	off    float64                // the share of the hosts that are off
	open   float64                // of the paths of a host that is on, those that answer
	loss   func(net byte) float64 // the share of round trips that are lost
	rows   []*Requirement
	rounds int
	runs   int
}

var allRows = []*Requirement{rowICMP, rowSMB, rowEPM, rowRemote}

// truth reports whether a path would answer.
func (w *world) truth(seed int, s *Shot) bool {
	host := Shot{Addr: s.Addr}
	return dice(seed, "on", &host, 0) >= w.off && dice(seed, "open", s, 0) < w.open
}

func (w *world) addr(i int) netip.Addr {
	n := i / w.subnet
	return netip.AddrFrom4([4]byte{198, 18 + byte(n>>8), byte(n), byte(i%w.subnet + 1)})
}

// run returns how many silences are false, and what the run knows of itself.
func (w *world) run(t *testing.T, seed int) (wrong int, stats Stats) {
	t.Helper()
	f := newFakeNet(func(s Shot, try int) (Reply, time.Duration, bool) {
		if !w.truth(seed, &s) || dice(seed, "loss", &s, try) < w.loss(s.Addr.As4()[2]) {
			return Reply{}, 0, false
		}
		return Reply{Outcome: Answered}, 5 * time.Millisecond, true
	})
	cfg := f.config()
	cfg.Rate, cfg.Traces, cfg.Rounds = 5000, -1, w.rounds
	hosts, last, _ := collect(t, cfg, func(yield func(Target) bool) {
		for i := range w.hosts {
			if !yield(Target{Name: w.addr(i).String(), Addr: w.addr(i), Rows: w.rows}) {
				return
			}
		}
	})
	if len(hosts) != w.hosts {
		t.Fatalf("%d hosts", len(hosts))
	}
	for _, h := range hosts {
		for _, o := range h.Observations {
			if o.Outcome == Silent && o.Sweep() && w.truth(seed, &Shot{Addr: h.Addr, Protocol: o.Protocol, Port: o.Port}) {
				wrong++
			}
		}
	}
	return wrong, last.Stats
}

func same(loss float64) func(byte) float64 { return func(byte) float64 { return loss } }

var worlds = []world{
	{name: "alike", hosts: 1000, subnet: 250, open: 0.9, loss: same(0.19), rows: allRows, rounds: 3, runs: 8},
	{name: "more rounds", hosts: 1000, subnet: 250, open: 0.9, loss: same(0.19), rows: allRows, rounds: 4, runs: 16},
	{name: "half of the hosts are off", hosts: 1000, subnet: 250, off: 0.5, open: 0.8, loss: same(0.19), rows: allRows, rounds: 3, runs: 8},
	{name: "one path to a host", hosts: 2000, subnet: 250, off: 0.2, open: 0.9, loss: same(0.19), rows: allRows[:1], rounds: 3, runs: 8},
	{name: "small subnets", hosts: 1000, subnet: 4, open: 0.9, loss: same(0.19), rows: allRows, rounds: 3, runs: 8},
	{name: "small runs", hosts: 40, subnet: 40, open: 0.9, loss: same(0.25), rows: allRows, rounds: 3, runs: 80},
	{name: "bad subnets", hosts: 1000, subnet: 50, open: 0.9, loss: badSubnets, rows: allRows, rounds: 4, runs: 10},
	{name: "subnets of all kinds", hosts: 1000, subnet: 10, open: 0.9, loss: allKinds, rows: allRows, rounds: 3, runs: 8},
}

// badSubnets are a fifth of all.
func badSubnets(n byte) float64 {
	if n%5 == 0 {
		return 0.35
	}
	return 0.01
}

func allKinds(n byte) float64 { return 0.4 * dice(1, "of", &Shot{Port: uint16(n)}, 0) }

// The doubt of many runs is the number of false silences in them, whatever the
// network: within what chance allows, and a seventh.
func TestDoubtIsCalibrated(t *testing.T) {
	for i, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			wrong, doubt, silent := 0, 0.0, 0
			runs := seeds(t, w.runs)
			for seed := range runs {
				n, stats := w.run(t, 1000*i+seed)
				wrong += n
				doubt += stats.Doubt()
				silent += stats.Silent
			}
			t.Logf("%d runs: %d of %d silences are false, %.1f were expected", runs, wrong, silent, doubt)
			if off := math.Abs(float64(wrong) - doubt); off > 3*math.Sqrt(doubt)+doubt/7 {
				t.Error("the doubt is wrong")
			}
		})
	}
}

// Where the rounds do not end it, the silent paths are asked until the doubt of
// the whole run is small, and no more often than that needs.
func TestDoubtIsBroughtDown(t *testing.T) {
	for i, w := range worlds {
		w.rounds = maxTried
		t.Run(w.name, func(t *testing.T) {
			wrong, stats := w.run(t, 1000*i)
			d := stats.Doubt()
			t.Logf("doubt %.5f, the fewest tries %d", d, stats.MinTries)
			if wrong > 0 || d > maxDoubt || stats.MinTries < minTries || stats.MinTries >= maxTried {
				t.Errorf("%d silences are false, doubt %f, the fewest tries %d", wrong, d, stats.MinTries)
			}
		})
	}
}

// The tries of each silent path count, and not the fewest of any.
func TestDoubtCountsEachPathsTries(t *testing.T) {
	s := Stats{Answered: 9000, Tries: 10000, Silent: 1000, MinTries: 3}
	s.Judged.Beside = 9000
	s.Judged.Alive[3], s.Judged.Alive[8] = 1, 999
	if d := s.Doubt(); d < 0.008 || d > 0.01 { // 9 paths answered for each, at a loss of 0.1 after 3 tries
		t.Errorf("doubt %f", d)
	}
	s.Judged.Alive[3], s.Judged.Alive[8] = 1000, 0
	if d := s.Doubt(); d < 8 || d > 10 {
		t.Errorf("after 3 tries each: %f", d)
	}
	s.Judged.Dead, s.Judged.Alive = s.Judged.Alive, Tried{} // of hosts that may have been off
	if d := s.Doubt(); d > 0.01 {
		t.Errorf("of silent hosts, where others answer at several paths: %f", d)
	}
}

// How far subnets are alike decides how much the run says of each.
func TestWeightOfASubnet(t *testing.T) {
	var none, alike, unlike unlikeness
	for i := range 200 {
		alike.add(sample{200, 20 + (i%9 - 4)}, 1)
		unlike.add(sample{200, 40 * (i % 2)}, 1)
	}
	if w := none.weight(0.1); w != weight {
		t.Errorf("nothing known: %f", w)
	}
	if w := alike.weight(0.1); w < 1000 {
		t.Errorf("alike: %f", w)
	}
	if w := unlike.weight(0.1); w < 5 || w > 12 { // variance 0.01 of the share: 0.09/0.01 - 1
		t.Errorf("unlike: %f", w)
	}
}
