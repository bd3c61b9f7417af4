package profiles

import (
	"cmreach/scanner"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// overrides are the flags of a run, read against its profiles and laid over
// its site file.
type overrides struct {
	hosts   map[scanner.Role][]hostItem
	ports   map[string][]uint16
	said    map[string]bool // ports that the site file or a flag names
	only    map[string]bool // ids of requirements; nil: all
	vantage scanner.Role
	// settings are what the site file and --when say, completed.
	settings map[string]string
}

// readOverrides reads the flags. Mistakes go to m, all of them.
func readOverrides(o Options, m *mistakes) overrides {
	out := overrides{hosts: map[scanner.Role][]hostItem{}, ports: map[string][]uint16{}, said: map[string]bool{}}
	out.roleHosts(o, m)
	for _, role := range Roles() {
		if other := standIn(role); other != "" && len(out.hosts[role]) == 0 && len(out.hosts[other]) > 0 {
			out.hosts[role] = out.hosts[other]
		}
	}
	out.settings = settled(saidSettings(o, m), out.hosts)
	out.namedPorts(o, m)
	m.file = "--only"
	out.only = onlyRows(o, m)
	m.file = "--vantage"
	out.vantage = scanner.RoleSiteServer
	if o.Vantage != "" {
		if !slices.Contains(roleWords(), o.Vantage) {
			m.add(place{}, Suggest(o.Vantage, roleWords()), "unknown role %q", o.Vantage)
		}
		out.vantage = scanner.Role(o.Vantage)
	}
	return out
}

// roleHosts reads --role ROLE=HOST[,HOST…]. A role on the command line takes
// the place of the site file's hosts for it.
func (out overrides) roleHosts(o Options, m *mistakes) {
	m.file = "--role"
	for _, flag := range o.Roles {
		word, hosts, ok := strings.Cut(flag, "=")
		word = strings.TrimSpace(word)
		switch {
		case !ok:
			m.add(place{}, "write ROLE=HOST, such as management-point=mp1.example.com", "%q has no host", flag)
			continue
		case word == string(scanner.RoleClient):
			m.add(place{}, "name clients as arguments or with -t FILE", "clients are the targets of the run")
			continue
		case !slices.Contains(siteRoleWords(), word):
			m.add(place{}, Suggest(word, siteRoleWords()), "unknown role %q", word)
			continue
		}
		for h := range strings.SplitSeq(hosts, ",") {
			out.addHost(scanner.Role(word), strings.TrimSpace(h), o.Family, m)
		}
	}
	if o.Site == nil {
		return
	}
	m.file = o.Site.File
	fromFlags := len(out.hosts)
	named := make(map[scanner.Role]bool, fromFlags)
	for role := range out.hosts {
		named[role] = true
	}
	for _, role := range Roles() {
		if named[role] {
			continue
		}
		for _, h := range o.Site.Roles[role] {
			out.addHost(role, h, o.Family, m)
		}
	}
}

func (out overrides) addHost(role scanner.Role, text string, family Family, m *mistakes) {
	if text == "" {
		m.add(place{}, "write ROLE=HOST, such as management-point=mp1.example.com", "the role %s has an empty host", role)
		return
	}
	it, msg, hint := parseHost(text)
	if msg == "" && it.from.IsValid() {
		if why, cure := family.refuse(it.from); why != "" {
			msg, hint = text+" "+why, cure
		}
	}
	if msg != "" {
		m.add(place{}, hint, "role %s: %s", role, msg)
		return
	}
	h := it.host()
	if !slices.ContainsFunc(out.hosts[role], func(have hostItem) bool { return have.key == h.key }) {
		out.hosts[role] = append(out.hosts[role], h)
	}
}

// saidSettings reads --when SETTING=VALUE over the site file.
func saidSettings(o Options, m *mistakes) map[string]string {
	said := map[string]string{}
	if o.Site != nil {
		maps.Copy(said, o.Site.Settings)
	}
	m.file = "--when"
	given := map[string]bool{}
	for _, flag := range o.When {
		for entry := range strings.SplitSeq(flag, ",") {
			name, value, ok := strings.Cut(strings.TrimSpace(entry), "=")
			kind, known := settingNamed(name)
			switch {
			case !ok:
				m.add(place{}, "write SETTING=VALUE, such as communication=https", "%q has no value", entry)
			case !known || !kind.given:
				m.add(place{}, Suggest(name, givenSettings()), "unknown setting %q", name)
			case !slices.Contains(kind.sayable(), value):
				m.add(place{}, Suggest(value, kind.sayable()), "unknown value %q of the setting %s", value, name)
			case given[name]:
				m.add(place{}, "give it once", "the setting %s is given twice", name)
			default:
				given[name], said[name] = true, value
			}
		}
	}
	return said
}

// namedPorts reads --port NAME=PORT over the site file over the defaults.
func (out overrides) namedPorts(o Options, m *mistakes) {
	var known []Port
	for _, p := range o.Profiles {
		for _, port := range p.Ports {
			if _, have := portNamed(known, port.Name); !have {
				known = append(known, port)
			}
			out.ports[port.Name] = port.Numbers()
		}
	}
	if o.Site != nil {
		m.file = o.Site.File
		o.Site.checkPorts(known, m)
		out.lay(o.Site.Ports, known)
	}
	m.file = "--port"
	given := map[string][]uint16{}
	for _, flag := range o.Ports {
		readPorts(flag, known, given, m)
	}
	checkNumbers(given, known, m)
	if msg, hint := pairUp(given); msg != "" {
		m.add(place{}, hint, "%s", msg)
	}
	out.lay(given, known)
}

// readPorts reads one --port. A number without a name belongs to the name
// before it: "http=80,8080".
func readPorts(flag string, known []Port, given map[string][]uint16, m *mistakes) {
	name := ""
	for entry := range strings.SplitSeq(flag, ",") {
		word, number, ok := strings.Cut(strings.TrimSpace(entry), "=")
		if _, _, bad := parsePorts(word); !ok && name != "" && bad == "" {
			number = word
		} else {
			name = ""
			_, have := portNamed(known, word)
			switch {
			case !ok:
				m.add(place{}, "write NAME=PORT, such as http=8080", "%q has no port", entry)
			case !have:
				m.add(place{}, Suggest(word, portNames(known)), "unknown port %q", word)
			case given[word] != nil:
				m.add(place{}, "give it once", "the port %s is given twice", word)
			default:
				name = word
			}
		}
		if name == "" {
			continue
		}
		numbers, msg, hint := parsePorts(number)
		if msg != "" {
			m.add(place{}, hint, "%s: %s", name, msg)
			continue
		}
		given[name] = append(given[name], numbers...)
	}
}

// checkNumbers checks whether the ports take what --port gives them.
func checkNumbers(given map[string][]uint16, known []Port, m *mistakes) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		port, _ := portNamed(known, name)
		msg, hint := port.takes(given[name])
		if msg == "" {
			if msg, hint = tooManyPorts(given[name]); msg != "" {
				msg = name + ": " + msg
			}
		}
		if msg != "" {
			m.add(place{}, hint, "%s", msg)
		}
	}
}

