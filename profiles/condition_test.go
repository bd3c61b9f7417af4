package profiles

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestConditions: which rows a site gets, and what is said of the others.
func TestConditions(t *testing.T) {
	everything := []string{
		"management-point=mp1", "distribution-point=dp1", "software-update-point=sup1",
		"dhcp-server=dhcp1", "health-registration-authority=hra1", "ipsec-peer=peer1", "global-catalog=gc1",
	}
	for _, tt := range []struct {
		name    string
		profile string
		site    string
		roles   []string
		when    []string
		rows    string            // what is planned
		left    map[string]string // rows and what is said of them
	}{
		{name: "HTTP and HTTPS", profile: "client-requests", roles: everything, rows: "http https"},
		{
			name: "HTTPS only, by the site file", profile: "client-requests", roles: everything, site: "communication: https", rows: "https",
			left: map[string]string{"http": "needed only when clients talk HTTP to the site (the site has communication: https; change it in the site file or with --when communication=http)"},
		},
		{name: "a flag wins over the site file", profile: "client-requests", roles: everything, site: "communication: https", when: []string{"communication=both"}, rows: "http https"},
		{
			name: "an update point without TLS", profile: "sup", roles: everything, rows: "sup-http",
			left: map[string]string{
				"sup-https":  "needed only when the software update point uses HTTPS (the site has updates: http; change it in the site file or with --when updates=https)",
				"source-smb": "needed only when CCMSetup is run with /source:, that is, a source server is named (name one with --role source-server=HOST or in the site file)",
				"fsp-http":   "needed only when a fallback status point is named (name one with --role fallback-status-point=HOST or in the site file)",
			},
		},
		{name: "an update point with TLS needs both", profile: "sup", roles: everything, site: "updates: https", rows: "sup-http sup-https"},
		{name: "a site with TLS has its update point with it", profile: "sup", roles: everything, site: "communication: https", rows: "sup-http sup-https"},
		{name: "unless it says otherwise", profile: "sup", roles: everything, site: "communication: https\nupdates: http", rows: "sup-http"},
		{
			name: "manual installation with /source:", profile: "manual", roles: append(slices.Clone(everything), "source-server=files1", "setup-share=files2"), rows: "share-smb source-smb",
			left: map[string]string{
				"mp-http": "needed only when CCMSetup is run without /source:, that is, no source server is named", "mp-https": "", "dp-http": "", "dp-https": "", "fsp-http": "",
			},
		},
		{name: "manual installation from the site server's share", profile: "manual", roles: append(slices.Clone(everything), "site-server=cm1"), rows: "share-smb mp-http mp-https dp-http dp-https"},
		{name: "manual installation from nowhere", profile: "manual", roles: everything, rows: "mp-http mp-https dp-http dp-https", left: map[string]string{"share-smb": "no setup share is named (name one with --role setup-share=HOST or in the site file)"}},
		{name: "NAP by DHCP", profile: "nap", roles: everything, when: []string{"nap=dhcp"}, rows: "gc-ldap gc-ldaps dhcp", left: map[string]string{"ike": "needed only when NAP is enforced by IPsec (the site has nap: dhcp; change it in the site file or with --when nap=ipsec)"}},
		{name: "NAP by IPsec", profile: "nap", roles: everything, site: "nap: ipsec", rows: "gc-ldap gc-ldaps hra-http hra-https ike ike-natt ipsec-filter"},
		{name: "NAP by both", profile: "nap", roles: everything, rows: "gc-ldap gc-ldaps dhcp hra-http hra-https ike ike-natt ipsec-filter"},
		{name: "a workgroup", profile: "directory", roles: everything, when: []string{"membership=workgroup"}, rows: "site-gc site-gcs mp-gc mp-gcs", left: map[string]string{"client-gc": "needed only when clients are members of a domain (the site has membership: workgroup; change it in the site file or with --when membership=domain)"}},
		{name: "a conjunction", profile: "site-systems", roles: []string{"software-update-point=s"}, when: []string{"updates=https"}, rows: "sup-smb sup-epm-tcp sup-rpc-dynamic sup-http sup-https"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := Options{Profiles: load(t, tt.profile), Targets: targets(t, "pc1"), Roles: tt.roles, When: tt.when}
			if tt.site != "" {
				o.Site = mustSite(t, "schema: 1\n"+tt.site+"\n")
			}
			p, err := NewPlan(o)
			if err != nil {
				t.Fatal(err)
			}
			var rows []string
			for _, r := range p.Rows {
				rows = append(rows, strings.TrimPrefix(r.ID, tt.profile+"/"))
			}
			if d := cmp.Diff(strings.Fields(tt.rows), rows); d != "" {
				t.Error(d)
			}
			for _, l := range p.LeftOut {
				said := l.Reason
				if l.Hint != "" {
					said += " (" + l.Hint + ")"
				}
				want, ok := tt.left[strings.TrimPrefix(l.Requirement, tt.profile+"/")]
				if ok && want != "" && said != want {
					t.Errorf("%s: %s\nwant %s", l.Requirement, said, want)
				}
				delete(tt.left, strings.TrimPrefix(l.Requirement, tt.profile+"/"))
			}
			if len(tt.left) > 0 {
				t.Errorf("not left out: %v", tt.left)
			}
		})
	}
}

