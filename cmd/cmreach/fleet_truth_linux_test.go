package main

import (
	"cmreach/scanner/verdict"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// fleetChecks are the rows of testdata/sweep/sweep.yaml, in its order.
var fleetChecks = [...]struct {
	row  string
	push string // the row of the built-in profile
	port uint16 // 0: echo
}{
	{"sweep/icmp", "push/icmp", 0},
	{"sweep/epm", "push/epm-tcp", 135},
	{"sweep/smb", "push/smb", 445},
	{"sweep/rc", "", 2701},
}

// answer is how a path of the fleet behaves.
type answer uint8

const (
	answersOpen answer = iota // SYN-ACK or echo reply
	answersReset
	answersNothing
	answersProhibited // ICMP: administratively prohibited
	answers           // how many there are
)

// mix spreads an index and a port over all numbers (the finalizer of splitmix64).
func mix(index int, port uint16) uint64 {
	z := uint64(index)<<16 + uint64(port) + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// lives reports whether a host answers anything at all.
func (p *fleetPlan) lives(host int) bool {
	return p.living == 0 || mix(host, 1)%1000 < uint64(p.living)*10
}

// truth is how a path behaves: 70 of 100 are open, 10 refuse, 15 swallow and 5
// prohibit. An echo has no refusal: 80 of 100 answer.
func (p *fleetPlan) truth(host, check int) answer {
	port := fleetChecks[check].port
	h := mix(host, port) % 100
	switch {
	case p.silent, !p.lives(host):
		return answersNothing
	case p.talks && h >= 80:
		return answersNothing
	case p.talks, h < 70, h < 80 && port == 0:
		return answersOpen
	case h < 80:
		return answersReset
	case h < 95:
		return answersNothing
	default:
		return answersProhibited
	}
}

// checks are those that the program is run for.
func (p *fleetPlan) checks() []int {
	if p.asked == nil {
		return allChecks
	}
	return p.asked
}

// addr is the address of a host.
func (p *fleetPlan) addr(host int) netip.Addr {
	if p.v6 {
		a := netip.MustParseAddr("fd00:198:19::").As16()
		binary.BigEndian.PutUint32(a[12:], uint32(host))
		return netip.AddrFrom16(a)
	}
	return netip.AddrFrom4([4]byte{198, 19, byte(host >> 8), byte(host)})
}

// index is the host that has an address, or -1.
func (p *fleetPlan) index(a netip.Addr) int {
	b := a.AsSlice()
	if len(b) < 4 {
		return -1
	}
	i := int(binary.BigEndian.Uint32(b[len(b)-4:]))
	if !p.v6 {
		i &= 0xffff
	}
	if i >= p.hosts || p.addr(i) != a {
		return -1
	}
	return i
}

// rejecter is the address that signs what is prohibited. With IPv4 it is the
// host's own; with IPv6 the kernel takes the address of its device, because a
// route alone does not make the host's address one that it may send from. A
// fleet that rations its errors is to be taken for a router: it signs so, too.
func (p *fleetPlan) rejecter(host int) netip.Addr {
	switch {
	case p.v6:
		return netip.MustParseAddr("fd00:198::2")
	case p.rationed:
		return netip.MustParseAddr("198.18.0.2")
	default:
		return p.addr(host)
	}
}

// wanted is the right verdict on a path.
type wanted struct {
	state verdict.State
	by    netip.Addr // not valid: nobody is to be named
	doubt bool       // the evidence that there is may as well leave it undecided
	// rationed: what rejects it says so too seldom, so that the verdict need name
	// nobody.
	rationed bool
}

// want is the verdict that a path of the fleet must get when nothing was lost.
// It is the only place where the truth becomes verdicts:
//
//   - what answers is open, and what is prohibited is blocked by the rejecter, who
//     need not be named when it rations its rejections;
//   - what refuses is closed. Only another answer of the host shows that the
//     host sent the RST itself: where no path of it is open, it may stay undecided;
//   - what is swallowed is blocked when the host proves by another path that it
//     lives: by an answer, or by an ICMP error of its own. It is undecided when
//     the only signs of life are ones that a firewall may have sent: a RST, or
//     another machine's ICMP error. When there is none, the host is down.
func (p *fleetPlan) want(host, check int) wanted {
	var has [answers]bool
	for _, c := range p.checks() {
		has[p.truth(host, c)] = true
	}
	switch p.truth(host, check) {
	case answersOpen:
		return wanted{state: verdict.Open}
	case answersProhibited:
		return wanted{state: verdict.Blocked, by: p.rejecter(host), rationed: p.rationed}
	case answersReset:
		return wanted{state: verdict.Closed, doubt: !has[answersOpen]}
	default: // swallowed
	}
	switch ownError := has[answersProhibited] && p.rejecter(host) == p.addr(host); {
	case has[answersOpen], ownError:
		return wanted{state: verdict.Blocked}
	case has[answersReset], has[answersProhibited]:
		return wanted{state: verdict.Inconclusive}
	default:
		return wanted{state: verdict.Down}
	}
}

// ruleset makes the fleet behave as truth says, by maps from address and port
// to what is done.
func (p *fleetPlan) ruleset() string {
	family, address, icmp := "ip", "ipv4_addr", "icmp type echo-request"
	if p.v6 {
		family, address, icmp = "ip6", "ipv6_addr", "icmpv6 type echo-request"
	}
	// The routing rejects in the router's name, a filter of the host in the host's.
	routed := p.rationed && !p.v6
	do := [answers]string{answersReset: "goto refuse", answersNothing: "drop", answersProhibited: "goto forbid"}
	hook, forbid := "input priority 0", "reject with icmpx type admin-prohibited"
	if routed {
		hook, forbid = "prerouting priority -150", "meta mark set 1"
	}
	var tcp, echo, living []string
	for h := range p.hosts {
		if !p.lives(h) {
			continue
		}
		if p.living > 0 {
			living = append(living, p.addr(h).String())
		}
		for c, check := range fleetChecks {
			switch a := p.truth(h, c); {
			case a == answersOpen:
			case check.port == 0:
				echo = append(echo, fmt.Sprintf("%s : %s", p.addr(h), do[a]))
			default:
				tcp = append(tcp, fmt.Sprintf("%s . %d : %s", p.addr(h), check.port, do[a]))
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "table inet fleet {\n chain refuse { reject with tcp reset; }\n chain forbid { %s; }\n", forbid)
	elements := func(kind, name, types string, list []string) {
		fmt.Fprintf(&b, " %s %s {\n type %s\n", kind, name, types)
		if len(list) > 0 {
			fmt.Fprintf(&b, " elements = { %s }\n", strings.Join(list, ", "))
		}
		b.WriteString(" }\n")
	}
	elements("map", "tcp_paths", address+" . inet_service : verdict", tcp)
	elements("map", "echo_paths", address+" : verdict", echo)
	elements("set", "living", address, living)
	fmt.Fprintf(&b, " chain arriving {\n type filter hook %s; policy accept;\n iifname lo accept\n", hook)
	if p.living > 0 {
		fmt.Fprintf(&b, " %s daddr %s %s daddr != @living drop\n", family, p.network(), family)
	}
	fmt.Fprintf(&b, " meta l4proto tcp %s daddr . tcp dport vmap @tcp_paths\n %s %s daddr vmap @echo_paths\n }\n}\n", family, icmp, family)
	return b.String()
}

// network holds every fleet of the family.
func (p *fleetPlan) network() string {
	if p.v6 {
		return "fd00:198:19::/64"
	}
	return "198.19.0.0/16"
}
