package lab

import (
	"cmreach/scanner"
	"fmt"
	"net/netip"
)

// CrowdMax is the greatest number of hosts that a crowd has.
const CrowdMax = 240 * 256

// mix is what is planted in one subnet of a crowd.
type mix struct {
	fault   string // with the subnet; empty: nothing
	state   string // of all rows
	except  []Expected
	filters func(to netip.Prefix) (router, host []Filter)
	off     bool
	mapper  *Service // in the place of the endpoint mapper
	strange bool     // the hosts have other names than those in DNS
}

// Crowd describes a network of n clients, 256 to a subnet and at most
// [CrowdMax], for the sweep over many hosts. Of each sixteen
// subnets seven have a fault, another in each; the rows are icmp, smb and epm-tcp. The names are
// made of the addresses, so that a host costs nothing but its line of the truth.
//
//	scanner -- r1 -- r2 -- crowd, odd
//	            \-- servers: DNS
func Crowd(n int) *Plan {
	net := &Network{Domain: "lab.test", Routers: []Router{{Name: "r1"}, {Name: "r2", Behind: "r1"}}}
	p := &Plan{
		Network: net, Site: "LAB",
		Checks: []Check{{Vantage: "site-server", Rows: []string{rowICMP, rowSMB, rowEPM}}},
	}
	records := Records{}
	servers := netip.MustParsePrefix("198.18.0.0/24")
	net.DNS = nth(servers, 53)
	r2 := net.Routers[1].Name
	by, _ := net.RouterAddrs(r2)
	mixes := mixes(by)
	strangers := map[netip.Prefix]bool{}
	host := func(a netip.Addr) Host {
		if strangers[subnetOf(a)] {
			return net.HostNamed("OLD-"+net.HostByAddr(a).Computer[3:], a)
		}
		return net.HostByAddr(a)
	}
	crowd := Fleet{Name: "crowd", Behind: r2, Host: host, Listen: crowdPC(EndpointMapper(Endpoints(dynamicUsed)))}
	var odd []Fleet
	for left, i := min(n, CrowdMax), 0; left > 0; left, i = left-256, i+1 {
		subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 19, byte(i), 0}), 24)
		m := mixes[i%len(mixes)]
		strangers[subnet] = m.strange
		f := &crowd
		if m.mapper != nil {
			odd = append(odd, Fleet{Name: fmt.Sprintf("odd%d", i), Behind: r2, Host: host, Listen: crowdPC(*m.mapper)})
			f = &odd[len(odd)-1]
		}
		f.Prefixes = append(f.Prefixes, subnet)
		m.plant(p, f, subnet)
		for j := range min(left, 256) {
			a := nth(subnet, j)
			name := net.HostByAddr(a).DNSName
			records[name] = []netip.Addr{a}
			p.Targets = append(p.Targets, name)
			for _, row := range p.Checks[0].Rows {
				p.Checks[0].Truth = append(p.Checks[0].Truth, expected(name, a, row, m.state, m.except))
			}
		}
	}
	net.Fleets = append([]Fleet{crowd, {
		Name: "servers", Behind: "r1", Prefixes: []netip.Prefix{servers},
		Listen: []Listen{{Addr: net.DNS, Port: dnsPort, Protocol: scanner.UDP, Service: DNS(records)}},
	}}, odd...)
	return p
}

// subnetOf is the subnet of a crowd that an address is in.
func subnetOf(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, 24).Masked() }

// crowdPC is a client with the services that a crowd is asked for.
func crowdPC(mapper Service) []Listen {
	return []Listen{{Port: 445, Service: SMB()}, {Port: 135, Service: mapper}}
}

// plant puts the faults of the subnet where they belong.
func (m mix) plant(p *Plan, f *Fleet, subnet netip.Prefix) {
	if m.fault != "" {
		p.Faults = append(p.Faults, fmt.Sprintf(m.fault, subnet))
	}
	if m.off {
		f.Off = append(f.Off, subnet)
	}
	if m.filters != nil {
		router, host := m.filters(subnet)
		r2 := &p.Network.Routers[1]
		r2.Filters = append(r2.Filters, router...)
		f.Filters = append(f.Filters, host...)
	}
}

// mixes are sixteen subnets; by is the address of the router that rejects.
func mixes(by netip.Addr) []mix {
	tcp := func(to netip.Prefix, port uint16, do Action) []Filter {
		return []Filter{{To: to, Protocol: scanner.TCP, First: port, Do: do}}
	}
	banner := Banner("220 mail ready\r\n")
	ms := []mix{
		{
			fault: "r2 rejects TCP 445 to %v", state: "open", except: []Expected{{Row: rowSMB, State: "blocked", By: by}},
			filters: func(to netip.Prefix) (router, host []Filter) { return tcp(to, 445, RejectProhibited), nil },
		},
		{
			fault: "r2 swallows TCP 135 to %v", state: "open", except: []Expected{{Row: rowEPM, State: "blocked"}},
			filters: func(to netip.Prefix) (router, host []Filter) { return tcp(to, 135, Drop), nil },
		},
		{
			fault: "r2 swallows echo requests to %v", state: "open", except: []Expected{{Row: rowICMP, State: "blocked"}},
			filters: func(to netip.Prefix) (router, host []Filter) {
				return []Filter{{To: to, Protocol: scanner.ICMP, Do: Drop}}, nil
			},
		},
		{fault: "all of %v are off", state: "down", off: true},
		{fault: "DNS is stale for all of %v", state: "wrong-host", strange: true},
		{
			fault: "the hosts of %v let in TCP 445 alone", state: "blocked", except: []Expected{{Row: rowSMB, State: "open"}},
			filters: func(to netip.Prefix) (router, host []Filter) { return nil, Stealth(to, 445) },
		},
		{
			fault: "a mail server greets on TCP 135 of all of %v", state: "open",
			except: []Expected{{Row: rowEPM, State: "wrong-service"}}, mapper: &banner,
		},
	}
	for len(ms) < 16 {
		ms = append(ms, mix{state: "open"})
	}
	return ms
}
