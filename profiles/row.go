package profiles

import "cmreach/scanner"

// row reads one row. Ports are checked against the profile's.
func (d decoder) row(n *node, p *Profile) Row {
	f := d.mapping(n, "a row",
		"id", "title", "from", "to", "protocol", "port", "need", "any_of", "listener",
		"probe", "send", "send_hex", "expect", "expect_pattern", "via", "via_probe", "extra", "when", "source", "fix")
	if n.kind != mapNode {
		return Row{}
	}
	r := Row{ID: d.identifier(f["id"], "id")}
	what := "row " + r.ID
	if r.ID == "" {
		what = "the row"
	}
	d.need(n.at, what, f, "id", "title", "from", "to", "protocol", "need", "listener", "source", "fix")
	r.Title = d.text(f["title"], "title")
	r.From = scanner.Role(d.word(f["from"], "role", roleWords()))
	r.To = scanner.Role(d.word(f["to"], "role", roleWords()))
	d.enum(f["protocol"], "protocol", []string{"icmp", "tcp", "udp", "manual"}, &r.Protocol)
	d.enum(f["need"], "need", []string{"required", "informational"}, &r.Need)
	d.enum(f["listener"], "listener", []string{"now", "with-client"}, &r.Listener)
	r.AnyOf = d.identifier(f["any_of"], "any_of")
	r.Probe = d.word(f["probe"], "probe", Probes())
	r.Via = d.onePort(f["via"], p)
	r.ViaProbe = d.word(f["via_probe"], "probe", Probes())
	if f["extra"] != nil {
		for _, e := range d.list(f["extra"], "extra") {
			r.Extra = append(r.Extra, d.onePort(e, p))
		}
	}
	r.Port = d.portName(f["port"], p)
	r.Expect = d.expect(n.at, what, f, r.Protocol)
	r.When = d.condition(f["when"])
	r.Source, r.Fix = d.text(f["source"], "source"), d.text(f["fix"], "fix")
	if f["fix"] != nil {
		d.fixPorts(f["fix"], what, r, p, f["port"] != nil)
	}
	d.rowShape(n.at, what, f, r)
	return r
}

// rowShape checks which keys go together.
func (d decoder) rowShape(at place, what string, f fields, r Row) {
	switch {
	case r.Protocol == scanner.ICMP, r.Protocol == scanner.Manual:
		for _, key := range []string{"port", "via", "via_probe", "extra", "probe"} {
			if f[key] != nil {
				d.add(f[key].at, "leave it away", "%s is %s and has a %q", what, r.Protocol, key)
			}
		}
	case f["via"] != nil:
		if f["port"] != nil {
			d.add(f["port"].at, "leave one of them away", "%s has both %q and %q", what, "port", "via")
		}
		d.need(at, what+` with "via"`, f, "via_probe", "probe")
		if r.Protocol == scanner.UDP {
			d.add(f["via"].at, "", "%s is udp and has a %q", what, "via")
		}
	default:
		if r.Protocol != scanner.ProtocolUnknown {
			d.need(at, what, f, "port")
		}
		for _, key := range []string{"via_probe", "extra"} {
			if f[key] != nil {
				d.add(f[key].at, `name the port to ask in "via"`, "%s has %q without %q", what, key, "via")
			}
		}
	}
	if r.From != "" && r.From == r.To && !amongThemselves(r) {
		d.add(f["to"].at, "", "%s leads from %s to itself", what, r.From)
	}
}

// amongThemselves reports whether a row may lead from a role to itself: the role
// has many computers, or the item is checked on the computer itself.
func amongThemselves(r Row) bool {
	return r.From == scanner.RoleClient || r.From == scanner.RoleDatabaseServer || r.Protocol == scanner.Manual
}

// unmarshaler is what the enumerations of scanner can do.
type unmarshaler interface{ UnmarshalText([]byte) error }

// enum reads one of the words of an enumeration.
func (d decoder) enum(n *node, what string, known []string, v unmarshaler) {
	w := d.word(n, what, known)
	if w == "" {
		return
	}
	if err := v.UnmarshalText([]byte(w)); err != nil {
		d.add(n.at, "", "%s", err)
	}
}

// onePort reads the name of a port that stands for one number.
func (d decoder) onePort(n *node, p *Profile) string {
	w := d.portName(n, p)
	if port, _ := p.port(w); len(port.Further) > 0 {
		d.add(n.at, "name a port with one number", "the port %s has several numbers", w)
	}
	return w
}

// portName reads the name of one of the profile's ports.
func (d decoder) portName(n *node, p *Profile) string {
	w := d.text(n, "port")
	if w == "" {
		return ""
	}
	if _, ok := p.port(w); ok {
		return w
	}
	if _, ok := parsePort(w); ok {
		d.add(n.at, `give it a name under "ports"`, "the port is the number %s, not a name", w)
		return ""
	}
	var known []string
	for _, port := range p.Ports {
		known = append(known, port.Name)
	}
	hint := `name it under "ports"`
	if near := Nearest(w, known); near != "" {
		hint = Suggest(w, known)
	}
	d.add(n.at, hint, "unknown port %q", w)
	return ""
}
