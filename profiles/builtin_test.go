package profiles

import (
	"cmreach/scanner"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func load(t testing.TB, names ...string) []*Profile {
	t.Helper()
	list, err := Load(names, nil)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestPush(t *testing.T) {
	push := load(t, "push")[0]
	type short struct {
		ID       string
		From, To scanner.Role
		Protocol scanner.Protocol
		Port     string
		Need     scanner.Need
		AnyOf    string
		Probe    string
		When     string
	}
	const server, client = scanner.RoleSiteServer, scanner.RoleClient
	const mp, dp, fsp = scanner.RoleManagementPoint, scanner.RoleDistributionPoint, scanner.RoleFallbackStatusPoint
	want := []short{
		{"icmp", server, client, scanner.ICMP, "", scanner.Required, "", "", ""},
		{"smb", server, client, scanner.TCP, "smb", scanner.Required, "", "smb", ""},
		{"epm-tcp", server, client, scanner.TCP, "epm", scanner.Required, "", "rpc", ""},
		{"rpc-dynamic", server, client, scanner.TCP, "", scanner.Required, "", "rpc-bind", ""},
		{"epm-udp", server, client, scanner.UDP, "epm", scanner.Informational, "", "rpc-udp", ""},
		{"mp-http", client, mp, scanner.TCP, "http", scanner.Required, "mp", "http-mp", "clients talk HTTP to the site"},
		{"mp-https", client, mp, scanner.TCP, "https", scanner.Required, "mp", "https-mp", "clients talk HTTPS to the site"},
		{"fsp-http", client, fsp, scanner.TCP, "http", scanner.Required, "", "http-fsp", "a fallback status point is named"},
		{"dp-http", client, dp, scanner.TCP, "http", scanner.Required, "content", "http-dp", "clients talk HTTP to the site"},
		{"dp-https", client, dp, scanner.TCP, "https", scanner.Required, "content", "https-dp", "clients talk HTTPS to the site"},
	}
	var got []short
	for _, r := range push.Rows {
		got = append(got, short{r.ID, r.From, r.To, r.Protocol, r.Port, r.Need, r.AnyOf, r.Probe, r.When.String()})
		if r.Listener != scanner.ListenerNow {
			t.Errorf("%s: listener %s", r.ID, r.Listener)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	ports := map[string]uint16{}
	for _, p := range push.Ports {
		ports[p.Name] = p.Default
		if p.About == "" {
			t.Errorf("port %s says nothing of itself", p.Name)
		}
	}
	if d := cmp.Diff(map[string]uint16{"smb": 445, "epm": 135, "wmi-fixed": 24158, "http": 80, "https": 443}, ports); d != "" {
		t.Error(d)
	}
	// Fixes must work on every language of Windows: groups by resource id, not by name.
	for _, id := range []string{"smb", "epm-tcp", "rpc-dynamic"} {
		i := slices.IndexFunc(push.Rows, func(r Row) bool { return r.ID == id })
		if !strings.Contains(push.Rows[i].Fix, "@FirewallAPI.dll,-") || strings.Contains(push.Rows[i].Fix, "group=\"") {
			t.Errorf("the fix of %s: %s", id, push.Rows[i].Fix)
		}
	}
}

func TestLoad(t *testing.T) {
	if got := load(t, "push", "push"); len(got) != 1 {
		t.Errorf("a profile named twice came %d times", len(got))
	}
	for word, want := range map[string][]string{
		"logon": {"manual"}, "event-viewer": {"remote-diagnostics"}, "all": Names(),
		"install": {"push", "gpo", "sup", "manual", "software-distribution", "pxe"},
	} {
		var got []string
		for _, p := range load(t, word, want[0]) {
			got = append(got, p.Name)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", word, d)
		}
	}
	_, err := Load([]string{"psuh", "nothing-like-it"}, []string{"../testdata/profiles/none.yaml"})
	want := `--profile: unknown profile "psuh"; did you mean "push"?
--profile: unknown profile "nothing-like-it"; known: ` + strings.Join(Words(), ", ") + `
../testdata/profiles/none.yaml: cannot be opened: no such file or directory; check the path and the rights`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	_, err = Load([]string{"push"}, []string{"builtin/push.yaml"})
	if err == nil || !strings.Contains(err.Error(), "profile push: two profiles have this name") {
		t.Errorf("a second profile of the same name: %v", err)
	}
	other := strings.Replace(string(mustRead(t, "builtin/push.yaml")), "profile: push", "profile: mine", 1)
	other = strings.Replace(other, "default: 445", "default: 446", 1)
	path := t.TempDir() + "/mine.yaml"
	if err := os.WriteFile(path, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Load([]string{"push"}, []string{path})
	if err == nil || !strings.Contains(err.Error(), `the port "smb" is 446 here and 445 in profile push`) {
		t.Errorf("two meanings of a port: %v", err)
	}
}

func mustRead(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSite(t *testing.T) {
	s, err := LoadSite("../testdata/profiles/good/site.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := &Site{
		File: s.File, Code: "PS1",
		Roles: map[scanner.Role][]string{
			scanner.RoleManagementPoint:     {"mp1.lab.test", "198.18.9.2"},
			scanner.RoleFallbackStatusPoint: {"fsp1.lab.test"},
		},
		Ports:    map[string][]uint16{"http": {8080}},
		Settings: map[string]string{},
		Exclude:  []string{"198.18.1.7", "198.18.2.0/24"},
		portsAt:  map[string]place{"http": {7, 9}},
	}
	if d := cmp.Diff(want, s, cmp.AllowUnexported(Site{}, place{})); d != "" {
		t.Error(d)
	}
}

func FuzzProfile(f *testing.F) {
	f.Add(mustRead(f, "builtin/push.yaml"))
	f.Add([]byte("schema: 1\nprofile: x\nrows:\n- {id: a, when: {role: b}}\n"))
	f.Add([]byte("a: &x [*x, *x]\n<<: *x\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		text, err := decodeText(b)
		if err != nil {
			return
		}
		p, err := parseProfile("f.yaml", text)
		if (p == nil) == (err == nil) {
			t.Errorf("profile %v, error %v", p, err)
		}
	})
}

func FuzzSite(f *testing.F) {
	f.Add(mustRead(f, "../testdata/profiles/good/site.yaml"))
	f.Add([]byte("schema: 1\nroles: {management-point: [a, b]}\nexclude: 198.18.0.0/16\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		text, err := decodeText(b)
		if err != nil {
			return
		}
		s, err := parseSite("f.yaml", text)
		if (s == nil) == (err == nil) {
			t.Errorf("site %v, error %v", s, err)
		}
	})
}

func TestNearest(t *testing.T) {
	known := []string{"push", "protocol", "port", "management-point", "smb"}
	for word, want := range map[string]string{
		"psuh": "push", "PUSH": "push", "pus": "push", "prot": "port", "protokol": "protocol",
		"mangement-pont": "management-point", "smv": "smb", "": "", "kerberos": "", "mp": "management-point", "MANAGE": "management-point", "pro": "protocol", "taget": "", strings.Repeat("p", 1000): "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", word, got, want)
		}
	}
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"ca", "abc", 3}, {"kitten", "sitting", 3}, {"ab", "ba", 1}} {
		if got := distance([]rune(tt.a), []rune(tt.b)); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
