package verdict

import (
	"cmreach/scanner"
	"fmt"
	"strconv"
)

// talkRules are for paths on which a conversation was begun.
var talkRules = []Rule{
	{
		Reason: "wrong-service.site", State: WrongService,
		Doc:  "A management point of another site answered.",
		when: func(p *path) bool { return p.talked(scanner.Spoke) && detail(p.talk, "site-code-mismatch") != "" },
		say: func(p *path, b []byte) []byte {
			return append(append(b, "a management point of another site answers: "...), detail(p.talk, "site-code-mismatch")...)
		},
	},
	{
		Reason: "wrong-service.certificate", State: WrongService,
		Doc:  "The role answers, but with a certificate that every client refuses: it is out of date, or for another name.",
		when: func(p *path) bool { return p.talked(scanner.Spoke) && detail(p.talk, "clients-refuse") != "" },
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "%s answers, but clients refuse it: %s", p.what(), detail(p.talk, "clients-refuse"))
		},
	},
	{
		Reason: "open.answer", State: Open,
		Doc:  "The expected protocol was spoken.",
		when: talked(scanner.Spoke),
		say: func(p *path, b []byte) []byte {
			if p.talk.NeedsCredentials {
				return fmt.Appendf(b, "%s answers and asks for credentials", p.what())
			}
			return fmt.Appendf(b, "%s answers", p.what())
		},
	},
	{
		Reason: "wrong-service.foreign", State: WrongService,
		Doc:  "Another protocol, or another role, answered: a proxy, a portal, another program on the port.",
		when: talked(scanner.Foreign),
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "something else answers in place of %s%s", p.what(), because(p.talk))
		},
	},
	{
		Reason: "wrong-service.garbled", State: WrongService,
		Doc:  "The answer began like the expected protocol and then broke: a tarpit, a faulty proxy, an endless or oversized answer.",
		when: talked(scanner.Garbled),
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "the answer of %s is broken%s", p.what(), because(p.talk))
		},
	},
	{
		Reason: "inconclusive.mute", State: Inconclusive,
		Doc:  "The connection was accepted, then nothing came: a hanging service, or a device that accepts connections in the host's place.",
		when: talked(scanner.Mute),
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "%s accepted the connection and said nothing: the service hangs, or a device on the way accepts in its place", p.what())
		},
	},
	{
		Reason: "inconclusive.cut", State: Inconclusive,
		Doc:  "The connection was accepted, then closed before an answer: the service refuses this caller, or an inspection device cuts the session.",
		when: talked(scanner.Cut),
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "%s accepted the connection and closed it without an answer: the service refuses this machine, or a device inspects and cuts", p.what())
		},
	},
	{
		Reason: "blocked.rejected-later", State: Blocked,
		Doc:  "The port answered a single packet, but the connection was rejected by ICMP.",
		when: func(p *path) bool { return p.talk != nil && p.view.filtered(p.talk) },
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "%s rejects connections to %s (%s)", p.talk.From, p.what(), icmpText(p.view.host.Addr, p.talk.ICMP))
		},
	},
	{
		Reason: "inconclusive.unsteady", State: Inconclusive,
		Doc:  "The port answered a single packet, but the connection for the conversation did not come about.",
		when: talked(scanner.Refused, scanner.Silent, scanner.Rejected, scanner.Expired),
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "%s answered once and then not again (%s): something limits connections, or the host is overloaded", p.what(), p.talk.Outcome)
		},
	},
}

// openRules are for paths on which a packet got through, and nothing else is known.
var openRules = []Rule{
	{
		Reason: "open.echo", State: Open,
		Doc:  "The host answered the echo request.",
		when: func(p *path) bool { return p.swept(scanner.Answered) && p.sweep.Protocol == scanner.ICMP },
		say:  func(_ *path, b []byte) []byte { return append(b, "the host answers echo requests"...) },
	},
	{
		Reason: "open.port", State: Open,
		Doc:  "The port accepts connections. What answers there was not asked.",
		when: func(p *path) bool { return p.swept(scanner.Answered) && p.row.Via == 0 },
		say: func(p *path, b []byte) []byte {
			return append(p.appendWhat(b), " accepts connections; what answers was not asked"...)
		},
	},
}

