package main

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/lab"
	"cmreach/scanner/verdict"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The firewall of this test blocks 16 addresses of each family; the check asks
// for the first of them only, so that what a rule permits beyond shows.
const (
	rulesNet4, rulesNet6 = "198.19.1.0/28", "fd00:198:1001::/124"
)

var (
	rulesAsked = []string{"198.19.1.1", "198.19.1.2", "198.19.1.3", "fd00:198:1001::1", "fd00:198:1001::2"}
	rulesOther = []string{"198.19.1.4", "198.19.1.12", "fd00:198:1001::3"}
)

// rulesLab is a network of two routers and clients behind them.
func rulesLab(t *testing.T, filters []lab.Filter) *lab.Lab {
	n := &lab.Network{Domain: "lab.test", Routers: []lab.Router{{Name: "r1"}, {Name: "r2", Behind: "r1", Filters: filters}}}
	n.Fleets = []lab.Fleet{{
		Name: "clients", Behind: "r2", Listen: lab.ClientPC(), Host: n.HostByAddr,
		Prefixes: []netip.Prefix{netip.MustParsePrefix("198.19.1.0/24"), netip.MustParsePrefix("fd00:198:1001::/64")},
	}}
	return startLab(t, n)
}

// plantedByNFT is the firewall as the lab makes it, with nftables.
func plantedByNFT() []lab.Filter {
	var fs []lab.Filter
	for _, to := range []netip.Prefix{netip.MustParsePrefix(rulesNet4), netip.MustParsePrefix(rulesNet6)} {
		fs = append(
			fs,
			lab.Filter{To: to, Protocol: scanner.TCP, First: 445, Do: lab.RejectProhibited},
			lab.Filter{To: to, Protocol: scanner.TCP, First: 49152, Last: 65535, Do: lab.RejectProhibited},
			lab.Filter{To: to, Protocol: scanner.ICMP, Do: lab.Drop},
		)
	}
	return fs
}

// plantedByIPTables is the same for iptables-restore and ip6tables-restore.
const (
	plantedByIPTables = `*filter
-A FORWARD -d ` + rulesNet4 + ` -p tcp -m tcp --dport 445 -j REJECT --reject-with icmp-admin-prohibited
-A FORWARD -d ` + rulesNet4 + ` -p tcp -m tcp --dport 49152:65535 -j REJECT --reject-with icmp-admin-prohibited
-A FORWARD -d ` + rulesNet4 + ` -p icmp -m icmp --icmp-type 8 -j DROP
COMMIT
`
	plantedByIP6Tables = `*filter
-A FORWARD -d ` + rulesNet6 + ` -p tcp -m tcp --dport 445 -j REJECT --reject-with icmp6-adm-prohibited
-A FORWARD -d ` + rulesNet6 + ` -p tcp -m tcp --dport 49152:65535 -j REJECT --reject-with icmp6-adm-prohibited
-A FORWARD -d ` + rulesNet6 + ` -p ipv6-icmp -m icmp6 --icmpv6-type 128 -j DROP
COMMIT
`
)

// onRouter runs a command on the second router.
func onRouter(t *testing.T, l *lab.Lab, stdin string, command ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	var out []byte
	err := l.In("r2", func() (err error) {
		out, err = cmd.CombinedOutput()
		return err
	})
	if err != nil {
		t.Fatalf("%v: %v\n%s%s", command, err, out, stdin)
	}
}

// checkAt checks addresses from the lab's scanner and returns what was found.
func checkAt(t *testing.T, prog cmreach, l *lab.Lab, rec string, addrs ...string) []verdict.Finding {
	t.Helper()
	cmd := prog.command(t, nil, append([]string{"check", "-q", "-p", "push", "-o", "json", "-o", "jsonl=" + rec}, addrs...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := l.In("", cmd.Start); err != nil {
		t.Fatal(err)
	}
	doc, _ := finish(t, cmd, &out, &errs)
	return doc.Findings
}

// stand compares what was found of the rows that the firewall knows.
func stand(t *testing.T, when string, findings []verdict.Finding, want verdict.State) {
	t.Helper()
	n := 0
	for _, f := range findings {
		if !f.Required || f.Requirement == "push/epm-tcp" {
			continue
		}
		if n++; f.State != want {
			t.Errorf("%s: %s at %s is %s, want %s: %s\n\t%s", when, f.Requirement, f.Addr, f.State, want, f.Message, strings.Join(f.Evidence, "\n\t"))
		}
	}
	if n == 0 {
		t.Errorf("%s: nothing was checked", when)
	}
}

// What is asked for lets the blocked paths through, and nothing besides: check,
// rules, apply, and check again.
func TestRulesOpenWhatIsBlocked(t *testing.T) {
	needRoot(t)
	for _, tool := range []string{"nft", "iptables-restore", "ip6tables-restore"} {
		if _, err := exec.LookPath(tool); err != nil {
			leaveOut(t, tool+" is not installed (Debian: nftables, iptables)")
		}
	}
	prog := buildProgram(t)
	for _, tool := range []string{"nft", "iptables"} {
		t.Run(tool, func(t *testing.T) {
			var filters []lab.Filter
			if tool == "nft" {
				filters = plantedByNFT()
			}
			l := rulesLab(t, filters)
			if tool == "iptables" {
				onRouter(t, l, plantedByIPTables, "iptables-restore", "--noflush")
				onRouter(t, l, plantedByIP6Tables, "ip6tables-restore", "--noflush")
			}
			rec := filepath.Join(prog.dir, tool+".jsonl")
			stand(t, "before", checkAt(t, prog, l, rec, rulesAsked...), verdict.Blocked)
			rules := func(format string, more ...string) string {
				cmd := prog.command(t, nil, append([]string{"rules", rec, "-o", format}, more...)...)
				var errs bytes.Buffer
				cmd.Stderr = &errs
				out, err := cmd.Output()
				if err != nil {
					t.Fatalf("rules -o %s: %v\n%s", format, err, errs.String())
				}
				return string(out)
			}
			if tool == "nft" {
				onRouter(t, l, rules("nft", "--chain", "inet lab filter"), "nft", "-f", "-")
			} else {
				onRouter(t, l, rules("iptables"), "iptables-restore", "--noflush")
				onRouter(t, l, rules("ip6tables"), "ip6tables-restore", "--noflush")
			}
			rec2 := filepath.Join(prog.dir, tool+"-after.jsonl")
			stand(t, "after", checkAt(t, prog, l, rec2, rulesAsked...), verdict.Open)
			stand(t, "what was not asked for", checkAt(t, prog, l, rec2, rulesOther...), verdict.Blocked)
		})
	}
}
