package scanner

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// errorBudget is how a router limits its errors to one destination: a bucket of
// which each takes cost tokens.
type errorBudget struct {
	burst, rate float64
	cost        float64
	// spills: an error that must not be sent costs a token all the same, as of
	// a route of Linux that prohibits (ip_error, then icmpv4_xrlim_allow).
	spills bool
	tokens float64
	filled time.Time
}

func (b *errorBudget) take() bool {
	now := time.Now()
	if b.filled.IsZero() {
		b.tokens = b.burst
	} else {
		b.tokens = min(b.burst, b.tokens+b.rate*now.Sub(b.filled).Seconds())
	}
	b.filled = now
	if b.tokens < b.cost {
		if b.spills && b.tokens >= 1 {
			b.tokens--
		}
		return false
	}
	b.tokens -= b.cost
	return true
}

var rationing = netip.MustParseAddr("198.18.200.1")

// rejecting is a site of which nothing answers for a part of the hosts, and of
// which a router rejects a part of the paths, in so far as it may.
func rejecting(seed int, share, loss float64, limit *errorBudget) func(Shot, int) (Reply, time.Duration, bool) {
	return func(s Shot, try int) (Reply, time.Duration, bool) {
		lost := dice(seed, "out", &s, try) < loss || dice(seed, "back", &s, try) < loss
		switch {
		case rejects(seed, share, &s):
			if limit != nil && !limit.take() || lost {
				return Reply{}, 0, false
			}
			return Reply{Outcome: Rejected, From: rationing, ICMP: ICMPError{Type: 3, Code: 13}}, 2 * time.Millisecond, true
		case lost, isOff(seed, s.Addr), !opens(seed, &s):
			return Reply{}, 0, false
		}
		return Reply{Outcome: Answered}, 5 * time.Millisecond, true
	}
}

func rejects(seed int, share float64, s *Shot) bool { return dice(seed, "reject", s, 0) < share }

func isOff(seed int, a netip.Addr) bool {
	return dice(seed, "off", &Shot{Addr: a}, 0) < 0.1
}

// tellRationed counts the hosts of which nothing answered, by whether a router
// is said to hold back, and whether it did.
func tellRationed(hosts []*Host, seed int, share float64) (held, missed, other int) {
	for _, h := range hosts {
		marked, rejected, silent := false, false, true
		for _, o := range h.Observations {
			s := Shot{Addr: h.Addr, Protocol: o.Protocol, Port: o.Port}
			rejected = rejected || rejects(seed, share, &s)
			marked = marked || o.Rationed == rationing
			silent = silent && o.Outcome == Silent
		}
		switch {
		case !silent:
		case rejected && marked:
			held++
		case rejected:
			missed++
		case marked:
			other++
		}
	}
	return held, missed, other
}