// lay puts the ports of one source over what is known so far. The ports of the
// software update point come as a pair.
func (out overrides) lay(ports map[string][]uint16, known []Port) {
	ports = maps.Clone(ports)
	_, _ = pairUp(ports) // completes the pair; whoever read the ports told what is wrong with it
	for name, numbers := range ports {
		if _, ok := portNamed(known, name); ok && len(numbers) > 0 {
			out.ports[name], out.said[name] = numbers, true
		}
	}
}

// builtinPorts are the ports of every built-in profile: a site
// file serves all of them, whichever a run uses.
func builtinPorts() []Port {
	list, err := Load(Names(), nil)
	if err != nil {
		return nil // a test holds the built-in profiles to be good
	}
	var out []Port
	for _, p := range list {
		out = append(out, p.Ports...)
	}
	return out
}

// onlyRows reads --only ROW[,ROW]. A row is "push/smb", or "smb" in every
// profile that has it.
func onlyRows(o Options, m *mistakes) map[string]bool {
	if len(o.Only) == 0 {
		return nil
	}
	var full, short []string
	for _, p := range o.Profiles {
		for _, r := range p.Rows {
			full = append(full, p.Name+"/"+r.ID)
			if !slices.Contains(short, r.ID) {
				short = append(short, r.ID)
			}
		}
	}
	out := map[string]bool{}
	for _, flag := range o.Only {
		for w := range strings.SplitSeq(flag, ",") {
			w = strings.TrimSpace(w)
			found := false
			for _, id := range full {
				if id == w || strings.HasSuffix(id, "/"+w) && !strings.Contains(w, "/") {
					out[id], found = true, true
				}
			}
			switch known := full; {
			case found:
			case w == "":
				m.add(place{}, "known: "+strings.Join(full, ", "), "a row is empty")
			case !strings.Contains(w, "/"):
				known = short
				fallthrough
			default:
				m.add(place{}, Suggest(w, known), "unknown row %q", w)
			}
		}
	}
	return out
}

// requirement makes a row concrete.
func (out overrides) requirement(p *Profile, r Row) *scanner.Requirement {
	req := &scanner.Requirement{
		ID: p.Name + "/" + r.ID, Profile: p.Name, Title: r.Title,
		From: r.From, To: r.To, Protocol: r.Protocol, Port: firstOf(out.ports[r.Port]),
		Probe: r.Probe, Need: r.Need, AnyOf: r.AnyOf, Listener: r.Listener,
		Via: firstOf(out.ports[r.Via]), ViaProbe: r.ViaProbe,
		FromHere: r.From == out.vantage, Source: r.Source,
		Fix: fixText(r, func(name string) []uint16 { return out.ports[name] }),
	}
	if req.Expect = r.Expect; !r.Expect.IsZero() {
		req.Probe = "banner:" + req.ID
	}
	for _, name := range r.Extra {
		req.Extra = append(req.Extra, firstOf(out.ports[name]))
	}
	for _, name := range append([]string{r.Port, r.Via}, r.Extra...) {
		if out.said[name] {
			req.PortFlags = append(req.PortFlags, name+"="+strings.ReplaceAll(scanner.PortList(out.ports[name]), " ", ""))
		}
	}
	if numbers := out.ports[r.Port]; len(numbers) > 1 {
		port, _ := p.port(r.Port)
		req.Ports, req.Several = numbers, port.Several
		if req.Several == scanner.SeveralInstances && out.said[r.Port] {
			req.Several = scanner.SeveralAll // who names the ports names those of the instances that there are
		}
	}
	return req
}

// roleMissing says that no host is named for a role.
func roleMissing(role scanner.Role) (reason, hint string) {
	return "no " + spaced(role) + " is named", fmt.Sprintf("name one with --role %s=HOST or in the site file", role)
}