// TestUpdatePair: the ports of the software update point come as a pair, from
// whichever source is the nearest.
func TestUpdatePair(t *testing.T) {
	const rule = "; the rule of WSUS: HTTP port 80 goes with HTTPS port 443, any other HTTP port N with N+1"
	for _, tt := range []struct {
		name        string
		site        string
		flags       []string
		http, https uint16
		err         string
	}{
		{name: "defaults", http: 8530, https: 8531},
		{name: "the default web site", flags: []string{"sup-http=80"}, http: 80, https: 443},
		{name: "HTTPS names HTTP", flags: []string{"sup-https=443"}, http: 80, https: 443},
		{name: "another HTTPS port", site: "{sup-https: 9001}", http: 9000, https: 9001},
		{name: "a pair", flags: []string{"sup-http=7000,sup-https=7001"}, http: 7000, https: 7001},
		{name: "a flag takes the whole pair", site: "{sup-http: 9000, sup-https: 9001}", flags: []string{"sup-http=80"}, http: 80, https: 443},
		{name: "80 with its neighbour", flags: []string{"sup-http=80", "sup-https=81"}, err: "--port: the software update point has the HTTP port 80 and the HTTPS port 81" + rule + "; here 80 with 443"},
		{name: "no neighbour", flags: []string{"sup-http=8530,sup-https=443"}, err: "--port: the software update point has the HTTP port 8530 and the HTTPS port 443" + rule + "; here 8530 with 8531"},
		{name: "beyond the end", flags: []string{"sup-http=65535"}, err: "--port: no HTTPS port goes with the software update point's HTTP port 65535" + rule},
		{name: "before the beginning", flags: []string{"sup-https=1"}, err: "--port: no HTTP port goes with the software update point's HTTPS port 1" + rule},
		{name: "81 belongs to nothing", flags: []string{"sup-https=81"}, err: "--port: no HTTP port goes with the software update point's HTTPS port 81" + rule},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := Options{Profiles: load(t, "sup"), Targets: targets(t, "pc1"), Roles: []string{"software-update-point=s"}, Ports: tt.flags, When: []string{"updates=https"}}
			if tt.site != "" {
				o.Site = mustSite(t, "schema: 1\nports: "+tt.site+"\n")
			}
			p, err := NewPlan(o)
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Errorf("got:\n%v\nwant:\n%s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Rows) != 2 || p.Rows[0].Port != tt.http || p.Rows[1].Port != tt.https {
				t.Errorf("%v", p.Rows)
			}
		})
	}
	for p := range 65535 {
		http := uint16(p + 1)
		https, ok := httpsPartner(http)
		back, okBack := httpPartner(https)
		if !ok {
			if http != 65535 {
				t.Errorf("%d has no partner", http)
			}
			continue
		}
		if https == 443 && http == 442 {
			continue // 442 and 80 both lead to 443; 443 leads to 80
		}
		if !okBack || back != http {
			t.Errorf("%d goes with %d, which goes with %d", http, https, back)
		}
	}
}
