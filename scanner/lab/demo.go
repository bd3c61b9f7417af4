package lab

import (
	"cmreach/scanner"
	"encoding/binary"
	"fmt"
	"net/netip"
)

// The dynamic range of Windows ([MS-RPCE] names none; "Service overview and
// network port requirements for Windows").
const (
	dynamicFirst = 49152
	dynamicLast  = 65535
	// dynamicUsed is where Windows begins to hand ports out.
	dynamicUsed = 49664
)

// subnet is one client subnet of the demonstration.
type subnet struct {
	prefix netip.Prefix
	hosts  int
	second bool   // second addresses of the first clients, not clients of its own
	off    int    // of the hosts, the last ones
	except string // the row that is not open
	state  string
	by     netip.Addr
}

// Demo describes the network of the demonstration, with or without IPv6
// clients, and what is planted in it:
//
//	scanner -- r1 ------------- r2 -- clients: four or five subnets
//	            \-- servers: DNS, management point, proxy
func Demo(ipv6 bool) *Plan {
	n := &Network{Domain: "lab.test", Routers: []Router{{Name: "r1"}, {Name: "r2", Behind: "r1"}}}
	r1, _ := n.RouterAddrs("r1")
	r2, _ := n.RouterAddrs("r2")
	pre := netip.MustParsePrefix
	office, branch, dmz, plant := pre("198.19.1.0/24"), pre("198.19.2.0/24"), pre("198.19.3.0/24"), pre("198.19.4.0/24")
	subnets := []subnet{
		{prefix: office, hosts: 128, off: 8},
		{prefix: branch, hosts: 40, except: rowSMB, state: "blocked", by: r2},
		{prefix: dmz, hosts: 40, except: rowDynamic, state: "blocked", by: r1},
		{prefix: plant, hosts: 40, except: rowDynamic, state: "inconclusive"},
	}
	n.Routers[0].Filters = []Filter{{To: dmz, Protocol: scanner.TCP, First: dynamicFirst, Last: dynamicLast, Do: RejectProhibited}}
	n.Routers[1].Filters = []Filter{
		{To: branch, Protocol: scanner.TCP, First: 445, Do: RejectProhibited},
		{To: plant, Protocol: scanner.TCP, First: dynamicFirst, Last: dynamicLast, Do: Drop},
	}
	if ipv6 {
		subnets = append(subnets, subnet{prefix: pre("fd00:198:1001::/64"), hosts: 16, second: true})
	}
	p := &Plan{
		Network: n, Site: "LAB",
		Faults: []string{
			fmt.Sprintf("r2 (%v) rejects TCP 445 to %v: communication administratively prohibited", r2, branch),
			fmt.Sprintf("r1 (%v) refuses TCP %d-%d to %v: communication administratively prohibited", r1, dynamicFirst, dynamicLast, dmz),
			fmt.Sprintf("r2 swallows TCP %d-%d to %v", dynamicFirst, dynamicLast, plant),
		},
		Checks: []Check{{Vantage: "site-server"}},
	}
	d := demo{plan: p, records: Records{}, hosts: map[netip.Addr]Host{}}
	clients := Fleet{Name: "clients", Behind: "r2", Host: d.host, Listen: ClientPC()}
	for _, s := range subnets {
		d.populate(&clients, s)
	}
	d.stale("pc-017", "pc-042")
	n.Fleets = []Fleet{d.servers(), clients}
	return p
}

// ClientPC is what a Windows client offers to the network that is allowed to
// deploy to it. UDP 135 is served too, as it was by default before Windows XP SP2.
func ClientPC() []Listen {
	endpoints := Endpoints(dynamicUsed)
	ls := []Listen{
		{Port: 445, Service: SMB()},
		{Port: 135, Service: EndpointMapper(endpoints)},
		{Port: 135, Protocol: scanner.UDP, Service: EndpointMapperUDP(endpoints)},
	}
	for _, e := range endpoints {
		ls = append(ls, Listen{Port: e.Port, Service: RPC(e.Interface)})
	}
	return ls
}

// demo is what is filled in while the demonstration is described.
type demo struct {
	plan    *Plan
	records Records
	hosts   map[netip.Addr]Host
	count   int
}

func (d *demo) host(a netip.Addr) Host { return d.hosts[a] }

