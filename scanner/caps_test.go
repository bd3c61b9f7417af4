package scanner

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// capped are caps with the accounts that the engine keeps where it knows the
// hosts.
type capped struct {
	caps
	hosts map[netip.Addr]*allowance
	nets  map[netip.Prefix]*shared
}

func newCapped(rate float64) *capped {
	return &capped{newCaps(rate), map[netip.Addr]*allowance{}, map[netip.Prefix]*shared{}}
}

func (c *capped) take(now time.Time, a netip.Addr) time.Duration {
	if c.hosts[a] == nil {
		c.hosts[a] = &allowance{}
	}
	if c.nets[Subnet(a)] == nil {
		c.nets[Subnet(a)] = &shared{}
	}
	return c.caps.take(now.Sub(time.Unix(0, 0)), c.hosts[a], c.nets[Subnet(a)])
}

func TestCapsOfOneHost(t *testing.T) {
	for _, host := range []string{"198.18.3.4", "fd00:198::3:4"} {
		for _, rate := range []float64{0, 10, 1000, 1e6} {
			c := newCapped(rate)
			to, now := netip.MustParseAddr(host), time.Unix(100, 0)
			sent := 0
			for c.take(now, to) == 0 {
				sent++
			}
			if sent != hostBurst {
				t.Fatalf("rate %v: %d packets at once to %s", rate, sent, host)
			}
			if wait := c.take(now, to); wait <= 0 || wait > hostGap {
				t.Errorf("rate %v: come back after %s", rate, wait)
			}
			// From here on as often as is allowed: never more than the burst
			// and the rate in any time.
			times := []time.Time{}
			for end := now.Add(3 * time.Second); now.Before(end); {
				if wait := c.take(now, to); wait > 0 {
					now = now.Add(wait)
					continue
				}
				times = append(times, now)
			}
			if len(times) < 298 || len(times) > 301 {
				t.Errorf("rate %v: %d packets in 3 s", rate, len(times))
			}
			if c.take(now.Add(time.Hour), to) != 0 {
				t.Errorf("rate %v: an hour later it is still held back", rate)
			}
		}
	}
}

// A subnet never gets more than its burst and its share in any time, whatever
// the order; and who is told to wait comes through in the end.
func TestCapsOfOneSubnet(t *testing.T) {
	tests := []struct{ rate, share, burst float64 }{
		{10, 1000, 32}, {1000, 1000, 32}, {8000, 2000, 40}, {100_000, 25_000, 500}, {0, 25_000, 500},
	}
	for _, tt := range tests[:fewer(t, "rates", len(tests), 2)] {
		c := newCapped(tt.rate)
		r := rand.New(rand.NewPCG(uint64(tt.rate), 1))
		start := time.Unix(50, 0)
		waiting := make([]time.Time, 256*5) // when each of 5 packets to 256 hosts is tried
		for i := range waiting {
			waiting[i] = start
		}
		var times []time.Time
		asked := 0
		for now := start; len(times) < len(waiting) && now.Sub(start) < 20*time.Second; now = now.Add(100 * time.Microsecond) {
			first := r.IntN(len(waiting))
			for k := range waiting {
				i := (first + k) % len(waiting)
				if waiting[i].IsZero() || waiting[i].After(now) {
					continue
				}
				asked++
				wait := c.take(now, netip.AddrFrom4([4]byte{198, 18, 9, byte(i)}))
				if waiting[i] = now.Add(wait); wait == 0 {
					waiting[i] = time.Time{}
					times = append(times, now)
				}
			}
		}
		if len(times) != len(waiting) {
			t.Fatalf("rate %v: only %d of %d packets left", tt.rate, len(times), len(waiting))
		}
		for i := range times {
			for _, j := range []int{i + 1, i + 10, i + 50, i + 200, i + 1000} {
				if j < len(times) {
					if bound := tt.burst + 1 + tt.share*times[j].Sub(times[i]).Seconds(); float64(j-i) > bound {
						t.Fatalf("rate %v: %d packets in %s", tt.rate, j-i, times[j].Sub(times[i]))
					}
				}
			}
		}
		took := times[len(times)-1].Sub(start).Seconds()
		if want := (float64(len(waiting)) - tt.burst) / tt.share; took > 1.2*want+0.1 {
			t.Errorf("rate %v: took %.2f s, the share allows %.2f s", tt.rate, took, want)
		}
		if asked > 3*len(waiting) {
			t.Errorf("rate %v: asked %d times for %d packets", tt.rate, asked, len(waiting))
		}
	}
}

