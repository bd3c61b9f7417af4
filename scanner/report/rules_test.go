package report_test

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"encoding/csv"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ruleFindings are blocked in each way that there is, in both address families.
func ruleFindings() []verdict.Finding {
	var out []verdict.Finding
	add := func(f verdict.Finding, row string, port uint16, from, to scanner.Role, addrs ...string) {
		for i, a := range addrs {
			f.Addr, f.Host = netip.MustParseAddr(a), fmt.Sprintf("%s-%d.corp.example", row, i)
			f.Requirement, f.Port, f.From, f.To = "push/"+row, port, from, to
			f.Message = strings.Replace(f.Message, "TCP 445", fmt.Sprintf("TCP %d", port), 1)
			out = append(out, f)
			if f.By == netip.IPv4Unspecified() { // stands for the host itself
				out[len(out)-1].By = f.Addr
			}
		}
	}
	base := oddFinding("", verdict.Blocked)
	base.Reason, base.Message, base.Evidence, base.Fix = "blocked.silent", "TCP 445 is swallowed: 3 tries without an answer, although the host is alive", []string{}, ""
	by := base
	by.Reason, by.Message, by.By = "blocked.prohibited", "198.18.9.1 rejects TCP 445: administratively prohibited", netip.MustParseAddr("198.18.9.1")
	by.Boundary = "Branch"
	client := scanner.RoleClient
	add(by, "smb", 445, siteServer, client, "198.18.2.1", "198.18.2.2", "198.18.2.3", "198.18.2.9", "fd00:198:2::1", "fd00:198:2::2")
	add(by, "rpc-dynamic", 0, siteServer, client, "198.18.2.1", "198.18.2.2")
	hop := base
	hop.Between = []netip.Addr{netip.MustParseAddr("198.18.9.1"), netip.MustParseAddr("198.18.9.2")}
	add(hop, "epm-tcp", 135, siteServer, client, "198.18.3.4")
	last := base
	for _, a := range []string{"198.18.4.4", "198.18.4.5"} {
		last.Between = []netip.Addr{netip.MustParseAddr("198.18.9.2"), netip.MustParseAddr(a)}
		add(last, "smb", 445, siteServer, client, a)
	}
	self := base
	self.Reason, self.By = "blocked.prohibited", netip.IPv4Unspecified()
	add(self, "remote-control", 2701, siteServer, client, "198.18.5.4", "198.18.5.5", "fd00:198:5::1")
	add(base, "smb", 445, siteServer, client, "198.18.4.6")
	echo := base
	echo.Protocol, echo.Message = scanner.ICMP, "echo (ICMP) is swallowed: 3 tries without an answer, although the host is alive"
	add(echo, "icmp", 0, siteServer, client, "198.18.6.1", "fd00:198:6::1")
	add(base, "sup-http", 8530, client, scanner.RoleSoftwareUpdatePoint, "198.18.7.1")
	several := base
	several.Protocol = scanner.UDP
	for p := uint16(10000); p < 10040; p += 2 {
		several.Ports = append(several.Ports, verdict.PortFinding{Port: p, State: verdict.Blocked})
	}
	several.Ports = append(several.Ports, verdict.PortFinding{Port: 10041, State: verdict.Open})
	add(several, "many", 10000, siteServer, client, "198.18.8.1")
	down := base
	down.State, down.Reason = verdict.Down, "down.silent"
	add(down, "icmp", 0, siteServer, client, "198.18.66.1")
	return out
}

// ruleRecord is the record of findings, made at an address.
func ruleRecord(t fataler, findings []verdict.Finding, from ...string) []byte {
	var b bytes.Buffer
	w := record.NewWriter(&b)
	rows := map[string]*scanner.Requirement{}
	h := record.Header{Started: runStart, Scanner: "SRV01", Version: "0.1.0", Vantage: siteServer, Profiles: []string{"push"}, Boundaries: []string{"Branch"}}
	for _, f := range findings {
		if rows[f.Requirement] == nil {
			rows[f.Requirement] = &scanner.Requirement{ID: f.Requirement, Profile: "push", Protocol: f.Protocol, Port: f.Port}
			h.Rows = append(h.Rows, rows[f.Requirement])
		}
	}
	err := w.WriteHeader(h)
	for _, f := range findings {
		host := scanner.Host{Name: f.Host, Addr: f.Addr, Boundary: f.Boundary, Rows: []*scanner.Requirement{rows[f.Requirement]}}
		err = errors.Join(err, record.WriteHost(w, host, []verdict.Finding{f}))
	}
	end := record.End{Finished: runStart}
	for _, a := range from {
		end.Sources = append(end.Sources, netip.MustParseAddr(a))
	}
	if err = errors.Join(err, w.WriteEnd(end)); err != nil {
		t.Fatalf("%v", err)
	}
	return b.Bytes()
}

