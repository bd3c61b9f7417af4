package profiles

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// decoder reads plain data strictly. Each method reports what is wrong with
// its node and returns the zero value, so that decoding goes on and finds the
// next mistake too.
type decoder struct{ *mistakes }

// fields are the values of a mapping by key. Nil nodes are absent keys.
type fields map[string]*node

// mapping reads a mapping with known keys only.
func (d decoder) mapping(n *node, what string, known ...string) fields {
	out := fields{}
	if n.kind == refusedNode {
		return out
	}
	if n.kind != mapNode {
		hint := "write NAME: VALUE"
		if len(known) > 0 {
			hint = "keys: " + strings.Join(known, ", ")
		}
		d.add(n.at, hint, "%s must be a mapping", what)
		return out
	}
	seen := map[string]place{}
	for _, p := range n.pairs {
		key := p.key.text
		if first, twice := seen[key]; twice {
			d.add(p.key.at, fmt.Sprintf("it stands in line %d already", first.line), "key %q is given twice", key)
			continue
		}
		seen[key] = p.key.at
		if len(known) > 0 && !slices.Contains(known, key) {
			d.add(p.key.at, Suggest(key, known), "unknown key %q", key)
			continue
		}
		out[key] = p.value
	}
	return out
}

// need reports the keys that a mapping must have and has not.
func (d decoder) need(at place, what string, f fields, keys ...string) {
	for _, key := range keys {
		if f[key] == nil {
			d.add(at, "", "%s has no %q", what, key)
		}
	}
}

// text reads a scalar that must not be empty.
func (d decoder) text(n *node, what string) string {
	switch {
	case n == nil || n.kind == refusedNode:
		return ""
	case n.kind == nullNode, n.kind == scalarNode && strings.TrimSpace(n.text) == "":
		d.add(n.at, "", "%s is empty", what)
		return ""
	case n.kind != scalarNode:
		d.add(n.at, "", "%s must be a single value", what)
		return ""
	}
	return strings.TrimSpace(n.text)
}

// word reads a scalar that is one of a list.
func (d decoder) word(n *node, what string, known []string) string {
	w := d.text(n, what)
	if w == "" || slices.Contains(known, w) {
		return w
	}
	d.add(n.at, Suggest(w, known), "unknown %s %q", what, w)
	return ""
}

// list reads a sequence; a single value counts as a list of one.
func (d decoder) list(n *node, what string) []*node {
	switch {
	case n == nil || n.kind == refusedNode:
		return nil
	case n.kind == listNode:
		if len(n.items) == 0 {
			d.add(n.at, "", "%s is an empty list", what)
		}
		return n.items
	case n.kind == scalarNode:
		return []*node{n}
	case n.kind == nullNode:
		d.add(n.at, "", "%s is empty", what)
		return nil
	}
	d.add(n.at, "", "%s must be a list", what)
	return nil
}

// maxPorts is how many ports one row may have.
const maxPorts = 64

// portNumbers reads a port, a range such as 10124-10139, or a list of these.
func (d decoder) portNumbers(n *node, what string) []uint16 {
	list := []*node{n}
	if n != nil && n.kind == listNode {
		list = d.list(n, what)
	}
	var out []uint16
	for _, n := range list {
		w := d.text(n, what)
		if w == "" {
			continue
		}
		numbers, msg, hint := parsePorts(w)
		if msg != "" {
			d.add(n.at, hint, "%s %s", what, msg)
		}
		out = append(out, numbers...)
	}
	if msg, hint := tooManyPorts(out); msg != "" {
		d.add(n.at, hint, "%s %s", what, msg)
		return nil
	}
	return out
}

// parsePorts reads a port or a range of ports. The message is empty when it is
// good.
func parsePorts(s string) (ports []uint16, msg, hint string) {
	from, to, isRange := strings.Cut(s, "-")
	first, ok := parsePort(strings.TrimSpace(from))
	last := first
	if isRange && ok {
		last, ok = parsePort(strings.TrimSpace(to))
	}
	switch {
	case !ok:
		return nil, fmt.Sprintf("%q is not a port", s), portHint
	case last < first:
		return nil, fmt.Sprintf("%q is not a range of ports", s), "exchange the two ends"
	case int(last)-int(first) >= maxPorts:
		return nil, fmt.Sprintf("%q has %d ports, the limit is %d", s, int(last)-int(first)+1, maxPorts), "name the ports that are used"
	}
	for p := int(first); p <= int(last); p++ {
		ports = append(ports, uint16(p)) //nolint:gosec // G115: between two ports
	}
	return ports, "", ""
}

// tooManyPorts checks the ports of one row together.
func tooManyPorts(ports []uint16) (msg, hint string) {
	for i, p := range ports {
		if slices.Contains(ports[:i], p) {
			return fmt.Sprintf("%d is named twice", p), "name each port once"
		}
	}
	if len(ports) > maxPorts {
		return fmt.Sprintf("has %d ports, the limit is %d", len(ports), maxPorts), "name the ports that are used"
	}
	return "", ""
}

const portHint = "a port is a number from 1 to 65535"

// parsePort reads a port number as people write it: no sign, no leading zero.
func parsePort(s string) (uint16, bool) {
	if strings.HasPrefix(s, "0") || strings.HasPrefix(s, "+") {
		return 0, false
	}
	p, err := strconv.ParseUint(s, 10, 16)
	return uint16(p), err == nil
}

// identifier reads a lower-case word such as "rpc-dynamic".
func (d decoder) identifier(n *node, what string) string {
	w := d.text(n, what)
	if w != "" && !isIdentifier(w) {
		d.add(n.at, "use lower-case letters, digits and hyphens", "%s %q is not a name", what, w)
		return ""
	}
	return w
}

func isIdentifier(w string) bool {
	if len(w) > nearestLength || strings.HasPrefix(w, "-") || strings.HasSuffix(w, "-") {
		return false
	}
	for _, r := range w {
		if r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return false
		}
	}
	return w != ""
}
