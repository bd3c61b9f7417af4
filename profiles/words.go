package profiles

import "cmreach/scanner"

// Roles lists the roles that a profile, a site file and the flags may name, in
// the order of the documents.
func Roles() []scanner.Role {
	return []scanner.Role{
		scanner.RoleSiteServer, scanner.RoleClient, scanner.RoleManagementPoint, scanner.RoleDistributionPoint,
		scanner.RoleSoftwareUpdatePoint, scanner.RoleFallbackStatusPoint,
		"domain-controller", "global-catalog", "system-health-validator", "health-registration-authority",
		"dhcp-server", "source-server", "console",
	}
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
	return []string{"smb", "rpc", "rpc-bind", "rpc-udp", "http-mp", "https-mp", "http-fsp", "ldap", "ldaps", "gc", "gcs", "cldap", "dns", "kerberos"}
}
