package verdict

import (
	"cmreach/scanner"
	"fmt"
	"slices"
	"strings"
)

// "cmreach listen" on the target holds ports in place of services. Its answer
// proves the way to the port that it came from; and because each answer names
// all ports that it holds, silence of another of them is a firewall's. The
// engine asks it once more after everything else, because it may have been ended.

// askFarEnd finds what the listener's question met on the row's port.
func (p *path) askFarEnd() {
	if p.row.FarEnd == "" {
		return
	}
	p.farTalk = p.view.find(p.row.Protocol, p.row.Port, p.row.FarEnd)
	p.farSweep = p.sweep
	if p.row.Protocol != scanner.UDP {
		return
	}
	p.farSweep = p.view.first(func(o *scanner.Observation) bool {
		return o.Sweep() && o.Protocol == p.row.Protocol && o.Port == p.row.Port && o.Asked == p.row.FarEnd
	})
	if p.row.Probe == "" || p.farSwept(scanner.Rejected, scanner.Expired) && p.swept(scanner.LocalError, scanner.Silent) {
		p.sweep = p.farSweep
	}
}

// service reports whether the service of the row was heard on it, which says
// more than the listener.
func (p *path) service() bool { return p.talked(scanner.Spoke, scanner.Foreign, scanner.Garbled) }

// holder is the answer in which the listener says that it held the row's port
// while the packets met their outcome; nil: there is none.
func (p *path) holder() *scanner.Observation {
	o := p.farSweep
	if o == nil {
		return nil
	}
	return p.view.first(func(said *scanner.Observation) bool {
		return said.FarEnd != nil && said.Outcome == scanner.Spoke &&
			said.FarEnd.Held(p.row.Protocol, p.row.Port, o.Sent)
	})
}

func (p *path) held() bool { return p.holder() != nil }

// listens reports whether the listener answered anywhere on the host.
func (v *view) listens() bool {
	return v.first(func(o *scanner.Observation) bool { return o.FarEnd != nil && o.Outcome == scanner.Spoke }) != nil
}

// farSwept reports whether the path's question to the listener ended so.
func (p *path) farSwept(wanted ...scanner.Outcome) bool {
	return p.farSweep != nil && slices.Contains(wanted, p.farSweep.Outcome)
}

// farEndRules are for rows that "cmreach listen" was asked about.
var farEndRules = []Rule{
	{
		Reason: "open.far-end", State: Open,
		Doc:  "\"cmreach listen\" on the host answered on this port with the key. That proves the way to the port, not the service, whose place it holds.",
		when: func(p *path) bool { return p.farTalk != nil && p.farTalk.Outcome == scanner.Spoke && !p.service() },
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "%s gets through: cmreach listen on the host answered there; the service itself was not heard", p.what())
		},
	},
	{
		Reason: "blocked.far-end", State: Blocked,
		Doc:  "Nothing came back, however often it was asked, although \"cmreach listen\" on the host held the port at that time and said so on another one: a firewall on the way or on the host swallows it. Windows Firewall may admit the service's program and not cmreach: admit that too, to tell the two apart.",
		when: func(p *path) bool { return p.farSwept(scanner.Silent) && !p.service() && p.held() },
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "%s is swallowed: %d tries without an answer, although cmreach listen on the host holds the port: by a firewall on the way, or by the host's own, which may not admit cmreach", p.what(), p.farSweep.Tries)
		},
	},
	{
		Reason: "blocked.far-end-refused", State: Blocked,
		Doc: "The port was refused in the name of the host, although \"cmreach listen\" there held it at that time and said so on another one: a firewall on the way or on the host refuses it.",
		when: func(p *path) bool {
			o := p.farSweep
			another := p.view.middleboxReset(o) || p.view.filtered(o) && o.From != p.view.host.Addr
			return p.farSwept(scanner.Refused, scanner.Rejected) && !p.service() && p.held() && !another
		},
		say: func(p *path, b []byte) []byte {
			return fmt.Appendf(b, "%s is refused, although cmreach listen on the host holds the port: a firewall refuses it", p.what())
		},
	},
}

// farEndSilence is for rows about which the listener was asked, and did not say
// enough.
var farEndSilence = Rule{
	Reason: "inconclusive.far-end-silent", State: Inconclusive,
	Doc: "No answer came, neither of a service nor of \"cmreach listen\". That decides nothing, unless the listener says on another port that it holds this one: start it on the host, and check again.",
	when: func(p *path) bool {
		return p.farSwept(scanner.Silent) && (p.view.answered || p.view.udpOnly()) &&
			(p.row.Protocol == scanner.UDP || p.row.Listener == scanner.ListenerWithClient)
	},
	say: func(p *path, b []byte) []byte {
		if p.view.listens() {
			return fmt.Appendf(b, "no answer from %s, and cmreach listen on %s did not hold it all the time: start it there with this port", p.what(), p.view.host.Name)
		}
		return fmt.Appendf(b, "no answer from %s, which decides nothing: start cmreach listen on %s, and check again", p.what(), p.view.host.Name)
	},
}

// held says which ports a listener holds.
func held(f *scanner.FarEnd) string {
	list := func(name string, ports []uint16) string {
		var parts []string
		for _, n := range ports {
			parts = append(parts, fmt.Sprint(n))
		}
		if len(parts) == 0 {
			return ""
		}
		return " " + name + " " + strings.Join(parts, ", ")
	}
	again := ""
	if f.Again {
		again = "asked once more at the end, "
	}
	return again + "it holds" + list("UDP", f.UDP) + list("TCP", f.TCP)
}
