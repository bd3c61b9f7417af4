package main

import (
	"cmreach/scanner"
	"fmt"
	"slices"
	"strings"
)

// webRow is a row of a profile that a web server answers.
type webRow struct {
	id    string
	from  scanner.Role
	to    scanner.Role
	probe string
	port  uint16
}

func (r webRow) secure() bool { return strings.HasPrefix(r.probe, "https-") }

// webMachine is a web server of testdata/peers/roles.sh, and what must be said
// of it in the place of any role.
type webMachine struct {
	name   string
	number int             // of its addresses
	ports  []uint16        // those on which it listens
	plain  said            // of a role over HTTP
	secure said            // of a role over HTTPS
	but    map[string]said // of the roles of these probes
	namer  string          // the probe that alone learns the name of the machine; empty: several do
}

// said is what must be said of a row.
type said struct {
	want string
	says []string
	not  []string
}

// The ports of the servers in roles.sh.
var (
	plainPorts  = []uint16{80, 8530}
	securePorts = []uint16{443, 8531}
	allPorts    = []uint16{80, 443, 8530, 8531, 8003}
)

// faulty begins each fault of a certificate in the evidence.
const faulty = "; certificate "

const (
	webProven  = "open open.answer identity"
	webUnnamed = "open open.answer role"
	webReached = "open open.answer protocol"
	webForeign = "wrong-service wrong-service.foreign none"
	webRefused = "wrong-service wrong-service.certificate none"
	webCut     = "inconclusive inconclusive.cut none"
	webClosed  = "closed closed.reset none by host"
	webOpen    = "open open.port port-open"
)

// webMachines is the table. A machine with one role is a plain web server to
// all others; a machine with a fault has all roles, so that it is the fault that
// is seen.
func webMachines() []webMachine {
	without := said{want: webForeign, says: []string{"(a web server without a", "http-status 404 Not Found"}, not: []string{faulty}}
	proven := said{want: webProven, says: []string{"is there, a path that cannot exist is not"}, not: []string{faulty, "the server may want HTTPS"}}
	// Those that the challenge of NTLM names: the certificate says the same.
	named := func(label string) said {
		return said{want: webProven, says: []string{"computer " + strings.ToUpper(label) + ", name " + label + ".lab.test, domain lab.test"}, not: []string{faulty}}
	}
	// The directory is there, and its answers are not published.
	status := said{want: webReached, says: []string{"the directory /SMS_FSP/ is there"}, not: []string{"the server may want HTTPS"}}
	role := func(name string, number int, s said, ports []uint16, probes ...string) webMachine {
		m := webMachine{name: name, number: number, ports: ports, plain: without, secure: without, but: map[string]said{}}
		for _, p := range probes {
			m.but[p] = s
		}
		return m
	}
	point := said{want: webProven, says: []string{"management-points mp1.lab.test", "site-code LAB"}, not: []string{faulty}}
	return slices.Concat([]webMachine{
		role("mp1", 80, point, []uint16{80, 443}, "http-mp", "https-mp"),
		role("dp1", 86, named("dp1"), []uint16{80, 443}, "http-dp", "https-dp"),
		role("sup1", 87, proven, []uint16{80, 443, 8530, 8531}, "http-sup", "https-sup"),
		role("fsp1", 88, status, []uint16{80}, "http-fsp"),
		role("hra1", 89, named("hra1"), []uint16{80, 443}, "http-hra", "https-hra"),
		role("cmg1", 90, proven, []uint16{443, 10124, 10140}, "https-cmg"),
		role("bgb1", 91, proven, []uint16{80, 443, 10123}, "http-notify", "https-notify"),
		role("plain1", 102, without, allPorts),
	}, faultyTLS(), inTheWay())
}

