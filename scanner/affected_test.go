package scanner

import (
	"math/rand/v2"
	"testing"
	"time"
)

func at(ms int) time.Time { return time.Unix(1_000_000, 0).Add(time.Duration(ms) * time.Millisecond) }

func TestAffectedWindows(t *testing.T) {
	type span struct{ from, to int }
	tests := []struct {
		name  string
		add   []span
		want  []span
		yes   []span
		clear []span
	}{
		{"nothing", nil, nil, nil, []span{{0, 1000}}},
		{"one", []span{{1000, 2000}}, []span{{1000, 2000}}, []span{{500, 1000}, {1500, 1600}, {2000, 2200}, {0, 9000}}, []span{{0, 999}, {2001, 2500}}},
		{"told backwards", []span{{2000, 1000}}, []span{{1000, 2000}}, []span{{1500, 1600}}, []span{{2001, 2500}}},
		{"apart, out of order", []span{{5000, 6000}, {1000, 2000}}, []span{{1000, 2000}, {5000, 6000}}, []span{{1999, 3000}, {4000, 5000}}, []span{{2001, 4999}}},
		{"near", []span{{1000, 2000}, {2099, 3000}}, []span{{1000, 3000}}, []span{{2050, 2060}}, nil},
		{"inside", []span{{1000, 3000}, {1500, 1600}}, []span{{1000, 3000}}, []span{{2500, 2600}}, []span{{3001, 3002}}},
		{"bridge", []span{{1000, 2000}, {3000, 4000}, {9000, 9100}, {1950, 3001}}, []span{{1000, 4000}, {9000, 9100}}, []span{{2500, 2600}}, []span{{4001, 8999}}},
		{"over all", []span{{1000, 2000}, {3000, 4000}, {0, 9000}}, []span{{0, 9000}}, []span{{8000, 8001}}, []span{{9001, 9002}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var a affected
			for _, s := range tt.add {
				a.add(at(s.from), at(s.to))
			}
			if a.count != len(tt.want) {
				t.Fatalf("%d windows: %v", a.count, a.windows[:a.count])
			}
			for i, w := range tt.want {
				if a.windows[i] != (window{at(w.from), at(w.to)}) {
					t.Errorf("window %d: %v", i, a.windows[i])
				}
			}
			for _, s := range tt.yes {
				if !a.touched(at(s.from), at(s.to)) {
					t.Errorf("a try from %d to %d is not touched", s.from, s.to)
				}
			}
			for _, s := range tt.clear {
				if a.touched(at(s.from), at(s.to)) {
					t.Errorf("a try from %d to %d is touched", s.from, s.to)
				}
			}
		})
	}
}

func TestAffectedReport(t *testing.T) {
	var a affected
	a.report(at(1000))
	if !a.touched(at(900), at(1100)) || !a.touched(at(990), at(995)) || a.touched(at(1001), at(1200)) || a.touched(at(0), at(900)) {
		t.Errorf("%v", a.windows[:a.count])
	}
}

// However many windows there are, the account stays bounded, and no try that
// met one is ever said to be clear of all.
func TestAffectedIsBoundedAndCareful(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 20 {
		var a affected
		var all []window
		for range 400 {
			since := at(r.IntN(200_000))
			w := window{since, since.Add(time.Duration(r.IntN(300)) * time.Millisecond)}
			all = append(all, w)
			a.add(w.since, w.until)
		}
		for i := 1; i < a.count; i++ {
			if !a.windows[i-1].until.Before(a.windows[i].since) || a.windows[i].until.Before(a.windows[i].since) {
				t.Fatalf("round %d: out of order: %v", round, a.windows[:a.count])
			}
		}
		for _, w := range all {
			if !a.touched(w.since, w.since) || !a.touched(w.until, w.until) {
				t.Fatalf("round %d: %v is lost", round, w)
			}
		}
	}
	var a affected
	for i := range affectedWindows { // exactly full, far apart
		a.add(at(i*10_000), at(i*10_000+10))
	}
	if a.count != affectedWindows || a.touched(at(5000), at(5100)) {
		t.Fatalf("%d windows", a.count)
	}
	a.add(at(7000), at(7010))
	if a.count > affectedWindows || !a.touched(at(8000), at(8001)) || a.touched(at(15_000), at(15_100)) {
		t.Errorf("not the nearest two were joined: %v", a.windows[:3])
	}
}

func TestAffectedAllocatesNothing(t *testing.T) {
	var a affected
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		i += 500
		a.report(at(i))
		a.touched(at(i-200), at(i+3))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
