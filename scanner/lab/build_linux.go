package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// namespaces holds the nodes of a running lab by name; "" is the scanner's
// own, in which this process lives.
type namespaces struct {
	nodes   map[string]*namespace
	scanner string // the scanner's device
}

// Start builds the network around this process, which must live in a network
// namespace of its own (see [Enter]): its own namespace becomes the scanner.
// The lab runs until Close or the end of the process; ctx bounds the building.
func Start(ctx context.Context, n *Network) (*Lab, error) {
	if err := n.Validate(); err != nil {
		return nil, err
	}
	l := newLab(ctx, n)
	if err := l.build(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("lab: %w", err), l.Close())
	}
	return l, nil
}

func (l *Lab) build(ctx context.Context) error {
	if err := l.ns.prepareScanner(l.net.HasIPv6()); err != nil {
		return err
	}
	links := l.net.links()
	l.ns.scanner = links[0].nearIf
	for _, k := range links {
		if err := l.ns.connect(k, l.net.HasIPv6()); err != nil {
			return fmt.Errorf("node %q: %w", k.far, err)
		}
	}
	if err := l.ns.routes(l.net, links); err != nil {
		return err
	}
	if err := l.ns.awaitLinks(ctx, links); err != nil {
		return err
	}
	for _, r := range l.net.Routers {
		if err := l.SetFilters(r.Name, r.Filters); err != nil {
			return err
		}
	}
	for _, f := range l.net.Fleets {
		if err := l.SetFilters(f.Name, f.Filters); err != nil {
			return err
		}
		if err := l.ns.nodes[f.Name].do(func() error { return l.startFleet(&f) }); err != nil {
			return fmt.Errorf("fleet %q: %w", f.Name, err)
		}
	}
	return nil
}

// prepareScanner makes the namespace of this process the scanner's. It refuses
// one that is in use: this must never happen to the real network.
func (s *namespaces) prepareScanner(v6 bool) error {
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list devices: %w", err)
	}
	for _, k := range links {
		if a := k.Attrs(); a.Flags&net.FlagUp != 0 && a.Flags&net.FlagLoopback == 0 {
			return fmt.Errorf("device %s is up: this network namespace is in use", a.Name)
		}
	}
	here, err := currentNamespace()
	if err != nil {
		return err
	}
	s.nodes = map[string]*namespace{"": here}
	if err := apply(baseSysctls(v6)); err != nil {
		return err
	}
	return loopbackUp()
}

func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("loopback device: %w", err)
	}
	return nil
}

// connect makes the node at the far end of a link, and the link.
func (s *namespaces) connect(k link, v6 bool) error {
	far, err := newNamespace()
	if err != nil {
		return err
	}
	s.nodes[k.far] = far
	err = far.do(func() error {
		settings := baseSysctls(v6)
		if k.toRouter {
			settings = append(settings, routerSysctls(v6)...)
		}
		if err := apply(settings); err != nil {
			return err
		}
		return loopbackUp()
	})
	if err != nil {
		return err
	}
	err = s.nodes[k.near].do(func() error {
		veth := netlink.NewVeth(netlink.LinkAttrs{Name: k.nearIf})
		veth.PeerName, veth.PeerNamespace = k.farIf, netlink.NsFd(int(far.f.Fd()))
		if err := netlink.LinkAdd(veth); err != nil {
			return fmt.Errorf("make a veth pair: %w", err)
		}
		return address(k.nearIf, k.near4, k.near6, v6)
	})
	if err != nil {
		return err
	}
	if err := far.do(func() error { return address(k.farIf, k.far4, k.far6, v6) }); err != nil {
		return err
	}
	return s.introduce(k, v6)
}

