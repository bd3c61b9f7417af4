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
	name   string
	prefix netip.Prefix
	hosts  int
	second bool       // second addresses of the first clients, not clients of its own
	except []Expected // what is not open
}

// The subnets of the demonstration's servers: those of the site, and those of
// the domain.
const (
	siteSubnet4, siteSubnet6     = "198.19.0.0/24", "fd00:198:1000::/64"
	domainSubnet4, domainSubnet6 = "198.19.5.0/24", "fd00:198:1005::/64"
)

// Demo describes the network of the demonstration, with or without IPv6, and
// what is planted in it. Every path of it can be proven to work or not to work,
// so that the vantages together cover all:
//
//	scanner -- r1 ------------- r2 -- clients: four or five subnets
//	            |                \-- domain: domain controller, health validator, ...
//	            \-- servers: DNS, management points, update point, ...
func Demo(ipv6 bool) *Plan {
	n := &Network{Domain: "lab.test", Routers: []Router{{Name: "r1"}, {Name: "r2", Behind: "r1"}}}
	var r1, r2 rejecter
	r1.v4, r1.v6 = n.RouterAddrs("r1")
	r2.v4, r2.v6 = n.RouterAddrs("r2")
	p := &Plan{
		Network: n, Site: "LAB", Roles: map[scanner.Role][]string{},
		Settings: map[string]string{"communication": "both", "updates": "https", "nap": "both"},
		Checks:   []Check{{Vantage: string(scanner.RoleSiteServer)}},
	}
	d := demo{plan: p, records: Records{}, hosts: map[netip.Addr]Host{}}
	clients := d.clients(r1, r2, ipv6)
	all := computers(p.Site, Endpoints(dynamicUsed))
	for _, v := range vantages()[1:] {
		p.Checks = append(p.Checks, Check{Vantage: string(v), Rows: rowsFrom(v, rolesOf(all))})
	}
	site, domain := d.servers(all, ipv6)
	d.serviceFaults()
	d.serverFilters(r2)
	n.Fleets = []Fleet{site, domain, clients}
	return p
}

// clients describes the client computers, and the faults on the way to them.
func (d *demo) clients(r1, r2 rejecter, ipv6 bool) Fleet {
	n, pre := d.plan.Network, netip.MustParsePrefix
	office, branch, dmz, plant := pre("198.19.1.0/24"), pre("198.19.2.0/24"), pre("198.19.3.0/24"), pre("198.19.4.0/24")
	noSMB := []Expected{{Row: rowSMB, State: "blocked", By: r2.v4}, {Row: rowClientSMB, State: "blocked", By: r2.v4}}
	subnets := []subnet{
		{name: "Office", prefix: office, hosts: 128},
		{name: "Branch", prefix: branch, hosts: 40, except: noSMB},
		{name: "DMZ", prefix: dmz, hosts: 40, except: []Expected{{Row: rowDynamic, State: "blocked", By: r1.v4}}},
		{name: "Plant", prefix: plant, hosts: 40, except: []Expected{{Row: rowICMP, State: "blocked"}}},
	}
	if ipv6 {
		subnets = append(subnets, subnet{name: "Office, IPv6", prefix: pre("fd00:198:1001::/64"), hosts: 16, second: true})
	}
	n.Routers[0].Filters = []Filter{{To: dmz, Protocol: scanner.TCP, First: dynamicFirst, Last: dynamicLast, Do: RejectProhibited}}
	n.Routers[1].Filters = []Filter{
		{To: branch, Protocol: scanner.TCP, First: 445, Do: RejectProhibited},
		{To: plant, Protocol: scanner.ICMP, Do: Drop},
	}
	d.plan.Faults = []string{
		fmt.Sprintf("r2 (%v) rejects TCP 445 to %v (Branch)", r2.v4, branch),
		fmt.Sprintf("r1 (%v) rejects TCP %d-%d to %v (DMZ)", r1.v4, dynamicFirst, dynamicLast, dmz),
		fmt.Sprintf("r2 swallows echo requests to %v (Plant)", plant),
	}
	f := Fleet{Name: "clients", Behind: "r2", Host: d.host, Listen: ClientPC()}
	for _, s := range subnets {
		d.populate(&f, s)
	}
	d.stale("pc-017", "pc-042")
	return f
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
	d.plan.Subnets = append(d.plan.Subnets, Subnet{s.name, s.prefix})
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
		*truth = append(*truth, expect(h.DNSName, h.Addr, "open", s.except...)...)
	}
}

