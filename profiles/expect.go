package profiles

import (
	"cmreach/scanner"
	"encoding/hex"
	"regexp"
	"strings"
)

// The limits of what a row sends and expects.
const (
	maxSend   = 1024
	maxExpect = 256
)

// expect reads what a row sends and what must come back, in place of a probe.
func (d decoder) expect(at place, what string, f fields, protocol scanner.Protocol) scanner.Expect {
	var e scanner.Expect
	first := ""
	for _, key := range []string{"send", "send_hex", "expect", "expect_pattern"} {
		n := f[key]
		if n == nil {
			continue
		}
		if first == "" {
			first = key
		}
		w := d.literal(n, key)
		limit := maxExpect
		if strings.HasPrefix(key, "send") {
			limit = maxSend
		}
		if key == "send_hex" {
			limit *= 2
		}
		if len(w) > limit {
			d.add(n.at, "shorten it", "%s has %d bytes, the limit is %d", key, len(w), limit)
			continue
		}
		switch key {
		case "send":
			e.Send = []byte(w)
		case "send_hex":
			b, err := hex.DecodeString(strings.Join(strings.Fields(w), ""))
			if err != nil {
				d.add(n.at, "write two digits 0-9 a-f for each byte", "send_hex %q is not hexadecimal", w)
			}
			e.Send = b
		case "expect":
			e.Prefix = w
		case "expect_pattern":
			e.Pattern = d.pattern(n, w)
		}
	}
	if first != "" {
		d.expectShape(at, what, f, first, protocol)
	}
	return e
}

// expectShape checks which keys go together.
func (d decoder) expectShape(at place, what string, f fields, first string, protocol scanner.Protocol) {
	for _, two := range [][2]string{{"send", "send_hex"}, {"expect", "expect_pattern"}} {
		if f[two[0]] != nil && f[two[1]] != nil {
			d.add(f[two[1]].at, "leave one of them away", "%s has both %q and %q", what, two[0], two[1])
		}
	}
	for _, other := range []string{"probe", "via"} {
		if f[other] != nil {
			d.add(f[first].at, "leave one of them away", "%s has both %q and %q", what, other, first)
			return
		}
	}
	sends := f["send"] != nil || f["send_hex"] != nil
	expects := f["expect"] != nil || f["expect_pattern"] != nil
	switch {
	case protocol == scanner.TCP && !expects:
		d.add(at, `say what must come back in "expect" or "expect_pattern"`, "%s has %q and expects nothing", what, first)
	case protocol == scanner.UDP && !sends:
		d.add(at, `say what to send in "send" or "send_hex": no UDP service speaks first`, "%s has %q and sends nothing", what, first)
	case protocol == scanner.ICMP, protocol == scanner.Manual:
		d.add(f[first].at, "leave it away", "%s is %s and has a %q", what, protocol, first)
	}
}

// pattern checks a regular expression. One that an empty answer satisfies
// proves nothing.
func (d decoder) pattern(n *node, w string) string {
	re, err := regexp.Compile(w)
	switch {
	case err != nil:
		d.add(n.at, "see https://golang.org/s/re2syntax", "expect_pattern %q: %s", w, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return ""
	case w != "" && re.MatchString(""):
		d.add(n.at, "begin it with ^ and some text", "expect_pattern %q matches an empty answer", w)
		return ""
	}
	return w
}

// literal reads a scalar as it stands, with its spaces: they are sent.
func (d decoder) literal(n *node, what string) string {
	if d.text(n, what) == "" && (n.kind != scalarNode || n.text == "") {
		return ""
	}
	return n.text
}
