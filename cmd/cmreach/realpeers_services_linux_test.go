package main

import (
	"bytes"
	"cmreach/profiles"
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// serviceSteps start the servers of this file.
func serviceSteps() [][]string {
	return [][]string{
		{"slapd.sh", "start", "ldap1", "38"},
		{"ike.sh", "start", "ipsec1", "50"},
		{"ike.sh", "start", "ipsec2", "51", "1"},
		{"ike.sh", "start", "ipsec3", "52", "2"},
		{"rdp.sh", "start", "rdp0001", "33"},
		{"rdp.sh", "start", "rdp0002", "34", "rdp"},
		{"dhcp.sh", "start", "dhcp1", "67", "isc"},
		{"dhcp.sh", "start", "dhcp2", "68", "kea"},
		{"dhcp.sh", "start", "dhcp3", "69", "dnsmasq"},
		{"dhcp.sh", "start", "pxe1", "70", "pxe"},
	}
}

// servicePrograms are what they need.
func servicePrograms() []string {
	return []string{"ss", "slapd", "/usr/lib/ipsec/charon", "swanctl", "xrdp", "xrdp-keygen", "dhcpd", "kea-dhcp4", "dnsmasq"}
}

// cast are the machines that are checked in a role: the right ones, and others
// in their place.
func cast(r scanner.Role) []string {
	switch r {
	case scanner.RoleClient:
		return []string{"pc0001", "rdp0001", "rdp0002", "ssh0001"}
	case scanner.RoleDomainController:
		return []string{"dc1", "ldap1", "dhcp3"}
	case scanner.RoleGlobalCatalog:
		return []string{"dc1", "ldap1"}
	case scanner.RoleDHCPServer:
		return []string{"dhcp1", "dhcp2", "dhcp3", "pxe1", "ipsec1"}
	case scanner.RolePXEServer:
		return []string{"pxe1", "dhcp1", "dhcp2", "dhcp3"}
	case scanner.RoleIPsecPeer:
		return []string{"ipsec1", "ipsec2", "ipsec3", "dhcp3"}
	default:
		return []string{"pc0001", "ssh0001"} // what all Windows computers have in common
	}
}

// castAddrs are the addresses at which a machine is checked with a probe: both,
// but for what exists in IPv4 only.
func castAddrs(machine, probe string) []string {
	number := map[string]string{
		"dc1": "2", "pc0001": "30", "ssh0001": "32", "rdp0001": "33", "rdp0002": "34", "ldap1": "38",
		"ipsec1": "50", "ipsec2": "51", "ipsec3": "52", "dhcp1": "67", "dhcp2": "68", "dhcp3": "69", "pxe1": "70",
	}[machine]
	switch probe {
	case "dhcp", "pxe", "pxe-discover":
		return []string{"198.18.0." + number}
	default:
		return []string{"198.18.0." + number, "fd00:198::" + number}
	}
}

// What a machine that does not play a part is found to do.
const (
	identity = "open open.answer identity"
	role     = "open open.answer role"
	protocol = "open open.answer protocol"
	foreign  = "wrong-service wrong-service.foreign none"
	refused  = "closed closed.reset none by host"
	noPort   = "closed closed.port-unreachable none by host"
	noAnswer = "inconclusive inconclusive.udp-silent none"
	noMapper = "inconclusive inconclusive.mapper none"
)

// found is what must be said of a machine where a row is proven by the word of
// a probe.
func found(machine, probe string) (peerRow, bool) {
	is := func(want string, says ...string) (peerRow, bool) { return peerRow{want: want, says: says}, true }
	openLDAP := "LDAP, but not Active Directory (OpenLDAP)"
	switch machine + " " + probe {
	case "pc0001 smb":
		return is(identity, "computer PC0001", "dialect 3.1.1")
	case "pc0001 rpc":
		return is(identity, "rpc ports 49664")
	case "pc0001 rpc-bind":
		return is("open open.dynamic protocol", "TCP 49664 rpc-bind: spoken")

	case "dc1 ldap":
		return is(identity, "the root of Active Directory", "domain-controller dc1.lab.test", "start-tls works")
	case "dc1 ldaps":
		return is(identity, "the root of Active Directory", "tls TLS 1.", "certificate-names DC1.lab.test")
	case "dc1 gc":
		return is(identity, "global-catalog TRUE")
	case "dc1 gcs":
		return is(identity, "global-catalog TRUE", "tls TLS 1.")
	case "dc1 cldap":
		return is(identity, "domain lab.test", "global catalog")
	case "dc1 dns":
		return is(protocol, "authoritative for lab.test.", "primary-server dc1.lab.test")
	case "dc1 kerberos":
		return is(identity, "realm LAB.TEST")
	case "dc1 rpc":
		return is(identity, "rpc ports 49152")
	case "dc1 rpc-bind":
		return is("open open.dynamic protocol", "TCP 49152 rpc-bind: spoken")

	// A directory, but not that of Windows, on all four ports.
	case "ldap1 ldap", "ldap1 ldaps", "ldap1 gc", "ldap1 gcs":
		return is(foreign, openLDAP)
	// A DNS server that is no domain controller, and knows nothing of the zone.
	case "dhcp3 dns":
		return is(protocol, "refused for lab.test.")

	case "ssh0001 smb", "ssh0001 rdp":
		return is(foreign, "SSH-2.0")
	case "rdp0001 rdp":
		return is(identity, "chooses TLS", "certificate-names rdp0001.lab.test")
	case "rdp0002 rdp": // no TLS, so no certificate that has a name
		return is(protocol, "TCP 3389 rdp: spoken")

	case "dhcp1 dhcp", "dhcp2 dhcp", "dhcp3 dhcp":
		return is(role, "DHCPACK", "server "+castAddrs(machine, probe)[0], "domain lab.test")
	case "pxe1 dhcp": // hears it, and has nothing to say
		return is(noAnswer)
	case "pxe1 pxe":
		return is(role, "DHCPACK", "boot file bootx64.efi")
	case "pxe1 pxe-discover":
		return is(role, "DHCPOFFER", "server 198.18.0.70")
	case "dhcp1 pxe-discover", "dhcp2 pxe-discover", "dhcp3 pxe-discover": // DHCP servers, but no boot servers
		return is(protocol, "DHCPOFFER", "server "+castAddrs(machine, probe)[0])
	case "pxe1 tftp":
		return is(protocol, "error 1: ")

	case "ipsec1 ike", "ipsec1 ike-natt": // whichever of the two answers comes first
		return is(protocol, "spoken", "in answer to IKEv")
	case "ipsec2 ike", "ipsec2 ike-natt", "ipsec3 ike", "ipsec3 ike-natt": // a refusal is an answer too
		return is(protocol, "spoken", "in answer to IKEv")
	}
	return elsewhere(probe)
}

// elsewhere is what must be said of a machine that has nothing of a service.
func elsewhere(probe string) (peerRow, bool) {
	switch probe {
	case "icmp":
		return peerRow{want: "open open.echo protocol"}, true
	case "smb", "rpc", "rdp", "ldap", "ldaps", "gc", "gcs", "kerberos":
		return peerRow{want: refused}, true
	case "rpc-bind":
		return peerRow{want: noMapper}, true
	case "cldap", "dns", "dhcp", "pxe", "pxe-discover", "tftp", "ike", "ike-natt":
		return peerRow{want: noPort}, true
	}
	return peerRow{}, false
}

// realRow is a row that real servers are checked for here.
type realRow struct {
	id       string
	from, to scanner.Role
	probe    string
}

// realRows are all such rows of all profiles. Web servers are checked elsewhere.
func realRows(t *testing.T) []realRow {
	t.Helper()
	list, err := profiles.Load([]string{"all"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var rows []realRow
	for _, p := range list {
		for _, r := range p.Rows {
			probe := r.Probe
			if r.Protocol == scanner.ICMP {
				probe = "icmp"
			}
			if _, ok := elsewhere(probe); ok {
				rows = append(rows, realRow{p.Name + "/" + r.ID, r.From, r.To, probe})
			}
		}
	}
	return rows
}

// inScene is what must be said of rows: of each, for every machine that is cast
// for its role.
func inScene(rows []realRow) []peer {
	var ps []peer
	for _, r := range rows {
		for _, machine := range cast(r.to) {
			want, _ := found(machine, r.probe)
			want.row = r.id
			ps = append(ps, peer{machine + ".lab.test", castAddrs(machine, r.probe), []peerRow{want}})
		}
	}
	return ps
}

// scene checks rows that start at one role, from there.
func (l *peerLAN) scene(t *testing.T, attr *syscall.SysProcAttr, rows []realRow, more ...string) []verdict.Finding {
	t.Helper()
	from := rows[0].from
	args := append([]string{"check", "-p", "all", "-o", "json", "--vantage", string(from)}, more...)
	given := []scanner.Role{from}
	switch from {
	case scanner.RoleClient, scanner.RoleConsole, scanner.RoleSiteServer:
		given = nil // of these there are some in every site
	default:
		args = append(args, "--role", string(from)+"=pc0001.lab.test")
	}
	for _, r := range rows {
		args = append(args, "--only", r.id)
		if slices.Contains(given, r.to) {
			continue
		}
		given = append(given, r.to)
		var names []string
		for _, machine := range cast(r.to) {
			names = append(names, machine+".lab.test")
		}
		if r.to == scanner.RoleClient {
			args = append(args, names...)
		} else {
			args = append(args, "--role", fmt.Sprintf("%s=%s", r.to, strings.Join(names, ",")))
		}
	}
	var out, errs bytes.Buffer
	cmd := l.command(t, attr, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	doc, exit := finish(t, cmd, &out, &errs)
	if !doc.Run.Complete || exit != doc.Summary.Exit {
		t.Errorf("exit code %d, summary %+v, run %+v\n%s", exit, doc.Summary, doc.Run, &errs)
	}
	return doc.Findings
}

// checkServices checks every row of every profile that has a real server, from
// where it starts: with the right server, and with another in its place.
func (l *peerLAN) checkServices(t *testing.T) {
	l.banner(t, "ssh0001", ":3389", "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
	byRole := map[scanner.Role][]realRow{}
	var ipsec []realRow // no site enforces NAP in two ways
	for _, r := range realRows(t) {
		if r.to == scanner.RoleIPsecPeer {
			ipsec = append(ipsec, r)
		} else {
			byRole[r.from] = append(byRole[r.from], r)
		}
	}
	for from, rows := range byRole {
		t.Run(string(from), func(t *testing.T) {
			compareReal(t, inScene(rows), l.scene(t, nil, rows, "--when", "nap=dhcp"))
		})
	}
	t.Run("IPsec", func(t *testing.T) {
		compareReal(t, inScene(ipsec), l.scene(t, nil, ipsec, "--when", "nap=ipsec"))
	})
	t.Run("IPsec, user", func(t *testing.T) {
		compareReal(t, inScene(ipsec), l.scene(t, asNobody(), ipsec, "--when", "nap=ipsec"))
	})
	t.Run("user", func(t *testing.T) {
		rows := byRole[scanner.RoleClient]
		compareReal(t, withoutRights(rows), l.scene(t, asNobody(), rows, "--when", "nap=dhcp"))
	})
}

// withoutRights is what an ordinary user may say: nothing of what needs an echo
// request or a port below 1024, but that, and all else.
func withoutRights(rows []realRow) []peer {
	ps := inScene(rows)
	for i, p := range ps {
		for j, row := range p.rows {
			r := rows[slices.IndexFunc(rows, func(r realRow) bool { return r.id == row.row })]
			switch r.probe {
			case "icmp":
				ps[i].rows[j] = peerRow{row: row.row, want: "error error.local none"}
			case "dhcp", "pxe":
				ps[i].rows[j] = peerRow{row: row.row, want: "error error.local none", says: []string{"no right to use UDP port 68 "}}
			case "pxe-discover":
				ps[i].rows[j] = peerRow{row: row.row, want: "error error.local none", says: []string{"no right to use UDP port 67 "}}
			}
		}
	}
	return ps
}
