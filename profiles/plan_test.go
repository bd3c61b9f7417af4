package profiles

import (
	"cmreach/scanner"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func targets(t testing.TB, args ...string) *Targets {
	t.Helper()
	got, err := ReadTargets(TargetOptions{Args: args})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// describe writes a plan down: each target with its rows, then what is left out.
func describe(p *Plan) string {
	var b strings.Builder
	for target := range p.Targets() {
		fmt.Fprint(&b, target.Name)
		if target.Addr.IsValid() {
			fmt.Fprint(&b, " =", target.Addr)
		}
		for _, r := range target.Rows {
			fmt.Fprintf(&b, " %s", strings.TrimPrefix(r.ID, "push/"))
			if r.Port != 0 {
				fmt.Fprintf(&b, ":%s", scanner.PortList(r.OwnPorts()))
			}
			if r.Ports != nil {
				fmt.Fprintf(&b, "=%s", r.Several)
			}
			if !r.FromHere {
				fmt.Fprint(&b, "?")
			}
		}
		b.WriteString("\n")
	}
	for _, l := range p.LeftOut {
		fmt.Fprintf(&b, "- %s (%s): %s\n", l.Requirement, l.Need, l.Reason)
	}
	return b.String()
}

const clientRows = "icmp smb:445 epm-tcp:135 rpc-dynamic epm-udp:135"

const (
	noMP  = "- push/mp-http (required): no management point is named\n- push/mp-https (required): no management point is named\n"
	noFSP = "- push/fsp-http (required): needed only when a fallback status point is named\n" + noDP
	noDP  = "- push/dp-http (required): no distribution point is named\n- push/dp-https (required): no distribution point is named\n"
)

// plans are options and the plans that they make.
var plans = []struct {
	name    string
	o       Options
	targets []string
	exclude []string
	profile string // push
	site    bool   // with the site file of testdata
	want    string
	paths   int
}{
	{
		name: "clients alone", targets: []string{"pc1", "198.18.1.0/30"},
		want: "pc1 " + clientRows + "\n198.18.1.1 =198.18.1.1 " + clientRows + "\n198.18.1.2 =198.18.1.2 " + clientRows + "\n" + noMP + noFSP, paths: 15,
	},
	{
		name: "roles from flags, seen from the site server", targets: []string{"pc1"},
		o:     Options{Roles: []string{"management-point=mp1,198.18.9.2", "fallback-status-point=MP1."}, Ports: []string{"http=8080,smb=4450"}},
		want:  "mp1 mp-http:8080? mp-https:443? fsp-http:8080?\n198.18.9.2 =198.18.9.2 mp-http:8080? mp-https:443?\npc1 icmp smb:4450 epm-tcp:135 rpc-dynamic epm-udp:135\n" + noDP,
		paths: 10,
	},
	{
		profile: "client-requests", name: "a default and its alternative",
		o:    Options{Roles: []string{"management-point=mp1"}, Vantage: "client", Ports: []string{"http=80,8080", "https=443, 8443-8444"}},
		want: "mp1 client-requests/http:80, 8080=any client-requests/https:443, 8443, 8444=any\n", paths: 2,
	},
	{
		profile: "cmg", name: "a gateway with as many instances as there may be",
		o:     Options{Roles: []string{"cloud-management-gateway=gw1"}, Vantage: "cmg-connection-point"},
		want:  "gw1 cmg/client-https:443? cmg/link-https:443 cmg/link-vmss:10124-10139=instances cmg/link-tls:10140-10155=instances\n",
		paths: 4,
	},
	{
		profile: "cmg", name: "a gateway of which the instances are known",
		o: Options{
			Roles: []string{"cloud-management-gateway=gw1"}, Vantage: "cmg-connection-point",
			Ports: []string{"cmg-vmss=10124-10125,10130", "cmg-classic=10140"},
		},
		want:  "gw1 cmg/client-https:443? cmg/link-https:443 cmg/link-vmss:10124, 10125, 10130=all cmg/link-tls:10140\n",
		paths: 4,
	},
	{
		name: "a client's vantage", targets: []string{"pc1"}, o: Options{Roles: []string{"management-point=mp1"}, Vantage: "client"},
		want: "mp1 mp-http:80 mp-https:443\npc1 icmp? smb:445? epm-tcp:135? rpc-dynamic? epm-udp:135?\n" + noFSP, paths: 7,
	},
	{
		name: "a client's vantage without clients", o: Options{Roles: []string{"management-point=mp1"}, Vantage: "client"},
		want: "mp1 mp-http:80 mp-https:443\n" +
			"- push/icmp (required): no target is named\n- push/smb (required): no target is named\n- push/epm-tcp (required): no target is named\n" +
			"- push/rpc-dynamic (required): no target is named\n- push/epm-udp (informational): no target is named\n" + noFSP,
		paths: 2,
	},
	{
		name: "a site file", targets: []string{"pc1"}, site: true, o: Options{Roles: []string{"fallback-status-point=fsp9"}, Ports: []string{"https=8443"}},
		want: "mp1.lab.test mp-http:8080? mp-https:8443?\n198.18.9.2 =198.18.9.2 mp-http:8080? mp-https:8443?\nfsp9 fsp-http:8080?\npc1 " + clientRows + "\n" + noDP, paths: 10,
	},
	{
		name: "a management point that is a client too", targets: []string{"pc1", "MP1", "198.18.9.0/30"},
		o: Options{Roles: []string{"management-point=mp1,198.18.9.2"}},
		want: "mp1 " + clientRows + " mp-http:80? mp-https:443?\n198.18.9.2 =198.18.9.2 " + clientRows + " mp-http:80? mp-https:443?\n" +
			"pc1 " + clientRows + "\n198.18.9.1 =198.18.9.1 " + clientRows + "\n" + noFSP,
		paths: 24,
	},
	{
		name: "some rows only", targets: []string{"pc1"}, o: Options{Only: []string{"push/smb,epm-tcp"}},
		want: "pc1 smb:445 epm-tcp:135\n- push/icmp (required): not chosen by --only\n- push/rpc-dynamic (required): not chosen by --only\n" +
			"- push/epm-udp (informational): not chosen by --only\n- push/mp-http (required): not chosen by --only\n" +
			"- push/mp-https (required): not chosen by --only\n- push/fsp-http (required): not chosen by --only\n" +
			"- push/dp-http (required): not chosen by --only\n- push/dp-https (required): not chosen by --only\n",
		paths: 2,
	},
	{
		name: "a role that is excluded", targets: []string{"pc1"}, exclude: []string{"198.18.9.0/24"},
		o:     Options{Roles: []string{"management-point=198.18.9.2"}},
		want:  "pc1 " + clientRows + "\n- push/mp-http (required): every management point is excluded\n- push/mp-https (required): every management point is excluded\n" + noFSP,
		paths: 5,
	},
}

func TestPlan(t *testing.T) {
	site, err := LoadSite("../testdata/profiles/good/site.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range plans {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Profiles = load(t, "push")
			if tt.profile != "" {
				tt.o.Profiles = load(t, tt.profile)
			}
			if tt.site {
				tt.o.Site = site
			}
			got, err := ReadTargets(TargetOptions{Args: tt.targets, Exclude: tt.exclude})
			if err != nil {
				t.Fatal(err)
			}
			tt.o.Targets = got
			p, err := NewPlan(tt.o)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, describe(p)); d != "" {
				t.Error(d)
			}
			if hosts := strings.Count(tt.want, "\n") - len(p.LeftOut); p.Hosts() != hosts || p.Paths() != tt.paths {
				t.Errorf("%d hosts, %d paths; want %d, %d", p.Hosts(), p.Paths(), hosts, tt.paths)
			}
		})
	}
}