// stale leaves the name of one client pointing at the address of another.
func (d *demo) stale(computer, at string) {
	n := d.plan.Network
	name, other := n.HostNamed(computer, netip.Addr{}).DNSName, n.HostNamed(at, netip.Addr{}).DNSName
	addr := d.records[other][0]
	d.plan.Faults = append(d.plan.Faults, fmt.Sprintf("DNS gives %s the address of %s: a stale record", name, other))
	d.records[name] = []netip.Addr{addr}
	truth := d.plan.Checks[0].Truth
	for i := range truth {
		if truth[i].Host == name {
			truth[i].Addr, truth[i].State, truth[i].By = addr, "wrong-host", netip.Addr{}
		}
	}
}

// servers describes the two subnets of servers, and the DNS server in the first.
func (d *demo) servers(all []computer, ipv6 bool) (site, domain Fleet) {
	near4, far4 := netip.MustParsePrefix(siteSubnet4), netip.MustParsePrefix(domainSubnet4)
	d.plan.Network.DNS = nth(near4, 53)
	site = Fleet{
		Name: "servers", Behind: "r1", Prefixes: []netip.Prefix{near4}, Host: d.host,
		Listen: []Listen{{Addr: d.plan.Network.DNS, Port: dnsPort, Protocol: scanner.UDP, Service: DNS(d.records)}},
	}
	domain = Fleet{Name: "domain", Behind: "r2", Prefixes: []netip.Prefix{far4}, Host: d.host}
	if ipv6 {
		site.Prefixes = append(site.Prefixes, netip.MustParsePrefix(siteSubnet6))
		domain.Prefixes = append(domain.Prefixes, netip.MustParsePrefix(domainSubnet6))
	}
	ports := usualPorts()
	for i, c := range all {
		f := &site
		if c.far {
			f = &domain
		}
		var addrs []netip.Addr
		for _, p := range f.Prefixes {
			if p.Addr().Is4() || !c.only4 {
				addrs = append(addrs, d.name(c.name, nth(p, 10+i)).Addr)
			}
		}
		d.server(c, addrs...)
		for _, a := range addrs {
			for _, o := range c.offers {
				l := Listen{Addr: a, Port: o.number, Service: o.service}
				if o.port != "" {
					l.Port = ports[o.port]
				}
				if isUDP(o.port) {
					l.Protocol = scanner.UDP
				}
				f.Listen = append(f.Listen, l)
			}
		}
	}
	return site, domain
}

// serverFilters plants the faults on the way to the servers.
func (d *demo) serverFilters(r2 rejecter) {
	n := d.plan.Network
	block := func(router int, computer string, port uint16, do Action) {
		for _, a := range d.records[n.HostNamed(computer, netip.Addr{}).DNSName] {
			r := &n.Routers[router]
			r.Filters = append(r.Filters, Filter{To: netip.PrefixFrom(a, a.BitLen()), Protocol: scanner.TCP, First: port, Do: do})
		}
	}
	block(0, "wsus1", 8530, Drop)
	d.fault("r1 swallows TCP 8530 to wsus1."+n.Domain+"; 8531 passes", "wsus1", "blocked", rejecter{}, "sup/sup-http")
	block(1, "gc1", 3268, RejectProhibited)
	d.fault(fmt.Sprintf("r2 (%v) rejects TCP 3268 to gc1.%s; 3269 passes", r2.v4, n.Domain), "gc1", "blocked", r2, "nap/gc-ldap")
}

// nth is the address n places behind the first of a prefix.
func nth(p netip.Prefix, n int) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	last := b[len(b)-4:]
	binary.BigEndian.PutUint32(last, binary.BigEndian.Uint32(last)+uint32(n)) //nolint:gosec // a small number
	a, _ := netip.AddrFromSlice(b)
	return a
}
