package lab

import (
	"cmreach/scanner"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Loopback starts a handful of the demonstration's hosts on 127.0.0.0/8, on
// high ports, for machines that have no namespaces for us. There are no
// routers, so that only faults of services and names can be planted, and echo
// requests are answered by this machine: the rows of the plan leave them out.
// The lab runs until Close or the end of the process.
// Where 127.0.0.1 is the only loopback address (macOS), one client is all.
func Loopback(ctx context.Context) (*Lab, *Plan, error) {
	n := &Network{Domain: "lab.test"}
	l := newLab(ctx, n)
	b := loopback{lab: l, demo: demo{
		plan: &Plan{
			Network: n, Site: "LAB",
			Checks: []Check{{Vantage: "site-server", Rows: []string{rowSMB, rowEPM, rowDynamic}}},
		},
		records: Records{}, hosts: map[netip.Addr]Host{},
	}}
	if err := b.start(); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("lab: loopback: %w", err), l.Close())
	}
	return l, b.plan, nil
}

type loopback struct {
	demo
	lab                *Lab
	addrs              []netip.Addr
	smb, epm, web, dyn uint16
}

// loopbackHosts is the number of addresses that the plan needs.
const loopbackHosts = 7

func (b *loopback) start() error {
	for i := range loopbackHosts {
		b.addrs = append(b.addrs, netip.AddrFrom4([4]byte{127, 198, 18, byte(1 + i)}))
	}
	if ln, err := listenTCP(b.lab.ctx, netip.AddrPortFrom(b.addrs[1], 0)); err != nil {
		b.addrs = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	} else if err := ln.Close(); err != nil {
		return err
	}
	for _, p := range []*uint16{&b.smb, &b.epm, &b.web, &b.dyn} {
		var err error
		if *p, err = b.freePort(); err != nil {
			return err
		}
	}
	b.plan.Ports = map[string]uint16{"smb": b.smb, "epm": b.epm, "http": b.web}
	if err := b.clients(); err != nil {
		return err
	}
	if err := b.servers(); err != nil {
		return err
	}
	b.stale("pc-006", "pc-001")
	return b.dns()
}

func listenTCP(ctx context.Context, at netip.AddrPort) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp4", at.String())
}

// freePort finds a port that is free at all addresses. Somebody may take it
// before it is used; then the start fails with the name of the port.
func (b *loopback) freePort() (uint16, error) {
	var lastErr error
	for range 50 {
		port, err := b.tryPort()
		if err == nil && port != b.smb && port != b.epm && port != b.web && port != b.dyn {
			return port, nil
		}
		lastErr = err
	}
	return 0, fmt.Errorf("no free port: %w", lastErr)
}

func (b *loopback) tryPort() (port uint16, err error) {
	for _, a := range b.addrs {
		ln, err := listenTCP(b.lab.ctx, netip.AddrPortFrom(a, port))
		if err != nil {
			return 0, err
		}
		defer func() { _ = ln.Close() }()
		if t, ok := ln.Addr().(*net.TCPAddr); ok {
			port = t.AddrPort().Port()
		}
	}
	return port, nil
}

// clients starts the client PCs and writes down what is to be found of them.
func (b *loopback) clients() error {
	good := []Endpoint{{eventlog, b.dyn, "Event log TCPIP"}}
	smb, mapper := SMB(), EndpointMapper(good)
	for i, c := range []struct {
		fault       string
		smb, mapper Service
		except      []Expected
	}{
		{smb: smb, mapper: mapper},
		{smb: smb, mapper: mapper},
		{
			fault: "another program greets on the SMB port of %s", smb: Banner("SSH-2.0-OpenSSH_9.2\r\n"), mapper: mapper,
			except: []Expected{{Row: rowSMB, State: "wrong-service"}},
		},
		{
			fault: "the endpoint mapper of %s accepts connections and says nothing", smb: smb, mapper: Mute(),
			except: []Expected{{Row: rowEPM, State: "inconclusive"}, {Row: rowDynamic, State: "inconclusive"}},
		},
		{fault: "the endpoint mapper of %s names no port", smb: smb, mapper: EndpointMapper(nil), except: []Expected{{Row: rowDynamic, State: "inconclusive"}}},
	} {
		if i >= len(b.addrs) {
			break
		}
		h := b.name(fmt.Sprintf("PC-%03d", i+1), b.addrs[i])
		for port, s := range map[uint16]Service{b.smb: c.smb, b.epm: c.mapper, b.dyn: RPC(eventlog)} {
			if err := b.listen(h, port, s); err != nil {
				return err
			}
		}
		if c.fault != "" {
			b.plan.Faults = append(b.plan.Faults, fmt.Sprintf(c.fault, h.DNSName))
		}
		b.target(h.DNSName, h.Addr, "open", c.except...)
	}
	b.target("pc-006."+b.plan.Network.Domain, netip.Addr{}, "unresolved") // until stale gives it an address
	return nil
}

// target adds a client to the plan; its truth has the rows that are checked.
func (b *loopback) target(name string, a netip.Addr, state string, except ...Expected) {
	b.plan.Targets = append(b.plan.Targets, name)
	for _, e := range expect(name, a, state, except...) {
		if e.Row == rowSMB || e.Row == rowEPM || e.Row == rowDynamic {
			b.plan.Checks[0].Truth = append(b.plan.Checks[0].Truth, e)
		}
	}
}

// servers starts the management point, and the proxy where there is an address for it.
func (b *loopback) servers() error {
	check := Check{Vantage: "client", Rows: []string{rowMPHTTP}}
	add := func(computer string, a netip.Addr, s Service, state string) error {
		name := b.plan.Network.HostNamed(computer, a).DNSName
		b.records[name] = []netip.Addr{a}
		b.plan.ManagementPoints = append(b.plan.ManagementPoints, name)
		check.Truth = append(check.Truth, Expected{Host: name, Addr: a, Row: rowMPHTTP, State: state})
		return b.lab.listen(netip.AddrPortFrom(a, b.web), scanner.TCP, s, func(netip.Addr) Host {
			return b.plan.Network.HostNamed(computer, a)
		})
	}
	if err := add("MP1", b.addrs[len(b.addrs)-1], ManagementPoint(b.plan.Site), "open"); err != nil {
		return err
	}
	if len(b.addrs) == loopbackHosts {
		b.plan.Faults = append(b.plan.Faults, "a proxy answers in the place of the management point mp2."+b.plan.Network.Domain)
		if err := add("MP2", b.addrs[loopbackHosts-2], Proxy(), "wrong-service"); err != nil {
			return err
		}
	}
	b.plan.Checks = append(b.plan.Checks, check)
	return nil
}

// listen serves for one host; the map of hosts is still being filled.
func (b *loopback) listen(h Host, port uint16, s Service) error {
	return b.lab.listen(netip.AddrPortFrom(h.Addr, port), scanner.TCP, s, func(netip.Addr) Host { return h })
}

// dns starts the DNS server on a port of its own.
func (b *loopback) dns() error {
	var lc net.ListenConfig
	pc, err := lc.ListenPacket(b.lab.ctx, "udp4", netip.AddrPortFrom(b.addrs[0], 0).String())
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	b.lab.onClose(pc.Close)
	u, ok := pc.LocalAddr().(*net.UDPAddr)
	if !ok {
		return fmt.Errorf("no UDP address: %v", pc.LocalAddr())
	}
	b.lab.dns = u.AddrPort()
	return b.lab.servePackets(pc, b.addrs[0], DNS(b.records), b.host)
}
