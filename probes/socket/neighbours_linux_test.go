package socket

import (
	"net/netip"
	"testing"
	"time"
)

func TestNeighbourWatch(t *testing.T) {
	start := time.Now()
	count := uint64(7)
	near, far := netip.MustParseAddr("198.18.0.9"), netip.MustParseAddr("198.19.0.9")
	w := &neighbourWatch{
		counter: func() (uint64, bool) { return count, true }, fulls: count, read: start,
		links: []netip.Prefix{netip.MustParsePrefix("198.18.0.0/24")},
	}
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	if w.since(near, at(0), at(1000)) {
		t.Error("no overflow was counted")
	}
	count++
	if w.since(near, at(1000), at(1050)) {
		t.Error("the count is read too often")
	}
	if !w.since(near, at(1000), at(2000)) {
		t.Error("an overflow went unnoticed")
	}
	if w.since(far, at(1000), at(2000)) {
		t.Error("an address behind a router needs no neighbour of its own")
	}
	if w.since(near, at(2500), at(3500)) {
		t.Error("an overflow before the packet was sent counts")
	}
}

// The kernel tells the count to any user.
func TestNeighbourFulls(t *testing.T) {
	if _, ok := neighbourFulls(); !ok {
		t.Error("the kernel's count of overflows was not found")
	}
}

func FuzzTableFulls(f *testing.F) {
	f.Add(append([]byte{2, 0, 0, 0, 92, 0, 7, 0}, make([]byte, 88)...))
	f.Add([]byte{2, 0, 0, 0, 4, 0, 1, 0})
	f.Fuzz(func(_ *testing.T, b []byte) { tableFulls(b) })
}
