package main

import (
	"cmreach/scanner/verdict"
	"net/netip"
	"slices"
	"testing"
)

// The addresses of this machine are those on the way to blocked hosts, each
// once, asked for once a subnet, and never more than the limits.
func TestSources(t *testing.T) {
	asked := 0
	s := sources{of: func(to netip.Addr) netip.Addr {
		asked++
		if to.Is6() {
			return netip.Addr{} // no route
		}
		b := to.As4()
		return netip.AddrFrom4([4]byte{198, 18, 0, 255 - b[2]})
	}}
	blocked, open := []verdict.Finding{{State: verdict.Open}, {State: verdict.Blocked}}, []verdict.Finding{{State: verdict.Open}, {State: verdict.Down}}
	to := func(net, host byte) netip.Addr { return netip.AddrFrom4([4]byte{198, 19, net, host}) }
	s.note(to(9, 1), open)
	s.note(netip.Addr{}, blocked)
	for range 3 {
		s.note(to(1, 1), blocked)
		s.note(to(1, 2), blocked)
		s.note(to(0, 1), blocked)
		s.note(netip.MustParseAddr("fd00:198::1"), blocked)
	}
	want := []netip.Addr{netip.MustParseAddr("198.18.0.254"), netip.MustParseAddr("198.18.0.255")}
	if !slices.Equal(s.list, want) || asked != 3 {
		t.Errorf("%v after %d questions, want %v after 3", s.list, asked, want)
	}
	for net := range byte(200) {
		s.note(to(net, 1), blocked)
	}
	if len(s.list) != maxSources || !slices.IsSortedFunc(s.list, netip.Addr.Compare) {
		t.Errorf("%d addresses: %v", len(s.list), s.list)
	}
	(&sources{}).note(to(1, 1), blocked) // nobody to ask
}