// introduce tells both ends of a link each other's hardware address for good.
// The kernel's table of those that are asked for is one for the whole machine,
// and when something else on it fills that table, answers get lost.
func (s *namespaces) introduce(k link, v6 bool) error {
	hardware := func(node, device string) (mac net.HardwareAddr, err error) {
		err = s.nodes[node].do(func() error {
			dev, err := netlink.LinkByName(device)
			if err == nil {
				mac = dev.Attrs().HardwareAddr
			}
			return err
		})
		return mac, err
	}
	tell := func(node, device string, peer net.HardwareAddr, addrs ...netip.Prefix) error {
		return s.nodes[node].do(func() error {
			dev, err := netlink.LinkByName(device)
			if err != nil {
				return err
			}
			for _, a := range addrs {
				if a.Addr().Is6() && !v6 {
					continue
				}
				err := netlink.NeighSet(&netlink.Neigh{
					LinkIndex: dev.Attrs().Index, State: netlink.NUD_PERMANENT, IP: a.Addr().AsSlice(), HardwareAddr: peer,
				})
				if err != nil {
					return fmt.Errorf("neighbour %v: %w", a.Addr(), err)
				}
			}
			return nil
		})
	}
	near, nearErr := hardware(k.near, k.nearIf)
	far, farErr := hardware(k.far, k.farIf)
	if err := errors.Join(nearErr, farErr); err != nil {
		return err
	}
	return errors.Join(tell(k.near, k.nearIf, far, k.far4, k.far6), tell(k.far, k.farIf, near, k.near4, k.near6))
}

// address gives a device its addresses and takes it up.
func address(device string, v4, v6 netip.Prefix, with6 bool) error {
	dev, err := netlink.LinkByName(device)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(dev, &netlink.Addr{IPNet: ipNet(v4)}); err != nil {
		return fmt.Errorf("address %v: %w", v4, err)
	}
	if with6 {
		if err := netlink.AddrAdd(dev, &netlink.Addr{IPNet: ipNet(v6), Flags: unix.IFA_F_NODAD}); err != nil {
			return fmt.Errorf("address %v: %w", v6, err)
		}
	}
	if err := netlink.LinkSetUp(dev); err != nil {
		return fmt.Errorf("take up %s: %w", device, err)
	}
	return nil
}

// awaitLinks waits until the kernel has noticed that both ends of every link
// are up. Until then a device throws away what it is given to send.
func (s *namespaces) awaitLinks(ctx context.Context, links []link) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	up := func(node, device string) error {
		return s.nodes[node].do(func() error {
			for {
				dev, err := netlink.LinkByName(device)
				if err != nil || dev.Attrs().OperState == netlink.OperUp {
					return err
				}
				select {
				case <-ctx.Done():
					return fmt.Errorf("device %s of node %q: %w", device, node, ctx.Err())
				case <-tick.C:
				}
			}
		})
	}
	for _, k := range links {
		if err := errors.Join(up(k.near, k.nearIf), up(k.far, k.farIf)); err != nil {
			return err
		}
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// SetFilters replaces the firewall of a router or a fleet.
func (l *Lab) SetFilters(node string, fs []Filter) error {
	if errs := checkFilters(node, fs); len(errs) > 0 {
		return errors.Join(errs...)
	}
	for _, k := range l.net.links() {
		if k.far != node {
			continue
		}
		return l.In(node, func() error {
			if err := setFilters(fs, k.toRouter, k.farIf); err != nil {
				return fmt.Errorf("firewall of %q: %w", node, err)
			}
			return nil
		})
	}
	return fmt.Errorf("lab: no router or fleet %q", node)
}

// In runs f on a thread in the namespace of a router or a fleet; "" is the
// scanner's. Sockets that f opens and processes that it starts stay there.
func (l *Lab) In(node string, f func() error) error {
	ns, ok := l.ns.nodes[node]
	if !ok {
		return fmt.Errorf("lab: no node %q", node)
	}
	return ns.do(f)
}

// close takes the network down. Removing the scanner's link cuts the network
// off at once; the kernel removes the rest when nothing holds it any more.
func (s *namespaces) close() error {
	var errs []error
	if dev, err := netlink.LinkByName(s.scanner); err == nil && s.scanner != "" {
		errs = append(errs, netlink.LinkDel(dev))
	}
	for _, ns := range s.nodes {
		errs = append(errs, ns.close())
	}
	s.nodes, s.scanner = nil, ""
	return errors.Join(errs...)
}