// A router that may send but few errors holds rejections back. No host of which
// it rejected a path goes without that word; a router without a limit, or with
// one that the run does not reach, is not suspected.
func TestRationedRouter(t *testing.T) {
	tests := []struct {
		name  string
		limit *errorBudget
		share float64
		loss  float64
		rate  float64
		holds bool
	}{
		{"Linux, to one destination", &errorBudget{burst: 6, rate: 1, cost: 1}, 0.05, 0, 5000, true},
		{"no limit, with loss", nil, 0.05, 0.03, 5000, false},
		{"Linux, to one destination, with loss", &errorBudget{burst: 6, rate: 1, cost: 1}, 0.05, 0.03, 5000, true},
		{"Linux, a route that prohibits", &errorBudget{burst: 5, rate: 1, cost: 2, spills: true}, 0.05, 0, 5000, true},
		{"Linux, to one destination of IPv6", &errorBudget{burst: 6, rate: 4, cost: 1}, 0.05, 0, 5000, true},
		{"forty a second", &errorBudget{burst: 20, rate: 40, cost: 1}, 0.3, 0, 20_000, true},
		{"two a second", &errorBudget{burst: 1, rate: 2, cost: 1}, 0.05, 0, 5000, true},
		{"a slow run", &errorBudget{burst: 6, rate: 1, cost: 1}, 0.05, 0, 1000, true},
		{"no limit", nil, 0.05, 0, 5000, false},
		{"a limit that is not reached", &errorBudget{burst: 50, rate: 1000, cost: 1}, 0.05, 0, 5000, false},
	}
	for _, tt := range tests[:fewer(t, "routers", len(tests), 3)] {
		t.Run(tt.name, func(t *testing.T) {
			for seed := range seeds(t, 3) {
				limit := tt.limit
				if limit != nil {
					fresh := *limit
					limit = &fresh
				}
				f := newFakeNet(rejecting(seed, tt.share, tt.loss, limit))
				cfg := f.config()
				cfg.Rate, cfg.Traces = tt.rate, -1
				hosts, last, took := collect(t, cfg, fleet(2500, rowICMP, rowSMB, rowEPM, rowRemote))
				held, missed, wrong := tellRationed(hosts, seed, tt.share)
				t.Logf("seed %d: of hosts with a rejection that was held back %d are told and %d not; %d others; %s, loss %.3f", seed, held, missed, wrong, took, last.Stats.Loss())
				if missed > 0 && tt.holds || tt.holds && held < 10 {
					t.Errorf("seed %d: %d hosts go without the word, %d have it", seed, missed, held)
				}
				if !tt.holds && wrong+held > 0 {
					t.Errorf("seed %d: %d hosts are said to be held back", seed, wrong+held)
				}
			}
		})
	}
}

// The paths of one host share what its router may send. All are known to be
// rejected in the end, few errors as the router may have left when the run begins:
// none comes always too late.
func TestPathsOfAHostShareTheRation(t *testing.T) {
	rows := []*Requirement{rowICMP, rowSMB, rowEPM, rowRemote}
	for port := range uint16(4) {
		rows = append(rows, &Requirement{ID: fmt.Sprint("x/", port), Protocol: TCP, Port: 3000 + port})
	}
	for left := 2; left < 20; left++ { // of fewer, the first tries of all paths find nothing
		limit := &errorBudget{burst: 5, rate: 1, cost: 1, tokens: float64(left) / 4, filled: time.Unix(1, 0)}
		f := newFakeNet(func(s Shot, try int) (Reply, time.Duration, bool) {
			if limit.filled.Unix() == 1 {
				limit.filled = time.Now()
			}
			late := time.Duration(dice(left, "late", &s, try) * float64(100*time.Millisecond))
			return Reply{Outcome: Rejected, From: rationing, ICMP: ICMPError{Type: 3, Code: 13}}, time.Millisecond + late, limit.take()
		})
		cfg := f.config()
		cfg.Traces = -1
		hosts, _, took := collect(t, cfg, targets(1, rows...))
		for _, o := range hosts[0].Observations {
			if o.Outcome != Rejected {
				t.Errorf("%.2f errors left: %s %d is %s after %d tries", float64(left)/4, o.Protocol, o.Port, o.Outcome, o.Tries)
			}
		}
		t.Logf("%.2f errors left: %s, %d packets", float64(left)/4, took, len(f.shots))
	}
}