// writeRules renders the rules of a record.
func writeRules(t fataler, rec []byte, format string, o report.RuleOptions) (string, error) {
	run, err := report.Load(source(rec), report.Options{})
	if err != nil {
		t.Fatalf("%v", err)
	}
	rules, err := report.FindRules(run, o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	var b bytes.Buffer
	err = rules.Write(&b, format)
	return b.String(), err
}

func mustRules(t fataler, rec []byte, format string, o report.RuleOptions) string {
	s, err := writeRules(t, rec, format, o)
	if err != nil {
		t.Fatalf("%s: %v", format, err)
	}
	return s
}

// from is where clients are, which no record says.
var from = map[scanner.Role][]netip.Prefix{scanner.RoleClient: {netip.MustParsePrefix("198.18.128.0/17")}}

func known() report.RuleOptions { return report.RuleOptions{Sources: from} }

var ruleChain = report.NFTChain{Family: "inet", Table: "filter", Chain: "forward"}

func TestGoldenRules(t *testing.T) {
	rec := ruleRecord(t, ruleFindings(), "198.18.1.10", "fd00:198:1::10")
	for _, format := range report.RuleFormats {
		golden(t, "golden/rules."+format, []byte(mustRules(t, rec, format, known())))
	}
	o := known()
	o.Chain, o.Subnets = ruleChain, true
	golden(t, "golden/rules-subnet.nft", []byte(mustRules(t, rec, "nft", o)))
	golden(t, "golden/rules-unknown.text", []byte(mustRules(t, ruleRecord(t, ruleFindings()), "text", report.RuleOptions{})))
	golden(t, "golden/rules-none.text", []byte(mustRules(t, ruleRecord(t, ruleFindings()[len(ruleFindings())-1:]), "text", report.RuleOptions{})))
}

// inNamespace runs a tool in a network namespace of its own, or skips.
func inNamespace(t *testing.T, stdin string, command ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath(command[0]); err != nil || exec.Command("unshare", "-rn", "true").Run() != nil {
		why := command[0] + " or network namespaces are not there: the rules were not checked by it"
		if os.Getenv("CMREACH_REQUIRE") == "all" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	cmd := exec.Command("unshare", append([]string{"-rn"}, command...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// The tools themselves take what is written for them, with names that are as
// hostile as can be, and refuse what is not right.
func TestToolsAcceptRules(t *testing.T) {
	var odd []verdict.Finding
	for i, text := range append(hostile, "$(touch x)", "`touch x`", "'; touch x; '", "# x\r\nadd rule", strings.Repeat("x", 5000)) {
		f := ruleFindings()[i%4]
		f.Host, f.Message, f.Requirement, f.Reason, f.Boundary = text, text, text, text, text
		odd = append(odd, f)
	}
	for name, rec := range map[string][]byte{
		"all":     ruleRecord(t, ruleFindings(), "198.18.1.10", "198.18.1.11", "fd00:198:1::10"),
		"hostile": ruleRecord(t, odd, "198.18.1.10", "fd00:198:1::10"),
		"none":    ruleRecord(t, nil),
	} {
		o := known()
		doc := mustRules(t, rec, "nft", o)
		if out, err := inNamespace(t, doc, "nft", "-c", "-f", "-"); err != nil || out != "" {
			t.Errorf("%s: nft: %v\n%s\n%s", name, err, out, doc)
		}
		o.Chain = ruleChain
		hooked := "add table inet filter\nadd chain inet filter forward { type filter hook forward priority 0; policy drop; }\n" + mustRules(t, rec, "nft", o)
		if out, err := inNamespace(t, hooked, "nft", "-c", "-f", "-"); err != nil || out != "" {
			t.Errorf("%s: nft with a chain: %v\n%s", name, err, out)
		}
		for _, tool := range []string{"iptables", "ip6tables"} {
			doc := mustRules(t, rec, tool, known())
			if out, err := inNamespace(t, doc, tool+"-restore", "--test", "--noflush"); err != nil || out != "" {
				t.Errorf("%s: %s: %v\n%s\n%s", name, tool, err, out, doc)
			}
			if bad := strings.Replace(doc, "COMMIT", "-A CMREACH --bad", 1); bad == doc {
				t.Errorf("%s: no COMMIT", name)
			} else if _, err := inNamespace(t, bad, tool+"-restore", "--test", "--noflush"); err == nil {
				t.Errorf("%s accepts what is no rule", tool)
			}
		}
		for line := range strings.Lines(mustRules(t, rec, "powershell", known())) {
			if !psLine.MatchString(line) {
				t.Errorf("%s: powershell: %q", name, line)
			}
		}
	}
	if _, err := inNamespace(t, "add table inet filter\nadd rule inet filter nobody accept\n", "nft", "-c", "-f", "-"); err == nil {
		t.Error("nft accepts a rule in no chain")
	}
}

// psLine is what a line of the PowerShell script may be: a comment, or one of
// four commands whose strings are verbatim and hold nothing but what names,
// ports and addresses are made of.
var psLine = func() *regexp.Regexp {
	str := `'[A-Za-z0-9 @.,:/()-]*'`
	list := str + `(?:,` + str + `)*`
	return regexp.MustCompile(`^(?:#[ -~]*|\$ErrorActionPreference = 'Stop'|` +
		`Get-NetFirewallRule -Group '@FirewallAPI\.dll,-\d{5}' \| Where-Object Direction -EQ Inbound \| Enable-NetFirewallRule|` +
		`Remove-NetFirewallRule -Name ` + str + ` -ErrorAction SilentlyContinue|` +
		`if \(@\(\(Get-NetIPAddress\)\.IPAddress \| Where-Object \{ \$_ -in ` + list + ` \}\)\.Count -gt 0\) \{|\}|` +
		`New-NetFirewallRule -Name ` + str + ` -DisplayName ` + str + ` -Direction Inbound -Action Allow ` +
		`-Protocol (?:TCP -LocalPort (?:RPC|` + list + `)|UDP -LocalPort ` + list + `|ICMPv4 -IcmpType 8|ICMPv6 -IcmpType 128) ` +
		`-RemoteAddress ` + list + ` \| Out-Null|)\n$`)
}()

// The name of a role comes from the record, and stands in the names of rules.
func TestHostileRolesInPowerShell(t *testing.T) {
	for _, text := range append(hostile, "a' ; Remove-Item -Recurse C:\\ ; '", "\u2019; calc; \u2018", "$(calc)", "`n") {
		f := ruleFindings()[11] // 2701
		f.From, f.Requirement = scanner.Role(text), text
		doc := mustRules(t, ruleRecord(t, []verdict.Finding{f}), "powershell", report.RuleOptions{
			Sources: map[scanner.Role][]netip.Prefix{scanner.Role(strings.ToValidUTF8(text, "\ufffd")): from[scanner.RoleClient], scanner.Role("\ufffd\ufffd"): from[scanner.RoleClient]},
		})
		for line := range strings.Lines(doc) {
			if !psLine.MatchString(line) {
				t.Errorf("%q: %q", text, line)
			}
		}
		if !strings.Contains(doc, "New-NetFirewallRule") {
			t.Errorf("no rule:\n%s", doc)
		}
	}
}

// A ready rule that nobody could restrict to its source is not written; the
// change request says what is missing.
func TestNoRuleWithoutASource(t *testing.T) {
	rec := ruleRecord(t, ruleFindings(), "198.18.1.10") // none of IPv6, none of the clients
	for format, want := range map[string][]string{
		"nft":        {"IPv6 address the site server sends: add --source site-server=", "networks all clients are: add --source client="},
		"iptables":   {"networks all clients are"},
		"ip6tables":  {"IPv6 address the site server"},
		"powershell": {"networks all clients are", "IPv6 address the site server"},
	} {
		out, err := writeRules(t, rec, format, report.RuleOptions{})
		var missing *report.MissingSource
		if !errors.As(err, &missing) || out != "" {
			t.Errorf("%s: %v\n%s", format, err, out)
			continue
		}
		for _, w := range want {
			if strings.Count(err.Error(), w) != 1 {
				t.Errorf("%s: %v, want %q once", format, err, w)
			}
		}
	}
	for _, format := range []string{"text", "md", "csv"} {
		if out := mustRules(t, rec, format, report.RuleOptions{}); !strings.Contains(out, "client") {
			t.Errorf("%s:\n%s", format, out)
		}
	}
}

// The CSV has all destinations, and no cell that a spreadsheet would calculate.
func TestRulesCSV(t *testing.T) {
	odd := ruleFindings()
	for i := range odd {
		odd[i].Host = []string{"=1+1", "+x", "-x", "@x", "\tx", "|x", "a,\"b\"\nc"}[i%7]
		odd[i].Message = odd[i].Host
	}
	lines, err := csv.NewReader(strings.NewReader(mustRules(t, ruleRecord(t, odd), "csv", known()))).ReadAll()
	if err != nil || len(lines) < 10 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	asked := map[netip.Addr]bool{}
	to := slices.Index(lines[0], "destination")
	for _, l := range lines[1:] {
		for _, cell := range l {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r|%") {
				t.Errorf("cell %q", cell)
			}
		}
		p, err := netip.ParsePrefix(l[to])
		if err != nil {
			a, err := netip.ParseAddr(l[to])
			if err != nil {
				t.Fatal(err)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		for a := p.Addr(); p.Contains(a); a = a.Next() {
			asked[a] = true
		}
	}
	for _, f := range odd {
		if asked[f.Addr] != (f.State == verdict.Blocked) {
			t.Errorf("%s is %s, asked for: %v", f.Addr, f.State, asked[f.Addr])
		}
	}
}

// A name adds neither cells nor markup to the table.
func TestRulesMarkdown(t *testing.T) {
	for _, text := range append(hostile, "a|b", "<script>alert(1)</script>", "[x](http://198.18.0.1)", "`x`", "**x**", "\\|", "![x](x)", "http://x") {
		f := ruleFindings()[0]
		f.Host, f.Message, f.Requirement, f.Reason = text, text, text, text
		doc := mustRules(t, ruleRecord(t, []verdict.Finding{f}, "198.18.1.10"), "md", report.RuleOptions{})
		rows := 0
		for line := range strings.Lines(doc) {
			plain := regexp.MustCompile(`\\.`).ReplaceAllString(line, "")
			if strings.ContainsAny(plain, "<>[]*_`~$") {
				t.Errorf("%q: markup in %q", text, line)
			}
			if strings.HasPrefix(line, "|") {
				if rows++; strings.Count(plain, "|") != 10 {
					t.Errorf("%q: cells of %q", text, line)
				}
			}
		}
		if rows != 3 || strings.Contains(doc, "://") {
			t.Errorf("%q:\n%s", text, doc)
		}
	}
}

// --on leaves the numbers of the rules as they are.
func TestRulesOfAPlace(t *testing.T) {
	rec := ruleRecord(t, ruleFindings(), "198.18.1.10", "fd00:198:1::10")
	for on, want := range map[string]int{"198.18.9.1": 3, "198.18.9.2": 2, report.OnHosts: 2, report.OnUnknown: 4, "198.18.9.9": 0} {
		o := known()
		o.On = on
		run := load(t, rec, report.Options{})
		rules, err := report.FindRules(run, o)
		if err != nil || rules.Len() != want {
			t.Errorf("%s: %d rules, %v, want %d", on, rules.Len(), err, want)
		}
	}
	o := known()
	o.On = report.OnHosts
	if doc := mustRules(t, rec, "iptables", o); !strings.Contains(doc, "-I INPUT 1") || strings.Contains(doc, "FORWARD") {
		t.Errorf("rules of hosts:\n%s", doc)
	}
}

func TestRulesAreWrittenOrTold(t *testing.T) {
	run := load(t, ruleRecord(t, ruleFindings(), "198.18.1.10", "fd00:198:1::10"), report.Options{})
	rules, err := report.FindRules(run, known())
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range report.RuleFormats {
		if err := rules.Write(&full{10}, format); err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("%s: error %v", format, err)
		}
	}
	if err := rules.Write(&full{10}, "pdf"); err == nil || !strings.Contains(err.Error(), "known: text, csv") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(filepath.Join(testdata, "golden", "rules.nft")); err != nil {
		t.Error(err)
	}
}
