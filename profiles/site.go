package profiles

import (
	"cmreach/scanner"
	"slices"
	"strings"
)

// Site is what a site file says: who plays which role, and what differs from
// the defaults. Flags win over it.
type Site struct {
	File    string
	Code    string // three characters, such as "PS1"; empty: not said
	Roles   map[scanner.Role][]string
	Ports   map[string]uint16
	Exclude []string // in the grammar of targets

	portsAt map[string]place // for mistakes that only a plan can find
}

// LoadSite reads a site file. The error joins every mistake in it.
func LoadSite(path string) (*Site, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return parseSite(path, text)
}

func parseSite(file, text string) (*Site, error) {
	m := &mistakes{file: file, limit: yamlLimit}
	d := decoder{m}
	root := parseYAML(text, m)
	if root == nil {
		return nil, m.err()
	}
	s := &Site{File: file, Roles: map[scanner.Role][]string{}, Ports: map[string]uint16{}, portsAt: map[string]place{}}
	f := d.mapping(root, "a site file", "schema", "site", "roles", "ports", "exclude")
	if root.kind == mapNode {
		d.need(root.at, "the site file", f, "schema")
	}
	d.schema(f["schema"])
	s.Code = d.siteCode(f["site"])
	if f["roles"] != nil {
		d.siteRoles(f["roles"], s)
	}
	if f["ports"] != nil {
		d.mapping(f["ports"], "ports") // any key, each once
		for _, p := range f["ports"].pairs {
			name := d.identifier(p.key, "port")
			if number := d.port(p.value, "port"); name != "" && number != 0 {
				s.Ports[name], s.portsAt[name] = number, p.key.at
			}
		}
	}
	if f["exclude"] != nil {
		for _, n := range d.list(f["exclude"], "exclude") {
			if w := d.text(n, "exclude"); w != "" {
				if _, msg, hint := parseItem(w); msg != "" {
					d.add(n.at, hint, "%s", msg)
				}
				s.Exclude = append(s.Exclude, w)
			}
		}
	}
	if err := m.err(); err != nil {
		return nil, err
	}
	return s, nil
}

// siteCode reads a site code: three letters or digits.
func (d decoder) siteCode(n *node) string {
	w := strings.ToUpper(d.text(n, "site"))
	if w == "" {
		return ""
	}
	ok := len(w) == 3
	for _, r := range w {
		ok = ok && (r >= 'A' && r <= 'Z' || r >= '0' && r <= '9')
	}
	if !ok {
		d.add(n.at, "a site code has three letters or digits, such as PS1", "%q is not a site code", w)
		return ""
	}
	return w
}

func (d decoder) siteRoles(n *node, s *Site) {
	f := d.mapping(n, "roles", roleWords()...)
	if client := f[string(scanner.RoleClient)]; client != nil {
		d.add(client.at, "name clients as arguments or with -t FILE", "clients are the targets of a run")
	}
	for _, word := range siteRoleWords() {
		for _, h := range d.list(f[word], "the role "+word) {
			w := d.text(h, "host")
			if w == "" {
				continue
			}
			if _, msg, hint := parseHost(w); msg != "" {
				d.add(h.at, hint, "%s", msg)
				continue
			}
			s.Roles[scanner.Role(word)] = append(s.Roles[scanner.Role(word)], w)
		}
	}
}

// siteRoleWords are the roles that hosts can be named for. Clients are the
// targets of a run.
func siteRoleWords() []string {
	return slices.DeleteFunc(roleWords(), func(w string) bool { return w == string(scanner.RoleClient) })
}

// spaced writes a role for a sentence: "management point".
func spaced(r scanner.Role) string { return strings.ReplaceAll(string(r), "-", " ") }
