package profiles

import "cmreach/scanner"

// Roles lists the roles that a profile, a site file and the flags may name, in
// the order of the documents.
func Roles() []scanner.Role {
	return []scanner.Role{
		scanner.RoleSiteServer, scanner.RoleClient, scanner.RoleManagementPoint, scanner.RoleDistributionPoint,
		scanner.RoleSoftwareUpdatePoint, scanner.RoleFallbackStatusPoint,
		scanner.RoleDomainController, scanner.RoleGlobalCatalog, scanner.RoleSystemHealthValidator,
		scanner.RoleHealthRegistration, scanner.RoleDHCPServer, scanner.RoleSourceServer, scanner.RoleConsole,
		scanner.RoleSetupShare, scanner.RoleIPsecPeer, scanner.RoleProvider, scanner.RoleDatabaseServer,
		scanner.RoleReportingPoint, scanner.RoleStateMigrationPoint, scanner.RolePXEServer,
		scanner.RoleCloudManagementGateway, scanner.RoleCloudManagementGatewayLink, scanner.RoleExchangeServer,
	}
}

// standIn is the role whose hosts play another one when nobody is named for it:
// Configuration Manager shares CCMSetup.exe from the site server.
func standIn(r scanner.Role) scanner.Role {
	if r == scanner.RoleSetupShare {
		return scanner.RoleSiteServer
	}
	return ""
}

func roleWords() []string {
	roles := Roles()
	out := make([]string, len(roles))
	for i, r := range roles {
		out[i] = string(r)
	}
	return out
}

// Probes lists the words for conversations that a row may name. cmd binds each
// to a probe; a test there holds the two lists together.
func Probes() []string {
	return []string{
		"smb", "rpc", "rpc-bind", "rpc-udp", "http-mp", "https-mp", "http-fsp",
		"http-dp", "https-dp", "http-sup", "https-sup", "http-hra", "https-hra", "https-cmg",
		"http-notify", "https-notify", "http-peer", "winrm", "sql",
		"ldap", "ldaps", "gc", "gcs", "cldap", "dns", "kerberos",
		"dhcp", "pxe", "pxe-discover", "tftp", "ike", "ike-natt", "rdp",
	}
}
