package main

import (
	"net/netip"
	"testing"
)

// One computer may be named in different ways by different runs.
func TestHostIndex(t *testing.T) {
	a, b := netip.MustParseAddr("198.18.1.1"), netip.MustParseAddr("198.18.1.2")
	ix := newHostIndex()
	for _, n := range []struct {
		name string
		addr netip.Addr
	}{
		{"PC1", a},
		{"pc1.lab.test.", a},
		{"pc2", b},
		{"pc2.lab.test", b},
		{"pc2.other.test", b},
		{"alias", b},
		{"198.18.1.2", b},
		{"gone.lab.test", netip.Addr{}},
		{"gone", netip.Addr{}},
	} {
		ix.name(n.name, n.addr)
	}
	for _, tt := range []struct {
		name string
		addr netip.Addr
		want hostKey
	}{
		{"pc1", a, hostKey{"pc1.lab.test", a}},
		{"PC1.LAB.TEST", a, hostKey{"pc1.lab.test", a}},
		{"198.18.1.1", a, hostKey{"pc1.lab.test", a}},
		{"pc2", b, hostKey{"pc2", b}}, // which of the two is not known
		{"pc2.lab.test", b, hostKey{"pc2.lab.test", b}},
		{"198.18.1.2", b, hostKey{"198.18.1.2", b}},
		{"pc1", b, hostKey{"pc1", b}},
		{"gone", netip.Addr{}, hostKey{"gone", netip.Addr{}}},
	} {
		if got := ix.key(tt.name, tt.addr); got != tt.want {
			t.Errorf("%s at %s is %v, want %v", tt.name, tt.addr, got, tt.want)
		}
	}
}
