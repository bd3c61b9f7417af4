package lab

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// routes fills the routing tables: up by a default route, down by a route for
// every prefix on every router above it.
func (s *namespaces) routes(n *Network, links []link) error {
	byFar := map[string]link{}
	for _, k := range links {
		byFar[k.far] = k
	}
	v6 := n.HasIPv6()
	// down makes p, which is at node, known to everybody above it.
	down := func(node string, p netip.Prefix) error {
		for k, ok := byFar[node]; ok && k.near != ""; k, ok = byFar[k.near] {
			if err := s.nodes[k.near].do(func() error { return via(p, k.far4, k.far6) }); err != nil {
				return fmt.Errorf("node %q: %w", k.near, err)
			}
		}
		return nil
	}
	for i, k := range links {
		if err := s.defaultRoute(k, i == 0, v6); err != nil {
			return err
		}
		for _, p := range []netip.Prefix{k.near4, k.near6} {
			if p.Addr().Is6() && !v6 {
				continue
			}
			if err := down(k.near, p.Masked()); err != nil {
				return err
			}
		}
	}
	for _, f := range n.Fleets {
		for _, p := range f.Prefixes {
			if err := down(f.Name, p.Masked()); err != nil {
				return err
			}
		}
		if err := s.nodes[f.Name].do(func() error { return anyIP(f.Prefixes, f.Off) }); err != nil {
			return fmt.Errorf("fleet %q: %w", f.Name, err)
		}
	}
	for _, r := range n.Routers {
		for _, rt := range r.Routes {
			if err := down(r.Name, rt.To.Masked()); err != nil {
				return err
			}
			if err := s.nodes[r.Name].do(func() error { return nowhere(rt, byFar[r.Name]) }); err != nil {
				return fmt.Errorf("router %q: %w", r.Name, err)
			}
		}
	}
	return nil
}

// defaultRoute sends what is not below a node up the link, and from the scanner
// down the first one. The first router has none: what it does not know has no route.
func (s *namespaces) defaultRoute(k link, first, v6 bool) error {
	node, gw4, gw6 := k.far, k.near4, k.near6
	if first {
		node, gw4, gw6 = k.near, k.far4, k.far6
	}
	return s.nodes[node].do(func() error {
		if err := via(netip.PrefixFrom(netip.IPv4Unspecified(), 0), gw4, gw6); err != nil || !v6 {
			return err
		}
		return via(netip.PrefixFrom(netip.IPv6Unspecified(), 0), gw4, gw6)
	})
}

// via adds a route by the gateway of the prefix's family. It replaces what is
// there: a prefix may be named by a fleet and by a fault.
func via(p, gw4, gw6 netip.Prefix) error {
	gw := gw4
	if p.Addr().Is6() {
		gw = gw6
	}
	err := netlink.RouteReplace(&netlink.Route{Dst: ipNet(p), Gw: gw.Addr().AsSlice()})
	if err != nil {
		return fmt.Errorf("route to %v: %w", p, err)
	}
	return nil
}

// anyIP makes every address of the prefixes the node's own, but for those that are off.
func anyIP(prefixes, off []netip.Prefix) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	for _, p := range prefixes {
		r := netlink.Route{
			Dst: ipNet(p.Masked()), LinkIndex: lo.Attrs().Index,
			Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL,
		}
		if p.Addr().Is4() {
			r.Scope = netlink.SCOPE_HOST
		}
		if err := netlink.RouteReplace(&r); err != nil {
			return fmt.Errorf("own %v: %w", p, err)
		}
	}
	for _, p := range off {
		r := netlink.Route{Dst: ipNet(p.Masked()), Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_BLACKHOLE}
		if err := netlink.RouteReplace(&r); err != nil {
			return fmt.Errorf("switch off %v: %w", p, err)
		}
	}
	return nil
}

// nowhere adds a route that does not forward.
func nowhere(rt Route, up link) error {
	types := map[RouteKind]int{
		RouteUnreachable: unix.RTN_UNREACHABLE, RouteProhibit: unix.RTN_PROHIBIT, RouteBlackhole: unix.RTN_BLACKHOLE,
	}
	t, ok := types[rt.Kind]
	if !ok { // RouteLoop
		return via(rt.To.Masked(), up.near4, up.near6)
	}
	if err := netlink.RouteReplace(&netlink.Route{Dst: ipNet(rt.To.Masked()), Type: t}); err != nil {
		return fmt.Errorf("route to %v: %w", rt.To, err)
	}
	return nil
}
