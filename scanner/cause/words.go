package cause

import (
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"fmt"
	"strings"
)

// words puts a cause into sentences.
type words struct {
	c Cause
	k key
	g *group
}

// message is the cause in one sentence, with how much it covers.
func (w words) message() string {
	return w.sentence() + ": " + plural(w.c.Paths, "path")
}

func (w words) sentence() string {
	what, where := w.what(), w.where()
	switch w.c.State {
	case verdict.Blocked:
		return w.blocked()
	case verdict.Closed:
		return fmt.Sprintf("nothing listens on %s at %s", what, where)
	case verdict.WrongService:
		if w.c.Reason == "wrong-service.site" {
			return fmt.Sprintf("a management point of another site answers %s at %s", what, where)
		}
		return fmt.Sprintf("something else answers %s at %s", what, where)
	case verdict.WrongHost:
		return fmt.Sprintf("DNS points to another computer for %s", plural(w.c.Hosts, "name"))
	case verdict.Unresolved:
		return fmt.Sprintf("the name service has no address for %s", plural(w.c.Hosts, "name"))
	case verdict.Down:
		return w.down()
	case verdict.Error:
		return fmt.Sprintf("this machine could not test %s", plural(w.c.Hosts, "host"))
	case verdict.Untested:
		return w.untested()
	default:
		return w.undecided()
	}
}

func (w words) blocked() string {
	what, where := w.what(), w.where()
	who := "a device on the way that could not be named"
	switch {
	case w.k.by.IsValid():
		who = w.k.by.String()
	case w.k.self:
		who = "the hosts' own firewall"
	}
	switch w.c.Reason {
	case "blocked.prohibited":
		return fmt.Sprintf("%s rejects %s (administratively prohibited) to %s", who, what, where)
	case "blocked.reset", "blocked.dynamic-reset":
		return fmt.Sprintf("%s resets connections to %s of %s", who, what, where)
	case "blocked.rationed":
		return fmt.Sprintf("%s to %s is swallowed silently, or by a router that rations its rejections", what, where)
	case "blocked.silent":
		return fmt.Sprintf("%s to %s is swallowed silently%s", what, where, w.between())
	default:
		return fmt.Sprintf("%s rejects %s to %s", who, what, where)
	}
}

func (w words) between() string {
	switch {
	case !w.k.near.IsValid():
		return ""
	case w.k.far.IsValid():
		return fmt.Sprintf(" between %s and %s", w.k.near, w.k.far)
	default:
		return fmt.Sprintf(" after %s, the last hop before the hosts", w.k.near)
	}
}

func (w words) down() string {
	where := w.where()
	switch w.c.Reason {
	case "down.loop":
		return fmt.Sprintf("routing loop%s on the way to %s", w.at(), where)
	case "down.no-route":
		return fmt.Sprintf("%s has no route to %s", w.reporter(), where)
	case "down.host-unreachable":
		return fmt.Sprintf("%s reports that nobody is at %s", w.reporter(), w.addresses())
	default:
		return fmt.Sprintf("nothing answers at %s", w.addresses())
	}
}

func (w words) addresses() string {
	if w.c.Hosts == 1 {
		return w.where()
	}
	return plural(w.c.Hosts, "address") + " of " + w.where()
}

func (w words) untested() string {
	if w.c.Reason == byHand {
		return strings.Join(w.c.Requirements, ", ") + " is " + w.g.first.Message
	}
	s := fmt.Sprintf("%s: the way starts at the %s and is not tested from here", strings.Join(w.c.Requirements, ", "), w.k.from)
	switch w.k.seen {
	case verdict.StateUnknown:
		return s
	case verdict.Open:
		return s + "; the service itself answers"
	default:
		return s + "; the service itself is " + w.k.seen.String() + ", seen from here"
	}
}

func (w words) at() string {
	if w.k.by.IsValid() {
		return " at " + w.k.by.String()
	}
	return ""
}

func (w words) reporter() string {
	if w.k.by.IsValid() {
		return w.k.by.String()
	}
	return "a router"
}

// undecided says why, by the reason code; a code without words here speaks
// for itself.
func (w words) undecided() string {
	s := fmt.Sprintf("%s to %s could not be decided", w.what(), w.where())
	_, code, _ := strings.Cut(w.c.Reason, ".")
	why := map[string]string{
		"dynamic-silent":    "the named ports are silent",
		"none-named":        "the endpoint mapper names no port to strangers",
		"mapper":            "the endpoint mapper gave no answer",
		"mute":              "connections are accepted, then nothing comes",
		"cut":               "connections are accepted, then cut",
		"reset":             "refused, by the host or a firewall near it",
		"dynamic-reset":     "refused, by the host or a firewall near it",
		"stealth":           "silent, as every Windows computer without the client",
		"filter-near":       "silent, and other traffic is filtered",
		"refused-elsewhere": "silent, and other ports are refused",
		"rationed":          "silent, and a router rations its rejections",
		"far-end-silent":    "no service answers, nor does cmreach listen",
		"udp-silent":        "UDP services need not answer",
		"unsteady":          "answered once and then not again",
		"loop":              "ran in a circle, other packets did not",
		"no-evidence":       "nothing was observed",
	}[code]
	if why == "" {
		why = strings.ReplaceAll(code, "-", " ")
	}
	return s + " (" + why + ")"
}

// what names the protocol and port.
func (w words) what() string {
	if len(w.g.rows) != 1 {
		return strings.Join(w.c.Requirements, ", ")
	}
	switch r := w.g.rows[0]; {
	case r.protocol == scanner.ICMP:
		return "echo (ICMP)"
	case r.port == 0:
		return "the dynamic RPC ports"
	default:
		return fmt.Sprintf("%s %s", strings.ToUpper(r.protocol.String()), r.ports)
	}
}

// where names the hosts: one by its address, many by their networks.
func (w words) where() string {
	switch {
	case w.c.Hosts == 1 && w.g.addr.IsValid():
		return w.g.addr.String()
	case len(w.c.Subnets) == 1:
		return w.c.Subnets[0].String()
	case len(w.c.Subnets) == 0:
		return plural(w.c.Hosts, "host")
	default:
		return plural(len(w.c.Subnets), "subnet")
	}
}

// networks lists where a rule must apply.
func (w words) networks() string {
	if w.c.Hosts == 1 && w.g.addr.IsValid() {
		return w.g.addr.String()
	}
	const most = 4
	var s []string
	for i, p := range w.c.Subnets {
		if i == most {
			s = append(s, fmt.Sprintf("%d more", len(w.c.Subnets)-most))
			break
		}
		s = append(s, p.String())
	}
	return strings.Join(s, ", ")
}

func plural(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "ss"):
		return fmt.Sprintf("%d %ses", n, noun)
	default:
		return fmt.Sprintf("%d %ss", n, noun)
	}
}

// shellSafe returns a word that can stand in a command that somebody may copy,
// or the stand-in: names come from other people's lists and files.
func shellSafe(word, standIn string) string {
	if word == "" || word[0] == '-' {
		return standIn
	}
	for _, r := range word {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".:_-", r)
		if !ok {
			return standIn
		}
	}
	return word
}
