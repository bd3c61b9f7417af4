package report

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/cause"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// The ready rules hold addresses, numbers and words of this program only. Texts
// of others stand in comments, cleaned, in ASCII, one line each.

// ruleScript gathers lines, and the first error that a rule has: a script of
// which a part is missing must not be written.
type ruleScript struct {
	b   bytes.Buffer
	err error
}

// miss keeps an error, each once: all that is missing is told at once.
func (c *ruleScript) miss(err error) {
	if c.err == nil || !strings.Contains(c.err.Error(), err.Error()) {
		c.err = errors.Join(c.err, err)
	}
}

func (c *ruleScript) line(format string, args ...any) {
	_, _ = fmt.Fprintf(&c.b, format+"\n", args...)
}

// comment writes a comment of one line.
func (c *ruleScript) comment(s string) {
	_, _ = c.b.WriteString("# " + ascii(clean(s)) + "\n")
}

func (c *ruleScript) end(w io.Writer) error {
	if c.err != nil {
		return c.err
	}
	if _, err := c.b.WriteTo(w); err != nil {
		return fmt.Errorf("write the rules: %w", err)
	}
	return nil
}

// ascii escapes the letters that a program in another code page would take for
// something else.
func ascii(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// about is the comment at the head of a script.
func (s *Rules) about(c *ruleScript, what string) {
	c.comment("cmreach: " + s.summary() + ".")
	c.comment(what)
	for _, l := range s.remarks() {
		c.comment(l)
	}
	c.line("")
}

// onTheWay is the comment at the head of rules for firewalls on the way.
func (s *Rules) onTheWay(c *ruleScript, tool string) {
	s.about(c, "For "+tool+", on a firewall that lets the answers to permitted packets through, as a stateful one does.")
	places := map[string]bool{}
	for _, a := range s.list {
		places[a.where()] = true
	}
	if s.o.On == "" && len(places) > 1 {
		c.comment(fmt.Sprintf("The rules are for %d places: --on ADDRESS writes those of one device.", len(places)))
		c.line("")
	}
}

// explain is the comment above a rule.
func (a ruleAsk) explain(c *ruleScript, s *Rules) {
	c.comment(fmt.Sprintf("%d. %s", a.n, a.title))
	c.comment(fmt.Sprintf("   for %s, %s to %s; %s", ruleCount(a.Paths, "path", "paths"), ruleRole(a.From), ruleRole(a.To), a.covers(s.o.Subnets)))
	c.comment(fmt.Sprintf("   %s: %s (%s)", short(a.Example.Host, 120), short(a.Example.Message, 200), a.Example.Requirement))
	c.comment("   cause: " + short(strings.Join(a.Causes, ", "), 400))
}

// forwarded reports whether the rule is for a firewall on the way, and not for
// the hosts' own, unless that is asked for.
func (s *Rules) forwarded(a ruleAsk) bool { return a.Place != cause.PlaceHosts || s.o.On == OnHosts }

// nft writes the rules for nftables: a chain of their own, and the jump to it
// where the chain is known that decides. A verdict of accept in another table
// would not help: each base chain of a hook has to accept.
func (s *Rules) nft(w io.Writer) error {
	c := &ruleScript{}
	c.line("#!/usr/sbin/nft -f")
	s.onTheWay(c, "nftables")
	at := s.o.Chain
	if at == (NFTChain{}) {
		at = NFTChain{"inet", "filter", ""}
	}
	own := at.Family + " " + at.Table + " cmreach"
	c.line("add table %s %s", at.Family, at.Table)
	c.line("add chain %s", own)
	c.line("flush chain %s", own)
	for _, a := range s.list {
		c.line("")
		a.explain(c, s)
		if !s.forwarded(a) {
			c.comment("   not for a firewall on the way: see -o powershell, or --on hosts")
			continue
		}
		for _, six := range []bool{false, true} {
			to := ruleFamily(a.to, six)
			if len(to) == 0 || at.Family == "ip" && six || at.Family == "ip6" && !six {
				continue
			}
			from, err := a.from.family(six)
			if err != nil {
				c.miss(err)
				continue
			}
			ip := map[bool]string{false: "ip", true: "ip6"}[six]
			c.line("add rule %s %s saddr %s %s daddr %s %s accept", own, ip, nftSet(from), ip, nftSet(to), a.nftMatch(six))
		}
	}
	c.line("")
	if at.Chain == "" {
		c.comment("The rules have no effect until they are called from the chain that blocks, before its own rules.")
		c.comment("Name it with --chain \"inet filter forward\", or call them yourself:")
		c.comment(fmt.Sprintf("  nft insert rule %s %s forward jump cmreach", at.Family, at.Table))
	} else {
		c.comment("To take all of it back: delete this jump (nft -a list chain ...), then the chain cmreach.")
		c.line("insert rule %s %s %s jump cmreach", at.Family, at.Table, at.Chain)
	}
	return c.end(w)
}

// nftMatch matches protocol and ports.
func (a ruleAsk) nftMatch(six bool) string {
	switch {
	case a.Protocol == scanner.ICMP && six:
		return "icmpv6 type echo-request"
	case a.Protocol == scanner.ICMP:
		return "icmp type echo-request"
	default:
		return fmt.Sprintf("%s dport { %s }", a.Protocol, a.ports("-", ", "))
	}
}

// nftSet writes prefixes as an anonymous set, eight a line.
func nftSet(list []netip.Prefix) string {
	var b strings.Builder
	b.WriteString("{ ")
	for i, p := range list {
		switch {
		case i == 0:
		case i%8 == 0:
			b.WriteString(",\n\t")
		default:
			b.WriteString(", ")
		}
		b.WriteString(rulePrefix(p))
	}
	return b.String() + " }"
}

// iptables writes the rules of one address family for iptables-restore
// --noflush, or ip6tables-restore.
func (s *Rules) iptables(w io.Writer, six bool) error {
	c := &ruleScript{}
	tool, other, chain := "iptables-restore --noflush", "ip6tables", "FORWARD"
	if six {
		tool, other = "ip6tables-restore --noflush", "iptables"
	}
	if s.o.On == OnHosts {
		chain = "INPUT"
	}
	s.onTheWay(c, tool)
	c.line("*filter")
	c.line(":CMREACH - [0:0]")
	left := 0
	for _, a := range s.list {
		if len(ruleFamily(a.to, !six)) > 0 {
			left++
		}
		to := ruleFamily(a.to, six)
		if len(to) == 0 {
			continue
		}
		a.explain(c, s)
		if !s.forwarded(a) {
			c.comment("   not for a firewall on the way: see -o powershell, or --on hosts")
			continue
		}
		from, err := a.from.family(six)
		if err != nil {
			c.miss(err)
			continue
		}
		for _, match := range a.iptablesMatches(six) {
			for _, f := range from {
				for _, t := range to {
					c.line("-A CMREACH -s %s -d %s %s -j ACCEPT", f, t, match)
				}
			}
		}
	}
	c.comment("before the rules that block:")
	c.line("-I %s 1 -j CMREACH", chain)
	c.line("COMMIT")
	if left > 0 {
		c.comment(fmt.Sprintf("%s of the other address family: -o %s", ruleCount(left, "rule", "rules"), other))
	}
	return c.end(w)
}

// multiport is how many ports one match of iptables takes; a range counts twice.
const multiport = 15

// iptablesMatches match protocol and ports, in as few rules as can be.
func (a ruleAsk) iptablesMatches(six bool) []string {
	switch {
	case a.Protocol == scanner.ICMP && six:
		return []string{"-p ipv6-icmp -m icmp6 --icmpv6-type 128"}
	case a.Protocol == scanner.ICMP:
		return []string{"-p icmp -m icmp --icmp-type 8"}
	case len(a.Ports) == 1:
		return []string{fmt.Sprintf("-p %[1]s -m %[1]s --dport %[2]s", a.Protocol, a.ports(":", ","))}
	}
	var out []string
	for some := range slices.Chunk(a.Ports, multiport/2) {
		part := ruleAsk{Rule: cause.Rule{Ports: some}}
		out = append(out, fmt.Sprintf("-p %s -m multiport --dports %s", a.Protocol, part.ports(":", ",")))
	}
	return out
}
