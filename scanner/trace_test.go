package scanner

import (
	"cmp"
	"slices"
	"testing"
	"time"
)

// path3 is a host behind two routers; port 445 is reset by the second router,
// port 139 swallowed there, and everything else answered by the host.
func path3(ttl bool) func(Shot, int) (Reply, time.Duration, bool) {
	return func(s Shot, _ int) (Reply, time.Duration, bool) {
		ms := time.Millisecond
		if s.HopLimit == 1 || s.HopLimit == 2 {
			return Reply{Outcome: Expired, From: addr(60000 + int(s.HopLimit))}, ms, true
		}
		r := Reply{Outcome: Answered, TTL: 62}
		switch s.Port {
		case 445:
			r = Reply{Outcome: Refused, From: s.Addr, TTL: 63}
		case 139:
			return Reply{}, 0, false
		}
		if !ttl {
			r.TTL = 0
		}
		return r, ms, true
	}
}

func hops(h *Host, port uint16) (out []Outcome) {
	for i := range uint8(maxHops) {
		for _, o := range h.Observations {
			if o.HopLimit == i+1 && o.Port == port {
				out = append(out, o.Outcome)
			}
		}
	}
	return out
}

func TestRefusalIsTraced(t *testing.T) {
	for _, ttl := range []bool{true, false} {
		f := newFakeNet(path3(ttl))
		hosts, _, _ := collect(t, f.config(), targets(1, rowSMB, rowEPM, rowICMP))
		if got := hops(hosts[0], 445); len(got) != 3 || got[2] != Refused {
			t.Errorf("TTL visible %v: trace of the refusal %v", ttl, got)
		}
		if got := hops(hosts[0], 135); len(got) != 3 || got[2] != Answered {
			t.Errorf("TTL visible %v: trace of the reference %v", ttl, got)
		}
	}
}

func TestRefusalOfTheHostIsNotTraced(t *testing.T) {
	f := newFakeNet(func(s Shot, _ int) (Reply, time.Duration, bool) {
		r := Reply{Outcome: Answered, TTL: 126}
		if s.Port == 445 {
			r = Reply{Outcome: Refused, TTL: 126}
		}
		return r, time.Millisecond, true
	})
	hosts, last, _ := collect(t, f.config(), targets(1, rowSMB, rowEPM))
	if len(hops(hosts[0], 445)) != 0 || last.Packets != 2 {
		t.Errorf("%+v", hosts[0].Observations)
	}
}

func TestSilenceIsTracedForAFewHostsOfASubnet(t *testing.T) {
	f := newFakeNet(path3(true))
	row := &Requirement{ID: "x/nb", Protocol: TCP, Port: 139}
	hosts, _, _ := collect(t, f.config(), targets(20, row, rowEPM))
	traced := 0
	for _, h := range hosts {
		got := hops(h, 139)
		if len(got) == 0 {
			continue
		}
		traced++
		if len(got) != 5 || got[1] != Expired || got[4] != Silent {
			t.Errorf("trace %v", got)
		}
	}
	if traced != 2 {
		t.Errorf("%d hosts of one subnet traced, the limit is 2", traced)
	}
}

// A single packet of a trace may be lost, where none was before: the trace shows
// the same as without that.
func TestHopOfATraceIsAskedAgain(t *testing.T) {
	row := &Requirement{ID: "x/nb", Protocol: TCP, Port: 139}
	want := map[uint16]int{139: 2, 445: 3, 135: 3} // hops that answer
	for port, answering := range want {
		for hop := range answering {
			answer := path3(false)
			f := newFakeNet(func(s Shot, try int) (Reply, time.Duration, bool) {
				r, after, ok := answer(s, try)
				return r, after, ok && (s.Port != port || int(s.HopLimit) != hop+1 || try > 1)
			})
			hosts, _, _ := collect(t, f.config(), targets(1, row, rowSMB, rowEPM))
			for port, n := range want {
				got := hops(hosts[0], port)
				if len(got) < n || slices.Contains(got[:n], Silent) {
					t.Errorf("hop %d of %d lost: trace of %d is %v", hop+1, port, port, got)
				}
			}
		}
	}
}

func TestHops(t *testing.T) {
	for ttl, want := range map[uint8]int{64: 0, 63: 1, 128: 0, 127: 1, 126: 2, 255: 0, 250: 5, 32: 0, 30: 2} {
		if got := Hops(ttl); got != want {
			t.Errorf("Hops(%d) = %d, want %d", ttl, got, want)
		}
	}
}

func TestAgain(t *testing.T) {
	clean := Stats{Answered: 1000, Tries: 1000}
	lossy := Stats{Answered: 1000, Tries: 1050}
	spent := Stats{Answered: 3000, Tries: 3150, tolerance: tolerable(maxDoubt)}
	for _, c := range []struct {
		s      Stats
		tries  int
		rounds int
		want   bool
	}{
		{clean, 1, 6, true},
		{clean, 2, 6, true},
		{clean, 3, 6, false},
		{clean, 1, 1, false},
		{lossy, 3, 6, true},
		{lossy, 4, 6, true},
		{lossy, 5, 6, false},
		{spent, 5, 6, true}, // earlier ones are doubtful already
		{lossy, 3, 3, false},
		{Stats{}, 3, 6, true}, // nothing is known
		{Stats{}, 6, 6, false},
		{Stats{Answered: 2, Tries: 2}, 3, 6, true},
		{Stats{Answered: 40, Tries: 40}, 3, 6, false},
	} {
		c.s.tolerance = cmp.Or(c.s.tolerance, tolerable(0))
		if got := again(c.s, c.tries, c.rounds); got != c.want {
			t.Errorf("again(%+v, %d, %d) = %v", c.s, c.tries, c.rounds, got)
		}
	}
}