// rejectRules are for paths that somebody refused.
var rejectRules = []Rule{
	{
		Reason: "blocked.prohibited", State: Blocked,
		Doc: "A device said by ICMP that it prohibits the traffic.",
		when: func(p *path) bool {
			return p.view.filtered(p.sweep) && kindOf(p.view.host.Addr, p.sweep.ICMP) == scanner.ICMPProhibited
		},
		say: func(p *path, b []byte) []byte {
			b = append(p.appendDevice(b, p.sweep), " rejects "...)
			return appendICMP(append(p.appendWhat(b), ": "...), p.view.host.Addr, p.sweep.ICMP)
		},
	},
	{
		Reason: "blocked.rejected", State: Blocked,
		Doc:  "A device other than the host answered with an ICMP error for this port alone, although it is not its own port or the host is alive.",
		when: func(p *path) bool { return p.view.filtered(p.sweep) },
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "%s rejects %s: it reports %q for a host that is not its own", p.device(p.sweep), p.what(), icmpText(p.view.host.Addr, p.sweep.ICMP))
		},
	},
	{
		Reason: "blocked.unnamed", State: Blocked,
		Doc: "The traffic was rejected by ICMP although the host is alive; this system does not show by whom.",
		when: func(p *path) bool {
			return p.swept(scanner.Rejected) && !p.sweep.From.IsValid() && p.view.alive
		},
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "a device on the way rejects %s; this system does not show which", p.what())
		},
	},
	{
		Reason: "closed.port-unreachable", State: Closed,
		Doc:  "The host itself answered that nobody listens on the port.",
		when: func(p *path) bool { return p.swept(scanner.Rejected) && p.sweep.From == p.view.host.Addr },
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "the host itself answers %q for %s", icmpText(p.view.host.Addr, p.sweep.ICMP), p.what())
		},
	},
	{
		Reason: "blocked.reset", State: Blocked,
		Doc:  "A RST came that the host did not send: it travelled another distance than the host's own answers, or came before the packet could have reached the host.",
		when: func(p *path) bool { return p.view.middleboxReset(p.sweep) },
		say: func(p *path, b []byte) []byte {
			b = append(p.appendDevice(b, p.sweep), " resets "...)
			return append(p.appendWhat(b), "; the host itself did not refuse"...)
		},
	},
	{
		Reason: "closed.reset", State: Closed,
		Doc:  "The host itself refused: nobody listens on the port.",
		when: func(p *path) bool { return p.swept(scanner.Refused) && p.view.origin(p.sweep) == originHost },
		say: func(p *path, b []byte) []byte {
			return append(p.appendWhat(append(b, "the host refuses "...)), ": nobody listens there"...)
		},
	},
	{
		Reason: "inconclusive.reset", State: Inconclusive,
		Doc:  "The port was refused (RST), by the host or by a device close to it. The right to see the TTL of answers (CAP_NET_RAW) and another answer of the host would tell.",
		when: swept(scanner.Refused),
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "%s was refused (RST), by the host or by a firewall near it: run as root or with CAP_NET_RAW to see which", p.what())
		},
	},
}

