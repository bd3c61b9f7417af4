package main

import (
	"cmreach/scanner/verdict"
	"net/netip"
	"slices"
)

// Limits of what is kept: a machine has a few addresses, and the way to one host
// of a subnet is that to the others.
const (
	maxSources = 16
	maxAsked   = 1 << 12
)

// sources are the addresses of this machine from which hosts were asked that
// are blocked: a firewall must permit them.
type sources struct {
	of   func(to netip.Addr) netip.Addr // nil: not known
	list []netip.Addr                   // in order

	asked map[netip.Prefix]bool // subnets to which the address is known
}

// note takes a host that is done.
func (s *sources) note(to netip.Addr, findings []verdict.Finding) {
	blocked := func(f verdict.Finding) bool { return f.State == verdict.Blocked }
	if s.of == nil || !to.IsValid() || len(s.list) >= maxSources || len(s.asked) >= maxAsked || !slices.ContainsFunc(findings, blocked) {
		return
	}
	bits := 24
	if to.Is6() {
		bits = 64
	}
	net, err := to.Prefix(bits)
	if err != nil || s.asked[net] {
		return
	}
	if s.asked == nil {
		s.asked = map[netip.Prefix]bool{}
	}
	s.asked[net] = true
	from := s.of(to).Unmap().WithZone("")
	if i, have := slices.BinarySearchFunc(s.list, from, netip.Addr.Compare); from.IsValid() && !have {
		s.list = slices.Insert(s.list, i, from)
	}
}
