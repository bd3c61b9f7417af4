package lab

import (
	"cmreach/scanner"
	"errors"
	"fmt"
	"net/netip"
)

// labPrefixes are the only addresses that a lab uses: benchmarking (RFC 2544)
// and unique local (RFC 4193) ones, which no real host has.
func labPrefixes() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("fd00:198::/32")}
}

// Validate reports every mistake of the description.
func (n *Network) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("lab: "+format, args...)) }
	if len(n.Routers) == 0 {
		bad("the network has no router")
	}
	if len(n.Routers)+len(n.Fleets) > 255-firstLink {
		bad("more than %d routers and fleets", 255-firstLink)
	}
	seen := map[string]bool{}
	for i, r := range n.Routers {
		switch {
		case r.Name == "":
			bad("router %d has no name", i)
		case seen[r.Name]:
			bad("the name %q is used twice", r.Name)
		case (i == 0) != (r.Behind == ""):
			bad("router %q: the first router, and only that, is behind nothing", r.Name)
		case i > 0 && !seen[r.Behind]:
			bad("router %q is behind %q, which is not listed before it", r.Name, r.Behind)
		}
		seen[r.Name] = true
		errs = append(errs, checkFilters(r.Name, r.Filters)...)
		for _, rt := range r.Routes {
			if !inLab(rt.To) || rt.Kind == RouteUnknown || rt.Kind > RouteLoop {
				bad("router %q: bad route to %v", r.Name, rt.To)
			}
			if rt.Kind == RouteLoop && i == 0 {
				bad("router %q: the first router cannot loop, the scanner does not forward", r.Name)
			}
		}
	}
	routers := map[string]bool{}
	for _, r := range n.Routers {
		routers[r.Name] = true
	}
	for _, f := range n.Fleets {
		if f.Name == "" || seen[f.Name] {
			bad("the fleet name %q is empty or used twice", f.Name)
		}
		seen[f.Name] = true
		if !routers[f.Behind] {
			bad("fleet %q is behind %q, which is no router", f.Name, f.Behind)
		}
		errs = append(errs, checkFleet(f)...)
	}
	return errors.Join(errs...)
}

func checkFleet(f Fleet) []error {
	errs := checkFilters(f.Name, f.Filters)
	if len(f.Prefixes) == 0 {
		errs = append(errs, fmt.Errorf("lab: fleet %q has no addresses", f.Name))
	}
	for _, p := range f.Prefixes {
		if !inLab(p) {
			errs = append(errs, fmt.Errorf("lab: fleet %q: %v is not within %v", f.Name, p, labPrefixes()))
		}
	}
	for _, p := range f.Off {
		if !inside(f.Prefixes, p) {
			errs = append(errs, fmt.Errorf("lab: fleet %q: %v is off but not in the fleet", f.Name, p))
		}
	}
	for _, l := range f.Listen {
		if err := l.check(); err != nil {
			errs = append(errs, fmt.Errorf("lab: fleet %q: %w", f.Name, err))
		}
		if l.Addr.IsValid() && !inside(f.Prefixes, netip.PrefixFrom(l.Addr, l.Addr.BitLen())) {
			errs = append(errs, fmt.Errorf("lab: fleet %q: %v listens but is not in the fleet", f.Name, l.Addr))
		}
	}
	return errs
}

func (l Listen) check() error {
	n := 0
	if l.Service.Conn != nil {
		n++
	}
	if l.Service.HTTP != nil {
		n++
	}
	if l.Service.Packet != nil {
		n++
	}
	switch {
	case l.Port == 0:
		return errors.New("a service without a port")
	case n != 1:
		return fmt.Errorf("the service on port %d must be exactly one of Conn, HTTP and Packet", l.Port)
	case (l.Protocol == scanner.UDP) != (l.Service.Packet != nil), l.Protocol == scanner.ICMP:
		return fmt.Errorf("the service on port %d does not fit protocol %v", l.Port, l.Protocol)
	}
	return nil
}

func checkFilters(node string, fs []Filter) []error {
	var errs []error
	for i, f := range fs {
		bad := func(what string) { errs = append(errs, fmt.Errorf("lab: filter %d of %q: %s", i, node, what)) }
		switch {
		case f.Do == ActionUnknown || f.Do > Lose:
			bad("no such action")
		case f.To.IsValid() && !inLab(f.To):
			bad(fmt.Sprintf("%v is not within %v", f.To, labPrefixes()))
		case (f.First != 0 || f.Last != 0) && f.Protocol != scanner.TCP && f.Protocol != scanner.UDP:
			bad("ports need protocol tcp or udp")
		case f.Last != 0 && f.Last < f.First:
			bad("the last port is below the first")
		case f.Do == RejectReset && f.Protocol != scanner.TCP:
			bad("a reset needs protocol tcp")
		case (f.Do == Lose) != (f.Percent != 0) || f.Percent < 0 || f.Percent > 100:
			bad("a percentage of 1 to 100 belongs to Lose, and only there")
		}
	}
	return errs
}

func inLab(p netip.Prefix) bool { return inside(labPrefixes(), p) }

// inside reports whether p is valid and lies within one of the prefixes.
func inside(in []netip.Prefix, p netip.Prefix) bool {
	for _, q := range in {
		if p.IsValid() && q.Bits() <= p.Bits() && q.Contains(p.Addr()) {
			return true
		}
	}
	return false
}
