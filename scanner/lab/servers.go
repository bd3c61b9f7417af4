package lab

import (
	"cmreach/probes/wire/ike"
	"cmreach/scanner"
	"net/netip"
	"slices"
)

// computer is a server of the demonstration.
type computer struct {
	name   string
	role   scanner.Role
	offers []offer
	far    bool // in the domain's own subnet, behind the second router
	only4  bool // without an IPv6 address
}

// offer is a service on a port that has a name in the profiles, or on one that
// the endpoint mapper names.
type offer struct {
	port    string
	number  uint16 // of a port without a name
	service Service
}

// usualPorts are the ports of the profiles that the servers use, by name.
func usualPorts() map[string]uint16 {
	return map[string]uint16{
		"smb": 445, "epm": 135, "http": 80, "https": 443, "sup-http": 8530, "sup-https": 8531,
		"ldap": 389, "ldaps": 636, "gc": 3268, "gcs": 3269, "dhcp": 67, "hra-http": 80, "hra-https": 443,
		"ike": 500, "ike-natt": 4500,
	}
}

// isUDP reports whether a named port is one of UDP.
func isUDP(port string) bool { return slices.Contains([]string{"dhcp", "ike", "ike-natt"}, port) }

// computers are the servers of the site, with what is wrong about their
// services: the second management point is a proxy, the domain controller's
// certificate has expired, and the registration authority's site on port 80 is
// another one. The endpoints are those of the health validator.
func computers(site string, endpoints []Endpoint) []computer {
	ca := NewAuthority()
	mp, dp, wsus := IIS(ManagementPoint(site)), IIS(DistributionPoint()), IIS(UpdatePoint())
	nps := []offer{{port: "smb", service: SMB()}, {port: "epm", service: EndpointMapper(endpoints)}}
	for _, e := range endpoints {
		nps = append(nps, offer{number: e.Port, service: RPC(e.Interface)})
	}
	return []computer{
		{name: "CM1", role: scanner.RoleSiteServer, offers: []offer{{port: "smb", service: SMB()}}},
		{name: "MP1", role: scanner.RoleManagementPoint, offers: []offer{{port: "http", service: mp}, {port: "https", service: mp.Over(ca.Valid)}}},
		{name: "MP2", role: scanner.RoleManagementPoint, only4: true, offers: []offer{{port: "http", service: Proxy()}, {port: "https", service: Proxy().Over(ca.Valid)}}},
		{name: "DP1", role: scanner.RoleDistributionPoint, offers: []offer{{port: "http", service: dp}, {port: "https", service: dp.Over(ca.Valid)}}},
		{name: "WSUS1", role: scanner.RoleSoftwareUpdatePoint, only4: true, offers: []offer{{port: "sup-http", service: wsus}, {port: "sup-https", service: wsus.Over(ca.Valid)}}},
		{name: "FSP1", role: scanner.RoleFallbackStatusPoint, offers: []offer{{port: "http", service: IIS(FallbackStatusPoint())}}},
		{name: "FILES1", role: scanner.RoleSourceServer, offers: []offer{{port: "smb", service: SMB()}}},
		{name: "DC1", role: scanner.RoleDomainController, far: true, offers: []offer{
			{port: "ldap", service: Directory(false, ca.Expired)}, {port: "ldaps", service: Directory(false, nil).Over(ca.Expired)},
		}},
		{name: "GC1", role: scanner.RoleGlobalCatalog, far: true, offers: []offer{
			{port: "gc", service: Directory(true, ca.Valid)}, {port: "gcs", service: Directory(true, nil).Over(ca.Valid)},
		}},
		{name: "NPS1", role: scanner.RoleSystemHealthValidator, far: true, offers: nps},
		{name: "HRA1", role: scanner.RoleHealthRegistration, far: true, offers: []offer{
			{port: "hra-http", service: IIS()}, {port: "hra-https", service: IIS(HealthRegistrationAuthority()).Over(ca.Valid)},
		}},
		{name: "DHCP1", role: scanner.RoleDHCPServer, far: true, only4: true, offers: []offer{{port: "dhcp", service: DHCP()}}},
		{name: "APP1", role: scanner.RoleIPsecPeer, far: true, offers: []offer{
			{port: "ike", service: IKE(nil)}, {port: "ike-natt", service: IKE(ike.NonESP())},
		}},
	}
}

// serverRow is a row that leads to a server, and where it starts.
type serverRow struct {
	id       string
	from, to scanner.Role
}

