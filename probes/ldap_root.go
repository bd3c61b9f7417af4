package probes

import (
	"cmreach/scanner"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Object identifiers in a rootDSE.
const (
	oidActiveDirectory = "1.2.840.113556.1.4.800"  // LDAP_CAP_ACTIVE_DIRECTORY_OID, [MS-ADTS] 3.1.1.3.4.3.1
	oidLightweightAD   = "1.2.840.113556.1.4.1851" // LDAP_CAP_ACTIVE_DIRECTORY_ADAM_OID, 3.1.1.3.4.3.5
)

// ldapRootAttributes are what is asked of the rootDSE ([MS-ADTS] 3.1.1.3.2,
// RFC 4512 5.1, RFC 3045 for the vendor).
func ldapRootAttributes() []string {
	return []string{
		"objectClass", "vendorName", "namingContexts", "supportedCapabilities",
		"dnsHostName", "defaultNamingContext", "rootDomainNamingContext", "isGlobalCatalogReady",
		"isSynchronized", "currentTime", "domainControllerFunctionality",
	}
}

// ldapRoot is what a rootDSE says.
type ldapRoot struct {
	shown    bool   // there is one
	ad       bool   // Active Directory
	light    bool   // Active Directory Lightweight Directory Services
	openLDAP bool   //
	vendor   string // who made it, if it says so
	holds    string // its first naming context
	catalog  string // isGlobalCatalogReady, as it stands
	synced   string // isSynchronized, as it stands
	level    string // domainControllerFunctionality
	host     string
	domain   string
	forest   string
	clock    time.Time
}

// readLDAPRoot takes the rootDSE out of the answer to a search.
func readLDAPRoot(found *ldap.SearchResult) ldapRoot {
	if len(found.Entries) == 0 {
		return ldapRoot{}
	}
	entry := found.Entries[0]
	one := func(name string) string { return printable(entry.GetEqualFoldAttributeValue(name), httpMaxText) }
	capabilities := entry.GetEqualFoldAttributeValues("supportedCapabilities")
	root := ldapRoot{
		shown:    true,
		ad:       slices.Contains(capabilities, oidActiveDirectory),
		light:    slices.Contains(capabilities, oidLightweightAD),
		openLDAP: slices.Contains(entry.GetEqualFoldAttributeValues("objectClass"), "OpenLDAProotDSE"),
		vendor:   one("vendorName"),
		holds:    one("namingContexts"),
		catalog:  one("isGlobalCatalogReady"),
		synced:   one("isSynchronized"),
		level:    one("domainControllerFunctionality"),
		host:     cleanName(entry.GetEqualFoldAttributeValue("dnsHostName")),
		domain:   domainOfDN(entry.GetEqualFoldAttributeValue("defaultNamingContext")),
		forest:   domainOfDN(entry.GetEqualFoldAttributeValue("rootDomainNamingContext")),
	}
	// GeneralizedTime with a fraction ([MS-ADTS] 3.1.1.3.2.3); the zero time
	// stands for one that cannot be read.
	root.clock, _ = time.Parse("20060102150405.0Z", entry.GetEqualFoldAttributeValue("currentTime"))
	return root
}

// cleanName is a DNS name from the network, or nothing when it is none.
func cleanName(name string) string {
	const longest = 253 // RFC 1035 2.3.4
	if printable(name, longest) != name {
		return ""
	}
	return name
}

// domainOfDN is the DNS name of a distinguished name of domain components
// (RFC 2247), or nothing when it has other components too.
func domainOfDN(dn string) string {
	var labels []string
	for part := range strings.SplitSeq(dn, ",") {
		kind, label, ok := strings.Cut(part, "=")
		if !ok || !strings.EqualFold(strings.TrimSpace(kind), "DC") || label == "" {
			return ""
		}
		labels = append(labels, label)
	}
	return cleanName(strings.Join(labels, "."))
}

// judge says what a directory with this root is.
func (d ldapRoot) judge(catalog bool) scanner.Result {
	r := scanner.Result{}
	switch {
	case !d.ad:
		r.Outcome, r.Err = scanner.Foreign, "LDAP, but not Active Directory ("+d.kind()+")"
		r.Detail("answer", r.Err)
		return r
	case catalog && !strings.EqualFold(d.catalog, "TRUE"):
		r.Outcome, r.Err = scanner.Foreign, "Active Directory, but not a global catalog"
		r.Detail("answer", r.Err)
	default:
		r.Outcome, r.Proof = scanner.Spoke, scanner.AssuranceRole
		r.Identity = scanner.Identity{DNSName: d.host, DNSDomain: d.domain, Clock: d.clock}
		r.Detail("answer", "the root of Active Directory")
	}
	for _, fact := range []scanner.Detail{
		{Key: "domain-controller", Value: d.host},
		{Key: "domain", Value: d.domain},
		{Key: "forest", Value: d.forest},
		{Key: "global-catalog", Value: d.catalog},
		{Key: "functional-level", Value: d.level},
		{Key: "vendor", Value: d.vendor},
	} {
		if fact.Value != "" {
			r.Detail(fact.Key, fact.Value)
		}
	}
	if strings.EqualFold(d.synced, "FALSE") {
		r.Detail("synchronized", "not yet: this domain controller has not caught up since it was made")
	}
	return r
}

// kind says what a directory is that is not Active Directory.
func (d ldapRoot) kind() string {
	switch {
	case !d.shown:
		return "the root of the directory is not shown"
	case d.light:
		return "Active Directory Lightweight Directory Services"
	case d.openLDAP:
		return "OpenLDAP"
	case d.vendor != "":
		return d.vendor
	case d.holds != "":
		return "it holds " + d.holds
	}
	return "it does not say what it is"
}