// name gives a computer an address, and a record in DNS.
func (d *demo) name(computer string, a netip.Addr) Host {
	h := d.plan.Network.HostNamed(computer, a)
	for _, b := range d.records[h.DNSName] {
		h.Others = append(h.Others, b)
		other := d.hosts[b]
		other.Others = append(other.Others, a)
		d.hosts[b] = other
	}
	d.hosts[a] = h
	d.records[h.DNSName] = append(d.records[h.DNSName], a)
	return h
}

// populate puts the clients of a subnet into the fleet, from its tenth address up.
func (d *demo) populate(f *Fleet, s subnet) {
	f.Prefixes = append(f.Prefixes, s.prefix)
	truth := &d.plan.Checks[0].Truth
	first := d.count + 1
	if s.second {
		first = 1
	} else {
		d.count += s.hosts
	}
	for i := range s.hosts {
		h := d.name(fmt.Sprintf("PC-%03d", first+i), nth(s.prefix, 10+i))
		if !s.second {
			d.plan.Targets = append(d.plan.Targets, h.DNSName)
		}
		if i >= s.hosts-s.off {
			f.Off = append(f.Off, netip.PrefixFrom(h.Addr, h.Addr.BitLen()))
			d.plan.Faults = append(d.plan.Faults, fmt.Sprintf("%s (%v) is off", h.DNSName, h.Addr))
			*truth = append(*truth, expect(h.DNSName, h.Addr, "down")...)
			continue
		}
		*truth = append(*truth, expect(h.DNSName, h.Addr, "open", Expected{Row: s.except, State: s.state, By: s.by})...)
	}
}

// stale leaves the name of one client pointing at the address of another.
func (d *demo) stale(computer, at string) {
	n := d.plan.Network
	name, other := n.HostNamed(computer, netip.Addr{}).DNSName, n.HostNamed(at, netip.Addr{}).DNSName
	addr := d.records[other][0]
	d.plan.Faults = append(d.plan.Faults, fmt.Sprintf("DNS gives %s the address of %s, %v: a stale record", name, other, addr))
	d.records[name] = []netip.Addr{addr}
	truth := d.plan.Checks[0].Truth
	for i := range truth {
		if truth[i].Host == name {
			truth[i].Addr, truth[i].State, truth[i].By = addr, "wrong-host", netip.Addr{}
		}
	}
}

// servers are the DNS server and the two management points, one of which is a
// proxy in truth. What clients need of them cannot be proven by the site server.
func (d *demo) servers() Fleet {
	prefix := netip.MustParsePrefix("198.19.0.0/24")
	dns := nth(prefix, 53)
	mp, proxied := d.name("MP1", nth(prefix, 10)), d.name("MP2", nth(prefix, 11))
	p := d.plan
	p.Network.DNS = dns
	p.ManagementPoints = []string{mp.DNSName, proxied.DNSName}
	p.Faults = append(p.Faults, fmt.Sprintf("a proxy answers in the place of the management point %s (%v)", proxied.DNSName, proxied.Addr))
	client := Check{Vantage: "client", Rows: []string{rowMPHTTP}, Truth: []Expected{
		{Host: mp.DNSName, Addr: mp.Addr, Row: rowMPHTTP, State: "open"},
		{Host: proxied.DNSName, Addr: proxied.Addr, Row: rowMPHTTP, State: "wrong-service"},
	}}
	for _, h := range []Host{mp, proxied} {
		for _, row := range []string{rowMPHTTP, rowMPHTTPS} {
			p.Checks[0].Truth = append(p.Checks[0].Truth, Expected{Host: h.DNSName, Addr: h.Addr, Row: row, State: "untested"})
		}
	}
	p.Checks = append(p.Checks, client)
	proxy := p.Network.HostNamed("PROXY", proxied.Addr)
	return Fleet{
		Name: "servers", Behind: "r1", Prefixes: []netip.Prefix{prefix},
		Host: func(a netip.Addr) Host {
			if a == proxy.Addr {
				return proxy
			}
			return d.host(a)
		},
		Listen: []Listen{
			{Addr: dns, Port: dnsPort, Protocol: scanner.UDP, Service: DNS(d.records)},
			{Addr: mp.Addr, Port: 80, Service: ManagementPoint(p.Site)},
			{Addr: proxied.Addr, Port: 80, Service: Proxy()},
		},
	}
}

// nth is the address n places behind the first of a prefix.
func nth(p netip.Prefix, n int) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	last := b[len(b)-4:]
	binary.BigEndian.PutUint32(last, binary.BigEndian.Uint32(last)+uint32(n)) //nolint:gosec // a small number
	a, _ := netip.AddrFromSlice(b)
	return a
}