// serverRows are the rows of push, gpo, sup and nap that lead to the servers,
// at a site that uses HTTP and HTTPS everywhere, a source server, and both
// enforcements of NAP.
func serverRows() []serverRow {
	const (
		site, client, shv = scanner.RoleSiteServer, scanner.RoleClient, scanner.RoleSystemHealthValidator
		mp, dp, fsp       = scanner.RoleManagementPoint, scanner.RoleDistributionPoint, scanner.RoleFallbackStatusPoint
		sup, files        = scanner.RoleSoftwareUpdatePoint, scanner.RoleSourceServer
		dc, gc, dhcp      = scanner.RoleDomainController, scanner.RoleGlobalCatalog, scanner.RoleDHCPServer
		hra, peer         = scanner.RoleHealthRegistration, scanner.RoleIPsecPeer
	)
	return []serverRow{
		{"push/mp-http", client, mp},
		{"push/mp-https", client, mp},
		{"push/fsp-http", client, fsp},
		{"push/dp-http", client, dp},
		{"push/dp-https", client, dp},
		{"gpo/mp-http", client, mp},
		{"gpo/mp-https", client, mp},
		{"gpo/source-smb", client, files},
		{"gpo/fsp-http", client, fsp},
		{"sup/sup-http", client, sup},
		{"sup/sup-https", client, sup},
		{"sup/source-smb", client, files},
		{"sup/fsp-http", client, fsp},
		{"nap/ad-ldap", site, dc},
		{"nap/ad-ldaps", site, dc},
		{"nap/gc-ldap", shv, gc},
		{"nap/gc-ldaps", shv, gc},
		{"nap/shv-smb", site, shv},
		{"nap/shv-epm-tcp", site, shv},
		{"nap/shv-rpc-dynamic", site, shv},
		{"nap/status-smb", shv, site},
		{"nap/dhcp", client, dhcp},
		{"nap/hra-http", client, hra},
		{"nap/hra-https", client, hra},
		{"nap/ike", client, peer},
		{"nap/ike-natt", client, peer},
		{rowByHand, client, peer},
	}
}

// vantages are where the rows start, in the order of the checks.
func vantages() []scanner.Role {
	return []scanner.Role{scanner.RoleSiteServer, scanner.RoleClient, scanner.RoleSystemHealthValidator}
}

// server names a computer for its role and writes down what is to be found of
// it: what starts at the vantage is open until a fault is planted, the rest
// untested.
func (d *demo) server(c computer, addrs ...netip.Addr) {
	p := d.plan
	name := p.Network.HostNamed(c.name, netip.Addr{}).DNSName
	p.Roles[c.role] = append(p.Roles[c.role], name)
	for i := range p.Checks {
		check := &p.Checks[i]
		for _, row := range serverRows() {
			if row.to != c.role || len(check.Rows) > 0 && !slices.Contains(check.Rows, row.id) {
				continue
			}
			state := "untested"
			if string(row.from) == check.Vantage && row.id != rowByHand {
				state = "open"
			}
			for _, a := range addrs {
				check.Truth = append(check.Truth, Expected{Host: name, Addr: a, Row: row.id, State: state})
			}
		}
	}
}

// rejecter is a router by the addresses with which it signs; the zero value is
// nobody.
type rejecter struct{ v4, v6 netip.Addr }

func (r rejecter) to(a netip.Addr) netip.Addr {
	if a.Is6() {
		return r.v6
	}
	return r.v4
}

// fault plants a fault of a server: the rows are in the state where they start.
func (d *demo) fault(text, computer, state string, by rejecter, rows ...string) {
	name := d.plan.Network.HostNamed(computer, netip.Addr{}).DNSName
	there := false
	for _, c := range d.plan.Checks {
		for i := range c.Truth {
			if e := &c.Truth[i]; e.Host == name && e.State == "open" && slices.Contains(rows, e.Row) {
				e.State, e.By, there = state, by.to(e.Addr), true
			}
		}
	}
	if there { // not every lab has room for every server
		d.plan.Faults = append(d.plan.Faults, text)
	}
}

// serviceFaults plants what is wrong about the services of the computers.
func (d *demo) serviceFaults() {
	domain := "." + d.plan.Network.Domain
	d.fault("a proxy answers in the place of the management point mp2"+domain, "mp2", "wrong-service", rejecter{},
		"push/mp-http", "push/mp-https", "gpo/mp-http", "gpo/mp-https")
	d.fault("the certificate of dc1"+domain+" has expired (LDAPS)", "dc1", "wrong-service", rejecter{}, "nap/ad-ldaps")
	d.fault("another web site answers HTTP on hra1"+domain+"; HTTPS is right", "hra1", "wrong-service", rejecter{}, "nap/hra-http")
}

// rowsFrom are the rows that start at a vantage and lead to one of the roles.
func rowsFrom(vantage scanner.Role, to []scanner.Role) []string {
	var out []string
	for _, r := range serverRows() {
		if r.from == vantage && slices.Contains(to, r.to) {
			out = append(out, r.id)
		}
	}
	return out
}

func rolesOf(cs []computer) []scanner.Role {
	var out []scanner.Role
	for _, c := range cs {
		out = append(out, c.role)
	}
	return out
}
