package probes

import "cmreach/scanner"

// All returns every probe. A new probe is a file, a test and a line here.
func All() []scanner.Probe {
	return []scanner.Probe{
		SMB(),
		RPC(),
		RPCBind(),
		RPCDatagram(),
		HTTPManagementPoint(),
		HTTPSManagementPoint(),
		HTTPFallbackStatusPoint(),
		HTTPDistributionPoint(),
		HTTPSDistributionPoint(),
		HTTPSoftwareUpdatePoint(),
		HTTPSSoftwareUpdatePoint(),
		HTTPHealthRegistrationAuthority(),
		HTTPSHealthRegistrationAuthority(),
		HTTPSCloudManagementGateway(),
		HTTPClientNotification(),
		HTTPSClientNotification(),
		HTTPPeerCache(),
		WinRM(),
		SQL(),
		LDAP(),
		LDAPS(),
		GlobalCatalog(),
		GlobalCatalogTLS(),
		CLDAP(),
		DNS(),
		Kerberos(),
		IKE(),
		IKENATTraversal(),
		RDP(),
		DHCP(),
		PXE(),
		PXEDiscover(),
		TFTP(),
	}
}

// ByName returns every probe by the word that requirements use.
func ByName() map[string]scanner.Probe {
	all := All()
	m := make(map[string]scanner.Probe, len(all))
	for _, p := range all {
		m[p.Name] = p
	}
	return m
}