// A rule for a few paths is no limit, though the router has one and the other
// hosts of the site are off; and the question costs seconds, whatever their number.
func TestFewRejectionsAreNoLimit(t *testing.T) {
	for _, n := range []int{1, 3, 6} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			limit := &errorBudget{burst: 6, rate: 1, cost: 1}
			f := newFakeNet(func(s Shot, _ int) (Reply, time.Duration, bool) {
				switch b := s.Addr.As4(); {
				case s.Port == 445 && b[2] == 0 && int(b[3]) < n:
					return Reply{Outcome: Rejected, From: rationing, ICMP: ICMPError{Type: 3, Code: 13}}, time.Millisecond, limit.take()
				case b[3]%2 == 0:
					return Reply{Outcome: Answered}, time.Millisecond, true
				}
				return Reply{}, 0, false
			})
			cfg := f.config()
			cfg.Traces = -1
			hosts, _, took := collect(t, cfg, targets(600, rowICMP, rowSMB))
			for _, h := range hosts {
				for _, o := range h.Observations {
					if o.Rationed.IsValid() {
						t.Fatalf("%s: %+v", h.Addr, o)
					}
				}
			}
			if took > 8*time.Second { // other paths of the hosts with a rejection are asked in turn
				t.Errorf("took %s", took)
			}
		})
	}
}

// What an outage swallows, no router holds back.
func TestOutageIsNoRation(t *testing.T) {
	for seed := range seeds(t, 3) {
		f := newFakeNet(outages(rejecting(seed, 0.05, 0, nil), 700*time.Millisecond, 1700*time.Millisecond))
		cfg := f.config()
		cfg.Rate, cfg.Traces = 5000, -1
		hosts, _, _ := collect(t, cfg, fleet(2500, rowICMP, rowSMB, rowEPM, rowRemote))
		if held, _, wrong := tellRationed(hosts, seed, 0.05); held+wrong > 0 {
			t.Errorf("seed %d: %d hosts are said to be held back", seed, held+wrong)
		}
	}
}

// A router is on the way to the sites that it rejects paths of, and to what lies
// between them.
func TestRouterIsOnTheWayToItsSites(t *testing.T) {
	s := suspect{TCP, 445}
	var l rations
	for i, to := range []string{"198.18.1.1", "198.19.7.1"} {
		l.rejected(rationing, netip.MustParseAddr(to), s, true, time.Duration(i))
	}
	for _, to := range []string{"fd00:198:1::1", "fd00:198:1::2"} {
		l.rejected(netip.MustParseAddr("fd00:198::1"), netip.MustParseAddr(to), s, true, 0)
	}
	for to, want := range map[string]bool{
		"198.18.200.200": true, "198.19.255.1": true, "198.20.0.1": false, "198.17.1.1": false, "fd00:198::1": false,
	} {
		if got := l.routers[0].concerns(netip.MustParseAddr(to), s, 0); got != want {
			t.Errorf("%s: %v", to, got)
		}
	}
	for to, want := range map[string]bool{"fd00:198:1:2::3": true, "fd00:198:2::1": false, "198.18.1.1": false} {
		if got := l.routers[1].concerns(netip.MustParseAddr(to), s, 0); got != want {
			t.Errorf("%s: %v", to, got)
		}
	}
	for range 3 { // a rule for one host
		l.rejected(addr(1), netip.MustParseAddr("198.18.1.1"), s, true, 0)
	}
	if r := l.routers[2]; !r.concerns(netip.MustParseAddr("198.18.1.2"), s, 0) || r.concerns(netip.MustParseAddr("198.18.2.2"), s, 0) {
		t.Errorf("behind %v", r.behind)
	}
	if a := l.by(netip.MustParseAddr("198.18.1.9"), s, 0); a != rationing {
		t.Errorf("by %v", a)
	}
	if a := l.by(netip.MustParseAddr("198.18.1.9"), s, 0.4); a.IsValid() { // that much is lost
		t.Errorf("by %v though losses explain it", a)
	}
}

// What the router of a rejection is remembered by is bounded.
func TestRationsAreBounded(t *testing.T) {
	var l rations
	for i := range 1000 {
		for port := range uint16(100) {
			l.rejected(addr(i), addr(i+1), suspect{TCP, port}, false, 0)
		}
	}
	if len(l.routers) > rationRouters || len(l.routers[0].ports) > rationPorts {
		t.Errorf("%d routers, %d ports", len(l.routers), len(l.routers[0].ports))
	}
}