// A plan whose order is spread over 256 subnets is never held back.
func TestCapsLetASpreadSweepPass(t *testing.T) {
	for _, rate := range []float64{1000, 100_000, 1_000_000} {
		c := newCapped(rate)
		n := fewer(t, "packets", 1<<18, 1<<16)
		now, held := time.Unix(9, 0), 0
		for i := range n {
			at := i * 40503 % 65536 // each once, neighbours far apart
			if c.take(now, netip.AddrFrom4([4]byte{198, 19, byte(at >> 8), byte(at)})) > 0 {
				held++
			}
			now = now.Add(time.Duration(float64(time.Second) / rate))
		}
		if held > 0 {
			t.Errorf("rate %v: %d of %d packets were held back", rate, held, n)
		}
	}
}

func TestCapsTellSubnetsApart(t *testing.T) {
	c := newCapped(1000)
	now := time.Unix(1, 0)
	drain := func(prefix [4]byte) (n int) {
		for i := range 256 {
			prefix[3] = byte(i)
			if c.take(now, netip.AddrFrom4(prefix)) == 0 {
				n++
			}
		}
		return n
	}
	if n := drain([4]byte{198, 18, 1, 0}); n != subnetBurst {
		t.Errorf("first subnet: %d at once", n)
	}
	if n := drain([4]byte{198, 18, 2, 0}); n != subnetBurst {
		t.Errorf("second subnet: %d at once", n)
	}
	if drain([4]byte{198, 18, 1, 0}) != 0 {
		t.Error("the first subnet has forgotten what it got")
	}
}

// However fast the sweep, a host gets few packets at once, and a subnet its
// share; a spread sweep is not slower for it.
func TestCapsAreKept(t *testing.T) {
	rows := []*Requirement{rowICMP}
	for port := range uint16(39) {
		rows = append(rows, &Requirement{ID: "many", Protocol: TCP, Port: 1000 + port, FromHere: true})
	}
	for _, c := range []struct {
		name   string
		rate   float64
		hosts  int
		rows   []*Requirement
		shared time.Duration // what the caps allow
		subnet float64       // packets a second to each
	}{
		{"one host", 0, 1, rows, 240 * time.Millisecond, 0},
		{"one host, slowly", 1000, 1, rows, 240 * time.Millisecond, 1000},
		{"one subnet", 20_000, 256, rows[:10], 2560 / 5 * time.Millisecond, 5000},
		{"eight subnets", 20_000, 2048, rows[:10], 20480 / 20 * time.Millisecond, 5000},
		{"no rate, one subnet", 0, 256, rows[:10], 2060 / 25 * time.Millisecond, 25_000},
	} {
		f := newFakeNet(lossy(6, 0.01))
		cfg := f.config()
		cfg.Rate, cfg.Traces, cfg.Depth = c.rate, -1, AssurancePortOpen
		collect(t, cfg, fleet(c.hosts, c.rows...))
		first := f.shots[0].at
		hosts, nets, tried := map[string]int{}, map[string]int{}, map[string]bool{}
		var ended time.Time // of the first tries
		for _, s := range f.shots {
			after := s.at.Sub(first).Seconds()
			host, net := s.Addr.String(), Subnet(s.Addr).String()
			hosts[host]++
			nets[net]++
			if most := hostBurst + int(after*100); hosts[host] > most {
				t.Fatalf("%s: %d packets to %s after %f s, at most %d", c.name, hosts[host], host, after, most)
			}
			if most := c.subnet*after + max(subnetBurst, c.subnet*subnetAhead.Seconds()) + 1; c.subnet > 0 && float64(nets[net]) > most {
				t.Fatalf("%s: %d packets to %s after %f s, at most %f", c.name, nets[net], net, after, most)
			}
			if path := s.Addr.String() + s.Protocol.String() + string(rune(s.Port)); !tried[path] {
				tried[path], ended = true, s.at
			}
		}
		if len(tried) != c.hosts*len(c.rows) {
			t.Errorf("%s: %d paths were asked", c.name, len(tried))
		}
		if took := ended.Sub(first); took < c.shared*9/10 || took > c.shared*3/2+100*time.Millisecond {
			t.Errorf("%s: all first tries in %s, want about %s", c.name, took, c.shared)
		}
	}
}
