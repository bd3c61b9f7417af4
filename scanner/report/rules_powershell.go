package report

import (
	"cmreach/scanner"
	"cmreach/scanner/cause"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// The predefined groups of Windows Firewall, by the ids of their names, which
// are the same in every language of Windows. Which of them the client needs is
// said in "Windows Firewall and port settings for clients" (2015-12-08).
const (
	groupFileSharing  = "@FirewallAPI.dll,-28502" // File and Printer Sharing
	groupWMI          = "@FirewallAPI.dll,-34251" //nolint:gosec // Windows Management Instrumentation: no secret
	groupRemoteAssist = "@FirewallAPI.dll,-33002" // Remote Assistance
	groupEventLog     = "@FirewallAPI.dll,-29252" // Remote Event Log Management
)

// groupNames are for comments.
var groupNames = map[string]string{
	groupFileSharing: "File and Printer Sharing", groupWMI: "Windows Management Instrumentation",
	groupRemoteAssist: "Remote Assistance", groupEventLog: "Remote Event Log Management",
}

// groups are the predefined groups that open what the rule asks for; none: it
// takes a rule of its own.
func (a ruleAsk) groups() []string {
	of := func(profile string) bool {
		return slices.ContainsFunc(a.Rows, func(id string) bool { return strings.HasPrefix(id, profile+"/") })
	}
	only := func(port uint16) bool { return slices.Equal(a.Ports, []cause.PortRange{{First: port, Last: port}}) }
	rpc := a.Dynamic || only(135)
	switch {
	case a.To != scanner.RoleClient: // servers are set up by other documents
		return nil
	case a.Protocol == scanner.ICMP, a.Protocol == scanner.TCP && only(445):
		return []string{groupFileSharing} // lines 41-48: client push, Group Policy
	case a.Protocol != scanner.TCP || !rpc:
		return nil
	}
	var out []string
	if of("remote-assistance") {
		out = append(out, groupRemoteAssist) // line 80
	}
	if of("remote-diagnostics") {
		out = append(out, groupFileSharing, groupEventLog) // line 96; the service of the event log has a group of its own
	}
	if len(out) == 0 || of("push") {
		out = append(out, groupWMI) // line 45
	}
	return out
}

// powershell writes the rules for Windows Firewall on the hosts. What a device
// on the way blocks is not mended there, and stands as a comment.
func (s *Rules) powershell(w io.Writer) error {
	c := &ruleScript{}
	c.line("#Requires -RunAsAdministrator")
	c.line("#Requires -Modules NetSecurity")
	s.about(c, "For Windows Firewall on the hosts. Where a Group Policy manages it, make the same change in the policy.")
	c.line("$ErrorActionPreference = 'Stop'")
	done := map[string]bool{}
	for _, a := range s.list {
		c.line("")
		a.explain(c, s)
		switch a.Place {
		case cause.PlaceDevice, cause.PlaceBetween, cause.PlaceWay:
			c.comment("   nothing to change on the hosts: it does not reach them")
			continue
		case cause.PlaceHosts: // it is shown
		case cause.PlaceLastHop, cause.PlaceUnknown:
			c.comment("   perhaps on the hosts: it is not shown whether it reaches them")
		}
		groups := a.groups()
		for _, g := range groups {
			if done[g] {
				c.comment("   enabled above: " + groupNames[g])
				continue
			}
			done[g] = true
			c.comment("   " + groupNames[g])
			c.line("Get-NetFirewallRule -Group %s | Where-Object Direction -EQ Inbound | Enable-NetFirewallRule", psQuote(g))
		}
		if len(groups) == 0 {
			a.ownRules(c)
		}
	}
	return c.end(w)
}

// ownRules writes rules for what no predefined group opens. Each replaces the
// one of an earlier time. Clients are alike; what a server needs is for the
// addresses of that server alone, wherever the script is run.
func (a ruleAsk) ownRules(c *ruleScript) {
	if a.To != scanner.RoleClient {
		c.line("if (@((Get-NetIPAddress).IPAddress | Where-Object { $_ -in %s }).Count -gt 0) {", psAddrs(a.Addrs))
		defer c.line("}")
	}
	for _, six := range []bool{false, true} {
		if len(ruleFamily(a.to, six)) == 0 {
			continue
		}
		from, err := a.from.family(six)
		if err != nil {
			c.miss(err)
			continue
		}
		v := map[bool]string{false: "4", true: "6"}[six]
		name := fmt.Sprintf("cmreach-%s%s-%s-from-%s", a.Protocol, v, a.ports("-", "."), safeWord(string(a.From)))
		c.line("Remove-NetFirewallRule -Name %s -ErrorAction SilentlyContinue", psQuote(name))
		c.line("New-NetFirewallRule -Name %s -DisplayName %s -Direction Inbound -Action Allow %s -RemoteAddress %s | Out-Null",
			psQuote(name), psQuote("cmreach: "+ascii(a.what())+" from "+safeWord(string(a.From))), a.psMatch(six), psList(from))
	}
}

// psMatch matches protocol and ports. RPC stands for the ports that RPC has
// taken, which are fewer than those it may take.
func (a ruleAsk) psMatch(six bool) string {
	switch {
	case a.Protocol == scanner.ICMP && six:
		return "-Protocol ICMPv6 -IcmpType 128"
	case a.Protocol == scanner.ICMP:
		return "-Protocol ICMPv4 -IcmpType 8"
	case a.Dynamic:
		return "-Protocol TCP -LocalPort RPC"
	}
	var ports []string
	for p := range strings.SplitSeq(a.ports("-", ","), ",") {
		ports = append(ports, psQuote(p))
	}
	return "-Protocol " + strings.ToUpper(a.Protocol.String()) + " -LocalPort " + strings.Join(ports, ",")
}

func psList(list []netip.Prefix) string {
	var parts []string
	for _, p := range list {
		parts = append(parts, psQuote(rulePrefix(p)))
	}
	return strings.Join(parts, ",")
}

// psQuote writes a verbatim string of PowerShell (about_Quoting_Rules): nothing
// in it is expanded. PowerShell takes the typographic quotes for plain ones, and
// two of any of them for one.
func psQuote(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range s {
		if strings.ContainsRune("'\u2018\u2019\u201a\u201b", r) {
			b.WriteRune(r)
		}
		b.WriteRune(r)
	}
	b.WriteByte('\'')
	return b.String()
}

// safeWord is a word for the name of a rule: what is no letter, digit, dash or
// dot in it is a dash.
func safeWord(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return '-'
	}, short(s, 64))
}

func psAddrs(list []netip.Addr) string {
	var parts []string
	for _, a := range list {
		parts = append(parts, psQuote(a.String()))
	}
	return strings.Join(parts, ",")
}
