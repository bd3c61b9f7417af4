package lab

import (
	"cmreach/scanner"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Loopback starts a handful of the demonstration's hosts on 127.0.0.0/8, on
// high ports, for machines that have no namespaces for us. There are no
// routers, so that only faults of services and names can be planted, and echo
// requests are answered by this machine: the rows of the plan leave them out.
// The lab runs until Close or the end of the process.
// Where 127.0.0.1 is the only loopback address (macOS), there is one client, and
// the servers that need no port of another.
func Loopback(ctx context.Context) (*Lab, *Plan, error) {
	var addrs []netip.Addr
	for i := range loopbackHosts {
		addrs = append(addrs, netip.AddrFrom4([4]byte{127, 198, 18, byte(1 + i)}))
	}
	ln, err := listenTCP(ctx, netip.AddrPortFrom(addrs[1], 0))
	if err != nil {
		return loopbackAt(ctx, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	if err := ln.Close(); err != nil {
		return nil, nil, fmt.Errorf("lab: loopback: %w", err)
	}
	return loopbackAt(ctx, addrs...)
}

// loopbackAt starts the hosts. The ports are free when they are chosen; where
// somebody takes one before it is used, all is chosen again.
func loopbackAt(ctx context.Context, addrs ...netip.Addr) (*Lab, *Plan, error) {
	for tries := 1; ; tries++ {
		l, p, err := tryLoopback(ctx, addrs...)
		if err == nil || tries == 5 {
			return l, p, err
		}
	}
}

// tryLoopback starts the hosts at as many addresses as there are.
func tryLoopback(ctx context.Context, addrs ...netip.Addr) (*Lab, *Plan, error) {
	n := &Network{Domain: "lab.test"}
	l := newLab(ctx, n)
	b := loopback{lab: l, addrs: addrs, demo: demo{
		plan: &Plan{
			Network: n, Site: "LAB", Ports: map[string]uint16{}, Roles: map[scanner.Role][]string{},
			Settings: map[string]string{"communication": "both", "updates": "https", "nap": "ipsec"},
			Missing: []string{
				"push/icmp, push/epm-udp: this machine itself would answer",
				"nap/dhcp: needs UDP port 68 of this machine",
			},
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
	lab   *Lab
	addrs []netip.Addr
	dyn   uint16
}

// loopbackClients and loopbackHosts are how many addresses the plan needs.
const (
	loopbackClients = 5
	loopbackHosts   = loopbackClients + 12
)

func (b *loopback) start() error {
	for name := range usualPorts() {
		if name != "dhcp" && name != "sup-https" {
			port, err := b.freePort(name == "sup-http")
			if err != nil {
				return err
			}
			b.plan.Ports[name] = port
		}
	}
	b.plan.Ports["sup-https"] = b.plan.Ports["sup-http"] + 1 // the rule of WSUS
	var err error
	if b.dyn, err = b.freePort(false); err != nil {
		return err
	}
	fitting := b.fitting()
	b.checks(fitting)
	if err := b.clients(); err != nil {
		return err
	}
	if err := b.servers(fitting); err != nil {
		return err
	}
	b.stale("pc-006", "pc-001")
	b.serviceFaults()
	return b.dns()
}

func listenTCP(ctx context.Context, at netip.AddrPort) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp4", at.String())
}

// freePort finds a port that is free at all addresses, with the next one if a
// pair is wanted. Somebody may take it before it is used; then the start fails
// with the name of the port.
func (b *loopback) freePort(pair bool) (uint16, error) {
	var lastErr error
	for range 50 {
		port, err := b.tryPort(0)
		if err == nil && pair {
			if port == math.MaxUint16 || b.used(port+1) {
				continue
			}
			_, err = b.tryPort(port + 1)
		}
		if err == nil && !b.used(port) {
			return port, nil
		}
		lastErr = err
	}
	return 0, fmt.Errorf("no free port: %w", lastErr)
}

// used reports whether a port has a use already.
func (b *loopback) used(port uint16) bool {
	for name, p := range b.plan.Ports {
		if p == port || name == "sup-http" && p+1 == port {
			return true
		}
	}
	return port == b.dyn
}

func (b *loopback) tryPort(port uint16) (_ uint16, err error) {
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

// fitting are the servers that there are addresses for, each at its own. With
// one address for all, only those can be had whose ports no other one has.
func (b *loopback) fitting() []computer {
	all := slices.DeleteFunc(computers(b.plan.Site, []Endpoint{{eventlog, b.dyn, "Event log TCPIP"}}), func(c computer) bool {
		return c.role == scanner.RoleDHCPServer
	})
	if len(b.addrs) > 1 {
		return all
	}
	var out []computer
	var left []string
	ports := map[string]bool{"smb": true, "epm": true} // the client's
	for _, c := range all {
		if slices.ContainsFunc(c.offers, func(o offer) bool { return ports[o.port] }) {
			left = append(left, strings.ToLower(c.name))
			continue
		}
		out = append(out, c)
		for _, o := range c.offers {
			ports[o.port] = true
		}
	}
	b.plan.Missing = append(b.plan.Missing, "this machine has one loopback address only, without room for "+strings.Join(left, ", "))
	return out
}

// checks lists what is checked, and from where.
func (b *loopback) checks(cs []computer) {
	roles := rolesOf(cs)
	for i, v := range vantages() {
		c := Check{Vantage: string(v), Rows: rowsFrom(v, roles)}
		if i == 0 {
			c.Rows = append(loopbackRows(), c.Rows...)
			for _, other := range vantages()[1:] {
				c.Rows = append(c.Rows, rowsFrom(other, roles)...)
			}
		}
		if len(c.Rows) > 0 {
			b.plan.Checks = append(b.plan.Checks, c)
		}
	}
}

// loopbackRows are the rows that lead to clients, as far as loopback goes.
func loopbackRows() []string { return []string{rowSMB, rowEPM, rowDynamic, rowClientSMB} }

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
			except: []Expected{{Row: rowSMB, State: "wrong-service"}, {Row: rowClientSMB, State: "wrong-service"}},
		},
		{
			fault: "a mail server greets in place of the endpoint mapper of %s", smb: smb, mapper: Banner("220 mail ready\r\n"),
			except: []Expected{{Row: rowEPM, State: "wrong-service"}, {Row: rowDynamic, State: "inconclusive"}},
		},
		{fault: "the endpoint mapper of %s names no port", smb: smb, mapper: EndpointMapper(nil), except: []Expected{{Row: rowDynamic, State: "inconclusive"}}},
	} {
		if i >= len(b.addrs) {
			break
		}
		h := b.name(fmt.Sprintf("PC-%03d", i+1), b.addrs[i])
		for port, s := range map[uint16]Service{b.plan.Ports["smb"]: c.smb, b.plan.Ports["epm"]: c.mapper, b.dyn: RPC(eventlog)} {
			if err := b.listen(h, port, scanner.TCP, s); err != nil {
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
		if slices.Contains(loopbackRows(), e.Row) {
			b.plan.Checks[0].Truth = append(b.plan.Checks[0].Truth, e)
		}
	}
}

// servers starts the servers, each at an address of its own if there are any.
func (b *loopback) servers(cs []computer) error {
	for i, c := range cs {
		a := b.addrs[0]
		if len(b.addrs) > 1 {
			a = b.addrs[loopbackClients+i]
		}
		h := b.plan.Network.HostNamed(c.name, a)
		b.records[h.DNSName] = []netip.Addr{a}
		b.server(c, a)
		for _, o := range c.offers {
			port, protocol := o.number, scanner.TCP
			if o.port != "" {
				port = b.plan.Ports[o.port]
			}
			if isUDP(o.port) {
				protocol = scanner.UDP
			}
			if err := b.listen(h, port, protocol, o.service); err != nil {
				return err
			}
		}
	}
	return nil
}

// listen serves for one host; the map of hosts is still being filled.
func (b *loopback) listen(h Host, port uint16, protocol scanner.Protocol, s Service) error {
	return b.lab.listen(netip.AddrPortFrom(h.Addr, port), protocol, s, func(netip.Addr) Host { return h })
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
