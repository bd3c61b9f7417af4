package verdict

import (
	"cmreach/scanner"
	"strconv"
	"strings"
	"time"
)

// evidence says what the verdict on the path rests on, a line each.
func (p *path) evidence() {
	v := p.view
	v.line(p.sweep)
	v.line(p.talk)
	if p.farSweep != nil && p.farSweep != p.sweep {
		asked := *p.farSweep
		asked.Probe = asked.Asked // tells it from the service's own question
		v.line(&asked)
	}
	v.line(p.farTalk)
	if p.farTalk == nil {
		v.line(p.holder())
	}
	for _, list := range [][]port{p.named, p.extra} {
		for _, n := range list {
			v.line(n.sweep)
			v.line(n.talk)
		}
	}
	for _, o := range v.obs {
		if o.HopLimit != 0 && p.sweep != nil && o.Protocol == p.sweep.Protocol && o.Port == p.sweep.Port {
			v.line(o)
		}
	}
	if len(v.marks) == 0 {
		v.line(v.first(func(o *scanner.Observation) bool {
			return o.Outcome == scanner.Unresolved || o.Outcome == scanner.LocalError
		}))
	}
	for _, o := range v.obs {
		if o.Probe != scanner.NameAudit {
			continue
		}
		for _, d := range o.Details {
			v.text = append(append(v.text, "name service: "...), d.Value...)
			v.marks = append(v.marks, len(v.text))
		}
	}
}

// line adds an observation to the evidence.
func (v *view) line(o *scanner.Observation) {
	if o != nil {
		v.text = v.describe(v.text, o)
		v.marks = append(v.marks, len(v.text))
	}
}

// describe puts an observation in words.
func (v *view) describe(b []byte, o *scanner.Observation) []byte {
	b = append(appendWhere(b, o), ": "...)
	b = v.appendSeen(b, o)
	if o.Took > 0 {
		b = appendDuration(append(b, " after "...), round(o.Took))
	}
	if o.Tries > 1 {
		b = append(strconv.AppendInt(append(b, ", "...), int64(o.Tries), 10), " tries"...)
	}
	if o.TTL != 0 {
		b = strconv.AppendUint(append(b, ", TTL "...), uint64(o.TTL), 10)
	}
	if o.Err != "" {
		b = append(append(append(b, " ("...), o.Err...), ')')
	}
	if id := describeIdentity(&o.Identity); id != "" {
		b = append(append(b, "; "...), id...)
	}
	for i := range o.Details {
		d := &o.Details[i]
		b = append(append(append(append(b, "; "...), d.Key...), ' '), d.Value...)
	}
	if o.FarEnd != nil {
		b = append(append(b, "; "...), held(o.FarEnd)...)
	}
	return b
}

// appendWhere names the endpoint that an observation is of.
func appendWhere(b []byte, o *scanner.Observation) []byte {
	from := len(b)
	b = append(b, upper(o.Protocol)...)
	if o.Port != 0 {
		b = strconv.AppendUint(append(b, ' '), uint64(o.Port), 10)
	}
	if len(b) == from {
		b = append(b, "name"...)
	}
	if o.Probe != "" {
		b = append(append(b, ' '), o.Probe...)
	}
	if o.HopLimit != 0 {
		b = strconv.AppendUint(append(b, " with hop limit "...), uint64(o.HopLimit), 10)
	}
	return b
}

// appendSeen says what came back.
func (v *view) appendSeen(b []byte, o *scanner.Observation) []byte {
	switch o.Outcome {
	case scanner.Answered:
		if o.Protocol == scanner.ICMP {
			return appendAddr(append(b, "echo reply from "...), o.From)
		}
	case scanner.Rejected, scanner.Expired:
		b = append(appendICMP(b, v.host.Addr, o.ICMP), " from "...)
		if !o.From.IsValid() {
			return append(b, "an unknown sender"...)
		}
		return o.From.AppendTo(b)
	case scanner.Silent:
		if o.Rationed.IsValid() {
			b = append(o.Rationed.AppendTo(append(append(b, seen(o)...), ", "...)), " rations its rejections"...)
			return b
		}
	default:
	}
	return append(b, seen(o)...)
}

// seen is what came back, where that is a word for all.
func seen(o *scanner.Observation) string {
	switch o.Outcome {
	case scanner.Answered:
		if o.Protocol == scanner.TCP {
			return "SYN-ACK"
		}
		return "answered"
	case scanner.Refused:
		return "RST"
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

func describeIdentity(id *scanner.Identity) string {
	if id.Computer == "" && id.DNSName == "" && id.DNSDomain == "" && len(id.Names) == 0 && id.OS == "" {
		return ""
	}
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

// appendDuration appends a rounded time as its String gives it.
func appendDuration(b []byte, d time.Duration) []byte {
	switch {
	case d >= time.Millisecond && d < time.Second:
		b = strconv.AppendInt(b, int64(d/time.Millisecond), 10)
		if part := int(d % time.Millisecond / (10 * time.Microsecond)); part > 0 {
			b = append(b, '.', byte('0'+part/10))
			if part%10 > 0 {
				b = append(b, byte('0'+part%10))
			}
		}
		return append(b, "ms"...)
	case d >= time.Microsecond && d < time.Millisecond:
		return append(strconv.AppendInt(b, int64(d/time.Microsecond), 10), "µs"...)
	default:
		return append(b, d.String()...)
	}
}
