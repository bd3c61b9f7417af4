package verdict

import (
	"cmreach/scanner"
	"fmt"
	"strings"
	"time"
)

// evidence says what the verdict on the path rests on, a line each.
func (p *path) evidence() []string {
	var lines []string
	add := func(o *scanner.Observation) {
		if o != nil {
			lines = append(lines, p.view.describe(o))
		}
	}
	add(p.sweep)
	add(p.talk)
	if p.farSweep != nil && p.farSweep != p.sweep {
		asked := *p.farSweep
		asked.Probe = asked.Asked // tells it from the service's own question
		add(&asked)
	}
	add(p.farTalk)
	if p.farTalk == nil {
		add(p.holder())
	}
	for _, n := range p.allPorts() {
		add(n.sweep)
		add(n.talk)
	}
	for i := range p.view.host.Observations {
		o := &p.view.host.Observations[i]
		if o.HopLimit != 0 && p.sweep != nil && o.Protocol == p.sweep.Protocol && o.Port == p.sweep.Port {
			add(o)
		}
	}
	if len(lines) == 0 {
		add(p.view.first(outcome(scanner.Unresolved, scanner.LocalError)))
	}
	for _, o := range p.view.host.Observations {
		if o.Probe != scanner.NameAudit {
			continue
		}
		for _, d := range o.Details {
			lines = append(lines, "name service: "+d.Value)
		}
	}
	return lines
}

// describe puts an observation in words.
func (v *view) describe(o *scanner.Observation) string {
	var b strings.Builder
	b.WriteString(where(o))
	b.WriteString(": ")
	b.WriteString(v.seen(o))
	if o.Took > 0 {
		fmt.Fprintf(&b, " after %s", round(o.Took))
	}
	if o.Tries > 1 {
		fmt.Fprintf(&b, ", %d tries", o.Tries)
	}
	if o.TTL != 0 {
		fmt.Fprintf(&b, ", TTL %d", o.TTL)
	}
	if o.Err != "" {
		fmt.Fprintf(&b, " (%s)", o.Err)
	}
	if id := describeIdentity(o.Identity); id != "" {
		b.WriteString("; " + id)
	}
	for _, d := range o.Details {
		fmt.Fprintf(&b, "; %s %s", d.Key, d.Value)
	}
	if o.FarEnd != nil {
		b.WriteString("; " + held(o.FarEnd))
	}
	return b.String()
}

func where(o *scanner.Observation) string {
	at := upper[o.Protocol]
	if o.Port != 0 {
		at = fmt.Sprintf("%s %d", at, o.Port)
	}
	if at == "" {
		at = "name"
	}
	if o.Probe != "" {
		at += " " + o.Probe
	}
	if o.HopLimit != 0 {
		at += fmt.Sprintf(" with hop limit %d", o.HopLimit)
	}
	return at
}

// seen is what came back.
func (v *view) seen(o *scanner.Observation) string {
	switch o.Outcome {
	case scanner.Answered:
		switch o.Protocol {
		case scanner.TCP:
			return "SYN-ACK"
		case scanner.ICMP:
			return "echo reply from " + o.From.String()
		default:
			return "answered"
		}
	case scanner.Refused:
		return "RST"
	case scanner.Rejected, scanner.Expired:
		from := "an unknown sender"
		if o.From.IsValid() {
			from = o.From.String()
		}
		return fmt.Sprintf("%s from %s", icmpText(v.host.Addr, o.ICMP), from)
	case scanner.Silent:
		return "no answer"
	case scanner.Unresolved:
		return "no address"
	case scanner.LocalError:
		return "not tested"
	case scanner.Spoke:
		if o.NeedsCredentials {
			return "spoken, asks for credentials"
		}
		return "spoken"
	case scanner.Foreign:
		return "something else answered"
	case scanner.Mute:
		return "accepted, then silent"
	case scanner.Cut:
		return "accepted, then cut"
	case scanner.Garbled:
		return "answer broken"
	default:
		return o.Outcome.String()
	}
}

func describeIdentity(id scanner.Identity) string {
	var parts []string
	add := func(label, value string) {
		if value != "" {
			parts = append(parts, label+" "+value)
		}
	}
	add("computer", id.Computer)
	add("name", id.DNSName)
	add("domain", id.DNSDomain)
	add("also", strings.Join(id.Names, ", "))
	add("OS build", id.OS)
	return strings.Join(parts, ", ")
}

func round(d time.Duration) time.Duration {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond)
	default:
		return d.Round(time.Microsecond)
	}
}
