package scanner

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"
)

// memory is a sweeper in which every shot is answered at once, without garbage.
type memory struct {
	mu    sync.Mutex
	queue ring[Reply]
	ready chan struct{}
}

const memoryRoom = 1 << 12

func newMemory() *memory { return &memory{ready: make(chan struct{}, 1)} }

func (m *memory) Send(shots []Shot) (int, error) {
	now := time.Now()
	m.mu.Lock()
	shots = shots[:min(len(shots), memoryRoom-m.queue.n)]
	for i := range shots {
		s := &shots[i]
		m.queue.push(Reply{
			Key: s.Key, Outcome: Answered, From: s.Addr, TTL: 64, At: now,
			To: netip.AddrPortFrom(s.Addr, s.Port), Over: s.Protocol,
		})
	}
	m.mu.Unlock()
	signal(m.ready)
	return len(shots), nil
}

func (m *memory) Receive(ctx context.Context, rs []Reply) (int, error) {
	for {
		m.mu.Lock()
		n := 0
		for n < len(rs) && m.queue.n > 0 {
			rs[n], _ = m.queue.pop()
			n++
		}
		m.mu.Unlock()
		if n > 0 {
			return n, nil
		}
		select {
		case <-m.ready:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// fleet are n hosts, 256 to a subnet.
func fleet(n int, rows ...*Requirement) func(func(Target) bool) {
	return func(yield func(Target) bool) {
		for i := range n {
			a := netip.AddrFrom4([4]byte{198, 18 + byte(i>>16&1), byte(i >> 8), byte(i)})
			if !yield(Target{Name: "host", Addr: a, Rows: rows}) {
				return
			}
		}
	}
}

var rowRemote = &Requirement{ID: "push/control", Protocol: TCP, Port: 2701, FromHere: true}

// BenchmarkRun is the engine's own cost, all goroutines together.
func BenchmarkRun(b *testing.B) {
	for _, n := range []int{1_000, 1 << 16, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			highest := uint64(0)
			paths := 0
			for b.Loop() {
				m := newMemory()
				cfg := Config{Sweeper: m, Dialer: newFakeNet(nil), Resolver: newFakeNet(nil), Depth: AssurancePortOpen}
				hosts := 0
				for ev := range Run(b.Context(), cfg, fleet(n, rowICMP, rowSMB, rowEPM, rowRemote)) {
					if ev.Host != nil {
						hosts++
						paths += len(ev.Host.Observations)
					}
					if ev.Progress != nil {
						runtime.ReadMemStats(&after)
						highest = max(highest, after.HeapAlloc)
					}
				}
				if hosts != n {
					b.Fatalf("%d hosts", hosts)
				}
			}
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(paths), "ns/path")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(paths), "allocs/path")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(paths), "B/path")
			b.ReportMetric(float64(highest)/(1<<20), "MB-heap")
		})
	}
}
