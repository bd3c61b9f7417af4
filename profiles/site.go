package profiles

import (
	"cmreach/scanner"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// Site is what a site file says: who plays which role, and what differs from
// the defaults. Flags win over it.
type Site struct {
	File       string
	Code       string // three characters, such as "PS1"; empty: not said
	Roles      map[scanner.Role][]string
	Ports      map[string][]uint16 // by name; several only where the port has several
	Settings   map[string]string   // what rows depend on: communication, updates, nap, membership
	Clients    []string            // files with targets, to be opened as they stand here
	Exclude    []string            // in the grammar of targets
	Boundaries []Boundary          // in the order of the file
	Limits     Limits

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

// siteKeys are the keys of a site file, in the order of the example.
func siteKeys() []string {
	return slices.Concat([]string{"schema", "site", "roles", "ports"}, givenSettings(), []string{"clients", "exclude", "boundaries", "limits"})
}

func parseSite(file, text string) (*Site, error) {
	m := &mistakes{file: file, limit: yamlLimit}
	d := decoder{m}
	root := parseYAML(text, m)
	if root == nil {
		return nil, m.err()
	}
	if root.value("profile") != nil || root.value("rows") != nil {
		m.add(root.at, "give it with -p FILE", "this is a profile, not a site file")
		return nil, m.err()
	}
	s := &Site{
		File: file, Roles: map[scanner.Role][]string{}, Ports: map[string][]uint16{},
		Settings: map[string]string{}, portsAt: map[string]place{},
	}
	f := d.mapping(root, "a site file", siteKeys()...)
	if root.kind == mapNode {
		d.need(root.at, "the site file", f, "schema")
	}
	d.schema(f["schema"])
	s.Code = d.siteCode(f["site"])
	if f["roles"] != nil {
		d.siteRoles(f["roles"], s)
	}
	if f["ports"] != nil {
		d.sitePorts(f["ports"], s)
	}
	for _, name := range givenSettings() {
		kind, _ := settingNamed(name)
		if w := d.word(f[name], name, kind.sayable()); w != "" {
			s.Settings[name] = w
		}
	}
	if f["clients"] != nil {
		for _, n := range d.list(f["clients"], "clients") {
			if w := d.text(n, "clients"); w != "" {
				s.Clients = append(s.Clients, besideFile(file, w))
			}
		}
	}
	if f["exclude"] != nil {
		s.Exclude = d.items(f["exclude"], "exclude", nil)
	}
	if f["boundaries"] != nil {
		s.Boundaries = d.boundaries(f["boundaries"])
	}
	if f["limits"] != nil {
		s.Limits = d.limits(f["limits"])
	}
	if err := m.err(); err != nil {
		return nil, err
	}
	return s, nil
}

// besideFile finds a file that a site file names: relative to the site file.
func besideFile(site, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(site), name)
}

// items reads a list in the grammar of targets, and hands each to a further check.
func (d decoder) items(n *node, what string, also func(n *node, it item)) []string {
	var out []string
	for _, n := range d.list(n, what) {
		w := d.text(n, what)
		if w == "" {
			continue
		}
		it, msg, hint := parseItem(w)
		if msg != "" {
			d.add(n.at, hint, "%s", msg)
		} else if also != nil {
			also(n, it)
		}
		out = append(out, w)
	}
	return out
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

// sitePorts reads the ports that the site moved. Whether there is such a port
// depends on the profiles of a run: see checkPorts.
func (d decoder) sitePorts(n *node, s *Site) {
	d.mapping(n, "ports") // any key, each once
	for _, p := range n.pairs {
		name := d.identifier(p.key, "port")
		if numbers := d.portNumbers(p.value, "port"); name != "" && len(numbers) > 0 {
			s.Ports[name], s.portsAt[name] = numbers, p.key.at
		}
	}
	pair := map[string][]uint16{portSUPHTTP: s.Ports[portSUPHTTP], portSUPHTTPS: s.Ports[portSUPHTTPS]}
	if msg, hint := pairUp(pair); msg != "" {
		at, ok := s.portsAt[portSUPHTTPS]
		if !ok {
			at = s.portsAt[portSUPHTTP]
		}
		d.add(at, hint, "%s", msg)
	}
}

// checkPorts reports ports that no profile has, neither a built-in one nor one
// of the run, and several numbers for a port that has one.
func (s *Site) checkPorts(ofRun []Port, m *mistakes) {
	known := ofRun
	for _, name := range slices.Sorted(maps.Keys(s.portsAt)) {
		port, ok := portNamed(known, name)
		if !ok && len(known) == len(ofRun) { // the others are read only when there is need
			known = slices.Concat(ofRun, builtinPorts())
			port, ok = portNamed(known, name)
		}
		if !ok {
			m.add(s.portsAt[name], Suggest(name, portNames(known)), "unknown port %q", name)
			continue
		}
		if msg, hint := port.takes(s.Ports[name]); msg != "" {
			m.add(s.portsAt[name], hint, "%s", msg)
		}
	}
}

// takes checks the numbers that a site or a flag gives the port.
func (p Port) takes(numbers []uint16) (msg, hint string) {
	if len(numbers) > 1 && p.Several == scanner.SeveralUnknown {
		return fmt.Sprintf("the port %s has one number, not %s", p.Name, scanner.PortList(numbers)), "give it one"
	}
	return "", ""
}

func portNamed(list []Port, name string) (Port, bool) {
	for _, p := range list {
		if p.Name == name {
			return p, true
		}
	}
	return Port{}, false
}

// portNames are the names of ports, each once, in the order of the alphabet.
func portNames(list []Port) []string {
	var out []string
	for _, p := range list {
		out = append(out, p.Name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// CheckPorts reports ports of the site file that neither a built-in profile nor
// one of the list has.
func (s *Site) CheckPorts(list []*Profile) error {
	var known []Port
	for _, p := range list {
		known = append(known, p.Ports...)
	}
	m := &mistakes{file: s.File, limit: yamlLimit}
	s.checkPorts(known, m)
	return m.err()
}

// siteRoleWords are the roles that hosts can be named for. Clients are the
// targets of a run.
func siteRoleWords() []string {
	return slices.DeleteFunc(roleWords(), func(w string) bool { return w == string(scanner.RoleClient) })
}

// spaced writes a role for a sentence: "management point", "DHCP server".
func spaced(r scanner.Role) string {
	words := strings.Split(string(r), "-")
	for i, w := range words {
		switch w {
		case "dhcp", "pxe", "sms", "cmg":
			words[i] = strings.ToUpper(w)
		case "ipsec":
			words[i] = "IPsec"
		case "exchange":
			words[i] = "Exchange"
		}
	}
	return strings.Join(words, " ")
}

// named says that a role has a host: "a management point is named".
func named(r scanner.Role) string {
	article := "a "
	if r == scanner.RoleIPsecPeer || r == scanner.RoleProvider || r == scanner.RoleExchangeServer { // "an SMS provider"
		article = "an "
	}
	return article + spaced(r) + " is named"
}