// silenceRules are for paths from which nothing came, or only word that the
// host cannot be reached.
var silenceRules = []Rule{
	{
		Reason: "inconclusive.loop", State: Inconclusive,
		Doc:  "The packet's hop limit ran out on the way, although the host answers other packets.",
		when: func(p *path) bool { return p.swept(scanner.Expired) && p.view.answered },
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "a packet to %s ran in a circle at %s, others did not", p.what(), p.sweep.From)
		},
	},
	{
		Reason: "down.loop", State: Down,
		Doc:  "Packets run in a circle between routers: the hop limit ran out, and nothing at the address answers.",
		when: dead(func(o *scanner.Observation, _ *path) bool { return o.Outcome == scanner.Expired }),
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "a routing loop: packets to %s expire at %s", p.view.host.Addr, p.by())
		},
	},
	{
		Reason: "down.no-route", State: Down,
		Doc: "A router has no route to the address, and nothing there answers.",
		when: dead(func(o *scanner.Observation, p *path) bool {
			return unreachable(p.view.host.Addr, o) && kindOf(p.view.host.Addr, o.ICMP) == scanner.ICMPNet
		}),
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "%s has no route to %s", p.by(), p.view.host.Addr)
		},
	},
	{
		Reason: "down.host-unreachable", State: Down,
		Doc: "The last router reports that nobody at the address answers it.",
		when: dead(func(o *scanner.Observation, p *path) bool {
			return unreachable(p.view.host.Addr, o) && kindOf(p.view.host.Addr, o.ICMP) == scanner.ICMPHost
		}),
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "%s reports that nobody has the address %s: the computer is off, or the address is stale", p.by(), p.view.host.Addr)
		},
	},
	{
		Reason: "inconclusive.late", State: Inconclusive,
		Doc: "The port was silent, and answered a later packet: something lost or limited packets for a time, here or on the way.",
		when: func(p *path) bool {
			return p.swept(scanner.Silent) && p.view.distances(p.sweep.Protocol, p.sweep.Port).outcome == scanner.Answered
		},
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "%s was silent at first and answered later: check again, slower (--rate)", p.what())
		},
	},
	farEndSilence,
	{
		Reason: "inconclusive.udp-silent", State: Inconclusive,
		Doc: "No answer came to a datagram. That decides nothing, not even that the host is down when nothing but datagrams was sent: the service need not answer.",
		when: func(p *path) bool {
			return p.swept(scanner.Silent) && p.row.Protocol == scanner.UDP && (p.view.answered || p.view.udpOnly())
		},
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "no answer from %s, which decides nothing: UDP services need not answer", p.what())
		},
	},
	{
		Reason: "inconclusive.instance", State: Inconclusive,
		Doc:  "The port is silent, but it belongs to a further instance of the service, and how many there are is not known.",
		when: func(p *path) bool { return p.swept(scanner.Silent) && p.view.answered && p.spare },
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "%s is silent: the service has no such instance, or the port is swallowed", p.what())
		},
	},
	{
		Reason: "inconclusive.stealth", State: Inconclusive,
		Doc: "The port is silent, but its listener comes with the ConfigMgr client only, and Windows in stealth mode answers nothing for a port without a listener.",
		when: func(p *path) bool {
			return p.swept(scanner.Silent) && p.view.alive && p.row.Listener == scanner.ListenerWithClient
		},
		say: func(p *path, b []byte) []byte {
			return append(p.appendWhat(b), " is silent, as it is on every Windows computer before the client is installed"...)
		},
	},
	{
		Reason: "blocked.rationed", State: Blocked,
		Doc: "Nothing came back, however often it was asked, although the host is alive and must listen there; and a router on the way rejects packets to this port, but sends so few of its rejections that it may be the one. Allow it more of them (Linux: icmp_ratelimit), or ask slower (--rate), to see.",
		when: func(p *path) bool {
			return p.swept(scanner.Silent) && p.view.alive && p.row.Via == 0 && p.sweep.Rationed.IsValid()
		},
		say: func(p *path, b []byte) []byte {
			b = append(p.appendWhat(b), " is swallowed, or rejected without a word: "...)
			b = append(strconv.AppendInt(b, int64(p.sweep.Tries), 10), " tries without an answer, although the host is alive; "...)
			return append(p.sweep.Rationed.AppendTo(b), " rejects such packets and rations what it says of it"...)
		},
	},
	{
		Reason: "blocked.silent", State: Blocked,
		Doc:  "Nothing came back, however often it was asked, although the host is alive and must listen there: a firewall on the way or on the host swallows it.",
		when: func(p *path) bool { return p.swept(scanner.Silent) && p.view.alive && p.row.Via == 0 },
		say: func(p *path, b []byte) []byte {
			b = append(p.appendWhat(b), " is swallowed: "...)
			return append(strconv.AppendInt(b, int64(p.sweep.Tries), 10), " tries without an answer, although the host is alive"...)
		},
	},
	{
		Reason: "inconclusive.refused-elsewhere", State: Inconclusive,
		Doc:  "The port is silent. Other ports of the address were refused, which does not show whether the host is alive.",
		when: func(p *path) bool { return p.swept(scanner.Silent) && p.view.answered },
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "%s is silent; other ports of the address are refused, perhaps not by the host itself", p.what())
		},
	},
	{
		Reason: "inconclusive.filter-near", State: Inconclusive,
		Doc: "The port is silent and the host is not known to be alive, but a device on the way filters other traffic to it.",
		when: func(p *path) bool {
			return p.swept(scanner.Silent, scanner.Rejected, scanner.Expired) && p.view.filter != nil
		},
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "%s gives no answer, and %s filters other traffic to the address: off, or filtered too", p.what(), p.view.filter.From)
		},
	},
	{
		Reason: "inconclusive.rationed", State: Inconclusive,
		Doc:  "Nothing at this address answers anything; but a router on the way rejects packets to such ports and sends too few of its rejections (a limit of ICMP errors), so that the silence may be its. Allow it more of them (Linux: icmp_ratelimit), or ask slower (--rate), to see.",
		when: func(p *path) bool { return p.swept(scanner.Silent) && p.view.rationed.IsValid() },
		say: func(p *path, b []byte) []byte {
			b = append(appendAddr(append(b, "nothing at "...), p.view.host.Addr), " answers anything, and "...)
			return append(p.view.rationed.AppendTo(b), " rations its rejections: off, or rejected without a word"...)
		},
	},
	{
		Reason: "inconclusive.untried", State: Inconclusive,
		Doc:  "What could be asked at this address gives no answer; but this machine could not ask all of its TCP ports, so that the host may be alive.",
		when: func(p *path) bool { return p.swept(scanner.Silent) && p.view.untried },
		say: func(p *path, b []byte) []byte {
			b = append(p.appendWhat(b), " gives no answer, and this machine could not ask "...)
			b = append(appendAddr(b, p.view.host.Addr), " on other ports: off, or silent here only"...)
			return b
		},
	},
	{
		Reason: "down.silent", State: Down,
		Doc:  "Nothing at this address answers anything: the computer is off, the address is stale, or everything to it is swallowed.",
		when: swept(scanner.Silent),
		say: func(p *path, b []byte) []byte {
			return append(appendAddr(append(b, "nothing at "...), p.view.host.Addr), " answers anything"...)
		},
	},
	{
		Reason: "inconclusive.rejected", State: Inconclusive,
		Doc:  "An ICMP error came that does not say whether a filter, the routing or the host is the cause.",
		when: swept(scanner.Rejected, scanner.Expired),
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "an ICMP error came for %s (%s), and the rest of the evidence does not explain it", p.what(), icmpText(p.view.host.Addr, p.sweep.ICMP))
		},
	},
}
