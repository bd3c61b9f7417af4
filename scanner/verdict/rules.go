package verdict

import (
	"cmreach/scanner"
	"fmt"
)

// Rule is one line of the table by which paths are judged. The first rule that
// matches decides.
type Rule struct {
	Reason string // stable code
	State  State
	Doc    string // what the rule says, for people
	when   func(*path) bool
	say    func(*path, []byte) []byte // appends the sentence
}

// Rules returns the table in its order.
func Rules() []Rule {
	var out []Rule
	for _, c := range table {
		out = append(out, c.rules...)
	}
	return append(out, Rule{
		Reason: "untested.vantage", State: Untested,
		Doc: "The row starts at another machine. What was seen from here proves the service at most, not the way to it.",
	})
}

// match returns the first rule that applies; the last one always does.
func match(p *path) *Rule {
	for i := range table {
		c := &table[i]
		if c.of != nil && !c.of(p) {
			continue
		}
		for k := range c.rules {
			if r := &c.rules[k]; r.when(p) {
				return r
			}
		}
	}
	return &lastRules[0]
}

// chapter is a part of the table. Of paths for which of does not hold, none of its
// rules does: it says in one question what each of them would ask first.
type chapter struct {
	rules []Rule
	of    func(*path) bool // nil: all paths
}

// table is the whole table. The last rule always applies.
var table = []chapter{
	{rules: hostRules},
	{farEndRules, func(p *path) bool { return p.farSweep != nil || p.farTalk != nil }},
	{rules: faultRules},
	{mapperRules, func(p *path) bool { return p.row.Via != 0 }},
	{talkRules, func(p *path) bool { return p.talk != nil }},
	{rules: openRules},
	{rejectRules, swept(scanner.Rejected, scanner.Refused)},
	{silenceRules, func(p *path) bool {
		return p.farSweep != nil || p.swept(scanner.Silent, scanner.Rejected, scanner.Expired)
	}},
	{rules: lastRules},
}

// lastRules are for what is left.
var lastRules = []Rule{{
	Reason: "inconclusive.no-evidence", State: Inconclusive,
	Doc:  "Nothing was observed of the path, so nothing can be said of it.",
	when: func(*path) bool { return true },
	say:  func(p *path, b []byte) []byte { return fmt.Appendf(b, "nothing was observed of %s", p.what()) },
}}

// hostRules are about the host as a whole.
var hostRules = []Rule{
	{
		Reason: "untested.manual", State: Untested,
		Doc:  "No packet can test it: an item to check by hand.",
		when: func(p *path) bool { return p.row.Protocol == scanner.Manual },
		say: func(p *path, b []byte) []byte {
			return append(append(b, "to be checked by hand: "...), p.row.Title...)
		},
	},
	{
		Reason: "unresolved.no-address", State: Unresolved,
		Doc:  "The name service answered that the name has no address.",
		when: func(p *path) bool { return p.view.unresolved != nil },
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "%s has no address in the name service", p.view.host.Name)
		},
	},
	{
		Reason: "error.lookup", State: Error,
		Doc: "The name could not be looked up: the name service of this machine failed. It says nothing of the host.",
		when: func(p *path) bool {
			return !p.view.host.Addr.IsValid() && p.view.fault != nil
		},
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "the name could not be looked up: %s", p.view.fault.Err)
		},
	},
	{
		Reason: "wrong-host.name", State: WrongHost,
		Doc:  "The machine at this address gives another name than the one asked for: the record in the name service is stale. No row of it can be judged here.",
		when: func(p *path) bool { return p.view.stranger != "" },
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "%s is %s, not %s: the name service points to another computer",
				p.view.host.Addr, p.view.stranger, p.view.host.Name)
		},
	},
}

// faultRules are about this machine.
var faultRules = []Rule{
	{
		Reason: "error.local", State: Error,
		Doc:  "This machine could not do the test (no right, no route, no buffer). It says nothing of the network.",
		when: func(p *path) bool { return p.localFault() != nil },
		say: func(p *path, b []byte) []byte {
			return append(append(b, "this machine could not test it: "...), p.localFault().Err...)
		},
	},
}

