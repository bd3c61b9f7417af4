package profiles

import (
	"cmreach/scanner"
	"regexp"
)

// fixPort is a port in the cure of a row: {port} is the row's own, {NAME} the
// port of this name. What else stands in braces is left as it is: commands have
// some too.
var fixPort = regexp.MustCompile(`\{([a-z](?:[a-z0-9-]*[a-z0-9])?)\}`)

const ownPort = "port"

// fixPorts checks the ports that a cure names.
func (d decoder) fixPorts(n *node, what string, r Row, p *Profile, hasPort bool) {
	for _, m := range fixPort.FindAllStringSubmatch(r.Fix, -1) {
		_, known := p.port(m[1])
		switch {
		case known:
		case m[1] != ownPort:
			var names []string
			for _, port := range p.Ports {
				names = append(names, port.Name)
			}
			d.add(n.at, Suggest(m[1], append(names, ownPort)), "the fix of %s names the unknown port {%s}", what, m[1])
		case !hasPort:
			d.add(n.at, "name one of the profile's ports in braces", "the fix of %s names {port}, and the row has no port of its own", what)
		}
	}
}

// fixText is a cure with the ports in it. A name that is not known stays: the
// file was checked when it was read.
func fixText(r Row, numbers func(name string) []uint16) string {
	return fixPort.ReplaceAllStringFunc(r.Fix, func(s string) string {
		name := s[1 : len(s)-1]
		if n := numbers(name); len(n) > 0 {
			return scanner.PortList(n)
		}
		if n := numbers(r.Port); name == ownPort && len(n) > 0 {
			return scanner.PortList(n)
		}
		return s
	})
}

// FixText is what to do when the path of a row does not work, with the default
// ports.
func (p *Profile) FixText(r Row) string {
	return fixText(r, func(name string) []uint16 {
		if port, ok := p.port(name); ok {
			return port.Numbers()
		}
		return nil
	})
}