// faultyTLS are the machines with all roles and a fault in TLS.
func faultyTLS() []webMachine {
	tls := func(name string, number int, s said) webMachine {
		return webMachine{name: name, number: number, ports: securePorts, secure: s}
	}
	return []webMachine{
		// One fault each, and not another one beside it.
		tls("late1", 95, said{webRefused, []string{"; certificate expired on 2021-01-01"}, []string{"not for the name", "trust"}}),
		tls("alias1", 96, said{webRefused, []string{"; certificate not for the name alias1.lab.test", "certificate-names other.invalid"}, []string{"expired", "trust"}}),
		// Whom a client trusts is not known here: the faults are told, and the role is proven.
		tls("self1", 97, said{webProven, []string{"; certificate self-signed"}, []string{"expired", "not for the name"}}),
		tls("issuer1", 98, said{webProven, []string{"; certificate this machine does not trust its issuer (clients may)"}, []string{"expired", "not for the name"}}),
		tls("pki1", 99, said{webReached, []string{"asks for credentials", "a client certificate is wanted", "certificate-names pki1.lab.test"}, []string{faulty}}),
		// Older Windows takes it.
		tls("old1", 100, said{webProven, []string{"tls TLS 1.0", "; certificate TLS 1.0 is too old"}, []string{"expired", "trust", "not for the name"}}),
		{
			name: "swap1", number: 101, ports: slices.Concat(plainPorts, securePorts),
			plain:  said{want: webForeign, says: []string{"the port speaks TLS, not plain HTTP"}},
			secure: said{want: webForeign, says: []string{"no TLS: the port speaks plain HTTP"}},
		},
	}
}

// inTheWay are what answers in place of every role: proxies, portals, gateways.
func inTheWay() []webMachine {
	all := func(name string, number int, want string, says string) webMachine {
		s := said{want: want, says: []string{says}, not: []string{faulty}}
		return webMachine{name: name, number: number, ports: allPorts, plain: s, secure: s}
	}
	login := all("login1", 108, webForeign, "(it answers every path: a proxy, a portal, or another server); answer it answers every path: a proxy, a portal, or another server; title Sign in to Wi-Fi")
	page := said{want: webForeign, says: []string{"(a page, not a list of management points)", "title Sign in to Wi-Fi"}}
	login.but = map[string]said{"http-mp": page, "https-mp": page}
	busy := all("busy1", 106, webForeign, "(it answers every path: a proxy, a portal, or another server)")
	busy.but = map[string]said{"http-mp": {want: webForeign, says: []string{"http-status 503"}}, "https-mp": {want: webForeign, says: []string{"http-status 503"}}}
	// What is forwarded proves the role; the proxy's mark is told.
	relay := webMachine{
		name: "relay1", number: 109, ports: plainPorts,
		plain: said{want: webProven, says: []string{"proxy Via: 1.1 relay1"}},
		but:   map[string]said{"http-fsp": {want: webReached, says: []string{"proxy Via: 1.1 relay1"}}},
		namer: "http-mp",
	}
	return []webMachine{
		all("portal1", 103, webForeign, "(a redirect to http://portal.invalid/login)"),
		all("proxy1", 104, webForeign, "(a proxy asks for credentials)"),
		all("gate1", 105, webForeign, "(a gateway or proxy could not reach the server behind it)"),
		all("hangup1", 107, webCut, "the connection ended without an answer"),
		busy, login, relay,
	}
}

// expect is what must be said of a row of the machine.
func (m webMachine) expect(r webRow) said {
	s, special := m.but[r.probe]
	switch {
	case !slices.Contains(m.ports, r.port):
		return said{want: webClosed}
	case r.probe == "":
		return said{want: webOpen}
	case special:
		return s
	case r.secure():
		return m.secure
	default:
		return m.plain
	}
}

// peer is the machine with what must be said of rows.
func (m webMachine) peer(rows []webRow) peer {
	p := peer{name: m.name + ".lab.test", addrs: []string{fmt.Sprintf("198.18.0.%d", m.number), fmt.Sprintf("fd00:198::%d", m.number)}}
	nameless := m.namer != "" && !slices.ContainsFunc(rows, func(r webRow) bool { return r.probe == m.namer })
	for _, r := range rows {
		s := m.expect(r)
		if nameless && s.want == webProven {
			s.want = webUnnamed
		}
		p.rows = append(p.rows, peerRow{row: r.id, want: s.want, says: s.says, not: s.not})
	}
	return p
}
