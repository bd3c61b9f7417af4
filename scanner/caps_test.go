package scanner

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

func TestCapsOfOneHost(t *testing.T) {
	for _, host := range []string{"198.18.3.4", "fd00:198::3:4"} {
		for _, rate := range []float64{0, 10, 1000, 1e6} {
			c := newCaps(7, rate)
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
			if len(times) < 148 || len(times) > 151 {
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
		{10, 500, 32}, {1000, 500, 32}, {4000, 1000, 32}, {100_000, 25_000, 500},
	}
	for _, tt := range tests {
		c := newCaps(3, tt.rate)
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

// A plan in keyed order over 256 subnets is hardly ever held back.
func TestCapsLetASpreadSweepPass(t *testing.T) {
	for _, rate := range []float64{1000, 100_000, 1_000_000} {
		c := newCaps(1, rate)
		o := Order{Key: 4, N: 1 << 18}
		now, held := time.Unix(9, 0), 0
		for i := range o.N {
			at := o.At(i) % 65536
			if c.take(now, netip.AddrFrom4([4]byte{198, 19, byte(at >> 8), byte(at)})) > 0 {
				held++
			}
			now = now.Add(time.Duration(float64(time.Second) / rate))
		}
		if held > int(o.N)/1000 { // at the highest rate, where many hosts meet in one slot
			t.Errorf("rate %v: %d of %d packets were held back", rate, held, o.N)
		}
	}
}

func TestCapsTellSubnetsApart(t *testing.T) {
	c := newCaps(77, 1000)
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
	h1, n1 := c.slots(netip.MustParseAddr("fd00:198:0:1::1"))
	h2, n2 := c.slots(netip.MustParseAddr("fd00:198:0:1::2"))
	_, n3 := c.slots(netip.MustParseAddr("fd00:198:0:2::1"))
	if h1 == h2 || n1 != n2 || n1 == n3 {
		t.Errorf("IPv6: hosts %d %d, subnets %d %d %d", h1, h2, n1, n2, n3)
	}
}

// The slots of a plan are spread: 65,536 hosts in 256 subnets.
func TestCapsSpreadTheirSlots(t *testing.T) {
	c := newCaps(12345, 1000)
	hosts, nets := map[uint32]int{}, map[uint32]int{}
	for i := range 65536 {
		h, n := c.slots(netip.AddrFrom4([4]byte{198, 19, byte(i >> 8), byte(i)}))
		hosts[h]++
		nets[n]++
	}
	most := 0
	for _, n := range hosts {
		most = max(most, n)
	}
	if len(hosts) < 35_000 || most > 12 || len(nets) < 235 {
		t.Errorf("%d slots of hosts, %d in one; %d slots of subnets", len(hosts), most, len(nets))
	}
}

func TestCapsAllocateNothing(t *testing.T) {
	c := newCaps(1, 100_000)
	now, a := time.Unix(1, 0), netip.MustParseAddr("fd00:198::1")
	if n := testing.AllocsPerRun(1000, func() { c.take(now, a); a = a.Next(); now = now.Add(time.Microsecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCaps(b *testing.B) {
	c := newCaps(1, 100_000)
	now, a := time.Unix(1, 0), netip.MustParseAddr("198.18.0.1")
	for b.Loop() {
		c.take(now, a)
		a, now = a.Next(), now.Add(10*time.Microsecond)
	}
}