// mapperRules are for rows whose ports a conversation names: dynamic RPC.
var mapperRules = []Rule{
	{
		Reason: "open.dynamic", State: Open,
		Doc:  "At least one port that the endpoint mapper named was reached and spoke RPC.",
		when: via(func(p *path) bool { return p.spokeOn() != 0 }),
		say:  func(p *path, b []byte) []byte { return fmt.Appendf(b, "dynamic port %d answers RPC", p.spokeOn()) },
	},
	{
		Reason: "blocked.dynamic-rejected", State: Blocked,
		Doc:  "A device on the way rejects the ports that the endpoint mapper named, and says so by ICMP.",
		when: via(func(p *path) bool { return p.namedPort(p.view.filtered) != nil }),
		say: func(p *path, b []byte) []byte {
			o := p.namedPort(p.view.filtered)
			return fmt.Appendf(b, "%s rejects the dynamic ports (%s, TCP %d)", o.From, icmpText(p.view.host.Addr, o.ICMP), o.Port)
		},
	},
	{
		Reason: "blocked.dynamic-reset", State: Blocked,
		Doc:  "The ports that the endpoint mapper named are refused by a RST that the host did not send.",
		when: via(func(p *path) bool { return p.namedPort(p.view.middleboxReset) != nil }),
		say: func(p *path, b []byte) []byte {
			o := p.namedPort(p.view.middleboxReset)
			return fmt.Appendf(b, "%s resets the dynamic ports (TCP %d); the host itself did not refuse", p.device(o), o.Port)
		},
	},
	{
		Reason: "inconclusive.dynamic-reset", State: Inconclusive,
		Doc: "The ports that the endpoint mapper named were refused, by the host or by a device close to it. The right to see the TTL of answers (CAP_NET_RAW) would tell.",
		when: via(func(p *path) bool {
			o := p.namedPort(refused)
			return o != nil && p.view.origin(o) == originUnknown
		}),
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "dynamic port %d was refused (RST), by the host or by a firewall near it: this run could not see which", p.namedPort(refused).Port)
		},
	},
	{
		Reason: "closed.dynamic", State: Closed,
		Doc:  "The host itself refused every port that its endpoint mapper named.",
		when: via(func(p *path) bool { return len(p.named) > 0 && p.all(refused) }),
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "the host refuses the ports that its endpoint mapper names (TCP %d): a service has stopped", p.named[0].sweep.Port)
		},
	},
	{
		Reason: "wrong-service.dynamic", State: WrongService,
		Doc: "The ports that the endpoint mapper named were reached, but what answers there is not RPC.",
		when: via(func(p *path) bool {
			return p.namedTalk(scanner.Foreign, scanner.Garbled) != nil
		}),
		say: func(p *path, b []byte) []byte {
			o := p.namedTalk(scanner.Foreign, scanner.Garbled)
			return fmt.Appendf(b, "TCP %d was reached, but no RPC server answers there%s", o.Port, because(o))
		},
	},
	{
		Reason: "inconclusive.dynamic-silent", State: Inconclusive,
		Doc:  "The ports that the endpoint mapper named stayed silent. Windows Firewall admits dynamic ports for each service, and WMI's own port is told to authenticated callers only, so silence proves nothing.",
		when: via(func(p *path) bool { return len(p.named) > 0 }),
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "%d dynamic ports were named, none answered: a network firewall lacks the range 49152-65535, or Windows Firewall admits WMI but not these services", len(p.named))
		},
	},
	{
		Reason: "inconclusive.none-named", State: Inconclusive,
		Doc:  "The endpoint mapper answered, but named no TCP port to an anonymous caller.",
		when: via(func(p *path) bool { return p.talk != nil && p.talk.Outcome == scanner.Spoke }),
		say: func(p *path, b []byte) []byte {
			if p.talk.NeedsCredentials {
				return append(b, "the endpoint mapper asks for credentials, so no dynamic port is known to try"...)
			}
			return append(b, "the endpoint mapper named no TCP port to try"...)
		},
	},
	{
		Reason: "inconclusive.not-asked", State: Inconclusive,
		Doc:  "The endpoint mapper's port answers, but the mapper was not asked for the dynamic ports (--depth port).",
		when: via(func(p *path) bool { return p.talk == nil && p.swept(scanner.Answered) }),
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "the endpoint mapper (TCP %d) was not asked for its ports: check with --depth protocol or more", p.row.Via)
		},
	},
	{
		Reason: "inconclusive.mapper", State: Inconclusive,
		Doc: "The endpoint mapper itself gave no usable answer, so no dynamic port is known. Mend TCP 135 first.",
		when: via(func(p *path) bool {
			return p.view.answered || (p.sweep != nil && p.sweep.Outcome == scanner.Rejected && p.view.filtered(p.sweep))
		}),
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "no dynamic port is known, because the endpoint mapper (TCP %d) gave no usable answer: mend that path first", p.row.Via)
		},
	},
}