func TestRequirement(t *testing.T) {
	p, err := NewPlan(Options{Profiles: load(t, "push"), Targets: targets(t, "pc1"), Only: []string{"rpc-dynamic"}, Ports: []string{"epm=1135"}})
	if err != nil {
		t.Fatal(err)
	}
	got := *p.Rows[0]
	if got.Source == "" || got.Fix == "" {
		t.Errorf("no source or no fix: %+v", got)
	}
	got.Source, got.Fix = "", ""
	want := scanner.Requirement{
		ID: "push/rpc-dynamic", Profile: "push", Title: "dynamic RPC ports, for WMI",
		From: scanner.RoleSiteServer, To: scanner.RoleClient, Protocol: scanner.TCP, Probe: "rpc-bind",
		Need: scanner.Required, Listener: scanner.ListenerNow, Via: 1135, ViaProbe: "rpc", Extra: []uint16{24158}, PortFlags: []string{"epm=1135"}, FromHere: true,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestFixPorts: cures name the ports of the run.
func TestFixPorts(t *testing.T) {
	p, err := NewPlan(Options{
		Profiles: load(t, "push", "nap"), Targets: targets(t, "pc1"), Ports: []string{"smb=4450,ldaps=6360,http=80,8080", "wmi-fixed=24159"},
		Roles: []string{"domain-controller=dc1", "management-point=mp1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"push/smb": "Permit TCP 4450 ", "push/rpc-dynamic": "pin WMI to TCP 24159:", "push/mp-http": "Permit TCP 80, 8080 ",
		"nap/ad-ldap": "or TCP 6360 instead", "nap/ad-ldaps": "Permit TCP 6360 ",
	}
	for _, r := range p.Rows {
		if w := want[r.ID]; !strings.Contains(r.Fix, w) {
			t.Errorf("%s: no %q in %q", r.ID, w, r.Fix)
		}
		delete(want, r.ID)
	}
	if len(want) > 0 {
		t.Errorf("not in the plan: %v", want)
	}
	braces := Row{Port: "smb", Fix: "run: if (1) { $_.x } {0} {port}, {smb}"}
	if got := fixText(braces, func(n string) []uint16 { return map[string][]uint16{"smb": {445}}[n] }); got != "run: if (1) { $_.x } {0} 445, 445" {
		t.Errorf("got %q", got)
	}
}

func TestBadFlags(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    Options
		want string
	}{
		{"role", Options{Roles: []string{"management-pint=mp1"}}, `--role: unknown role "management-pint"; did you mean "management-point"?`},
		{"role without host", Options{Roles: []string{"management-point"}}, `--role: "management-point" has no host; write ROLE=HOST, such as management-point=mp1.example.com`},
		{"role with an empty host", Options{Roles: []string{"management-point=mp1,"}}, `--role: the role management-point has an empty host; write ROLE=HOST, such as management-point=mp1.example.com`},
		{"client as a role", Options{Roles: []string{"client=pc1"}}, `--role: clients are the targets of the run; name clients as arguments or with -t FILE`},
		{"host with a port", Options{Roles: []string{"management-point=mp1:80"}}, `--role: role management-point: "mp1:80" is not a host name or an address; leave the port away: the profile says which ports are checked`},
		{"prefix as a host", Options{Roles: []string{"management-point=198.18.0.0/24"}}, `--role: role management-point: "198.18.0.0/24" is more than one host; name the hosts one by one`},
		{"family of a host", Options{Roles: []string{"management-point=fd00::1"}, Family: IPv4Only}, `--role: role management-point: fd00::1 is IPv6, and -4 asks for IPv4 only; leave -4 or the address away`},
		{"port name", Options{Ports: []string{"htp=80"}}, `--port: unknown port "htp"; did you mean "http"?`},
		{"port number", Options{Ports: []string{"http=99999"}}, `--port: http: "99999" is not a port; a port is a number from 1 to 65535`},
		{"port without number", Options{Ports: []string{"http"}}, `--port: "http" has no port; write NAME=PORT, such as http=8080`},
		{"port twice", Options{Ports: []string{"http=80", "http=81"}}, `--port: the port http is given twice; give it once`},
		{"ports of one", Options{Ports: []string{"smb=445,4450"}}, `--port: the port smb has one number, not 445, 4450; give it one`},
		{"a range of ports of one", Options{Ports: []string{"epm=135-137"}}, `--port: the port epm has one number, not 135-137; give it one`},
		{"a range that ends before it begins", Options{Ports: []string{"smb=445-440"}}, `--port: smb: "445-440" is not a range of ports; exchange the two ends`},
		{"row", Options{Only: []string{"push/smp"}}, `--only: unknown row "push/smp"; did you mean "push/smb"?`},
		{"short row", Options{Only: []string{"rpc-dinamic"}}, `--only: unknown row "rpc-dinamic"; did you mean "rpc-dynamic"?`},
		{"vantage", Options{Vantage: "site-servr"}, `--vantage: unknown role "site-servr"; did you mean "site-server"?`},
		{"port in the site file", Options{Site: mustSite(t, "schema: 1\nports:\n  htttp: 80\n")}, `site.yaml:3:3: unknown port "htttp"; did you mean "http"?`},
		{"several", Options{Roles: []string{"x=y"}, Vantage: "cleint", Only: []string{"icpm"}}, `--role: unknown role "x"; known: ` + strings.Join(siteRoleWords(), ", ") + `
--only: unknown row "icpm"; did you mean "icmp"?
--vantage: unknown role "cleint"; did you mean "client"?`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Profiles, tt.o.Targets = load(t, "push"), targets(t, "pc1")
			_, err := NewPlan(tt.o)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got:\n%v\nwant:\n%s", err, tt.want)
			}
		})
	}
}

func mustSite(t testing.TB, text string) *Site {
	t.Helper()
	s, err := parseSite("site.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEmptyPlans(t *testing.T) {
	excluded, err := ReadTargets(TargetOptions{Args: []string{"pc1"}, Exclude: []string{"pc1"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{}, "targets: no target is named; name clients as arguments or with -t FILE"},
		{Options{Roles: []string{"management-point=mp1"}}, "targets: no target is named; name clients as arguments or with -t FILE"},
		{Options{Targets: excluded}, "targets: every target is excluded; check --exclude and the site file"},
		{Options{Vantage: "client"}, "plan: no row of the profile applies from the vantage client; name the hosts of its roles with --role ROLE=HOST or in a site file"},
		{Options{Targets: targets(t, "pc1"), Only: []string{"mp-http"}}, "plan: no row of the profile applies from the vantage site-server; name the hosts of its roles with --role ROLE=HOST or in a site file"},
	} {
		tt.o.Profiles = load(t, "push")
		if _, err := NewPlan(tt.o); err == nil || err.Error() != tt.want {
			t.Errorf("got:\n%v\nwant:\n%s", err, tt.want)
		}
	}
}

func TestTargetsStopEarlyAndRepeat(t *testing.T) {
	p, err := NewPlan(Options{Profiles: load(t, "push"), Targets: targets(t, "10.0.0.0/16"), Roles: []string{"management-point=mp1"}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		n := 0
		for target := range p.Targets() {
			if n++; n == 3 {
				if target.Addr != netip.MustParseAddr("10.0.0.2") || len(target.Rows) != 5 {
					t.Errorf("third target %+v", target)
				}
				break
			}
		}
	}
}

func TestEstimate(t *testing.T) {
	p, err := NewPlan(Options{Profiles: load(t, "push"), Targets: targets(t, "198.18.1.0/24"), Roles: []string{"management-point=mp1", "fallback-status-point=mp1"}})
	if err != nil {
		t.Fatal(err)
	}
	// A client: echo, 445, TCP 135 (once for two rows), UDP 135, 24158. The server: 80 (once for two rows), 443.
	want := Estimate{
		PacketsBest: 254*5 + 2, PacketsWorst: 3 * (254*5 + 2), Conversations: 254*2 + 3,
		Best: 1272 * time.Millisecond, Worst: 3*1272*time.Millisecond + 6*time.Second,
	}
	if d := cmp.Diff(want, p.Estimate(1000, 3, 2*time.Second)); d != "" {
		t.Error(d)
	}
	want.Best, want.Worst = 0, 6*time.Second
	if d := cmp.Diff(want, p.Estimate(0, 3, 2*time.Second)); d != "" {
		t.Error(d)
	}
}
