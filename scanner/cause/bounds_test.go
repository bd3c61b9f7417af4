package cause_test

import (
	"cmreach/scanner"
	"cmreach/scanner/cause"
	"cmreach/scanner/verdict"
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// sweptHost are the findings of host n of a large run: four rows, of which each
// may be open, rejected, closed or swallowed.
func sweptHost(n int) []verdict.Finding {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 0x0a000000+uint32(n))
	h := netip.AddrFrom4(b)
	var out []verdict.Finding
	for i, port := range []uint16{0, 135, 445, 2701} {
		f := verdict.Finding{
			Profile: "sweep", Requirement: fmt.Sprintf("sweep/%d", port), From: scanner.RoleSiteServer, To: scanner.RoleClient,
			Host: h.String(), Addr: h, Protocol: scanner.TCP, Port: port, Required: true, State: verdict.Open, Reason: "open.port",
		}
		switch (n*2654435761 + i*40503) >> 7 % 20 {
		case 0:
			f.State, f.Reason, f.By = verdict.Blocked, "blocked.prohibited", netip.MustParseAddr("198.18.0.2")
		case 1, 2:
			f.State, f.Reason, f.By = verdict.Closed, "closed.reset", h
		case 3, 4, 5:
			f.State, f.Reason = verdict.Blocked, "blocked.silent"
		}
		if f.State != verdict.Open {
			f.Message = fmt.Sprintf("TCP %d does not work", port)
			f.Evidence = []string{f.Message}
		}
		out = append(out, f)
	}
	return out
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What is kept of a run does not grow with its hosts, nor with the devices that
// somebody makes up.
func TestMemoryIsBounded(t *testing.T) {
	const small, large, most = 20_000, 80_000, 4 << 20
	for _, tt := range []struct {
		name string
		host func(int) []verdict.Finding
	}{
		{"a company", sweptHost},
		{"as many devices as hosts", func(n int) []verdict.Finding {
			fs := sweptHost(n)
			for i := range fs {
				if fs[i].State == verdict.Blocked {
					b := fs[i].Addr.As4()
					b[0] = 11
					fs[i].By = netip.AddrFrom4(b)
				}
			}
			return fs
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := cause.NewGrouper()
			before := liveHeap()
			for n := range small {
				g.AddHost(tt.host(n))
			}
			first := liveHeap() - before
			for n := small; n < large; n++ {
				g.AddHost(tt.host(n))
			}
			grown := liveHeap() - before - first
			if grown > most {
				t.Errorf("%d bytes after %d hosts, %d more after %d", first, small, grown, large)
			}
			paths := 0
			for _, c := range g.Causes() {
				paths += c.Paths
				if len(c.Sample) > 5 {
					t.Errorf("cause %s names %d hosts", c.ID, len(c.Sample))
				}
			}
			want := 0
			for n := range large {
				for _, f := range tt.host(n) {
					if f.State != verdict.Open {
						want++
					}
				}
			}
			if paths != want {
				t.Errorf("the causes cover %d paths of %d", paths, want)
			}
		})
	}
}

// In whatever order the hosts come: the same causes.
func TestOrderOfTheHosts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOfNDistinct(rapid.IntRange(0, 5000), 0, 30, rapid.ID).Draw(t, "hosts")
		causes := func() []cause.Cause {
			g := cause.NewGrouper()
			for _, n := range numbers {
				g.AddHost(sweptHost(n))
			}
			return g.Causes()
		}
		got := causes()
		slices.Sort(numbers)
		if d := cmp.Diff(causes(), got, cmpopts.IgnoreUnexported(cause.Cause{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
			cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
			t.Errorf("(-sorted +as they came):\n%s", d)
		}
	})
}

// One operation is one host of four rows.
func BenchmarkAddHost(b *testing.B) {
	var hosts [][]verdict.Finding
	for n := range 4096 {
		hosts = append(hosts, sweptHost(n*16))
	}
	g := cause.NewGrouper()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		g.AddHost(hosts[n%len(hosts)])
		n++
	}
}
