package profiles

import (
	"cmreach/scanner"
	"errors"
	"fmt"
	"os"
	"slices"
)

// Load reads built-in profiles by name, alias or group, and further ones from
// files, in the order given. The error joins every mistake of every file.
func Load(names, files []string) ([]*Profile, error) {
	var out []*Profile
	var errs []error
	var found []string
	for _, word := range once(names) {
		list := expand(word)
		if list == nil {
			errs = append(errs, &Error{File: "--profile", Msg: fmt.Sprintf("unknown profile %q", word), Hint: Suggest(word, Words())})
		}
		found = append(found, list...)
	}
	for _, name := range once(found) {
		text, err := builtin.ReadFile("builtin/" + name + ".yaml")
		if err != nil {
			errs = append(errs, fmt.Errorf("profile %s: %w", name, err))
			continue
		}
		p, err := parseProfile(name+".yaml", string(text))
		out, errs = append(out, p), append(errs, err)
	}
	for _, path := range once(files) {
		text, err := readFile(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		p, err := parseProfile(path, text)
		out, errs = append(out, p), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return agree(out)
}

// agree checks that profiles can go together: names differ, and the name of a
// port means one port.
func agree(list []*Profile) ([]*Profile, error) {
	var errs []error
	for i, p := range list {
		for _, q := range list[:i] {
			if p.Name == q.Name {
				errs = append(errs, &Error{File: "profile " + p.Name, Msg: "two profiles have this name", Hint: "rename one of them"})
			}
			for _, port := range p.Ports {
				other, ok := q.port(port.Name)
				if ok && !slices.Equal(other.Numbers(), port.Numbers()) {
					errs = append(errs, &Error{
						File: "profile " + p.Name, Hint: "choose another name for it",
						Msg: fmt.Sprintf("the port %q is %s here and %s in profile %s", port.Name,
							scanner.PortList(port.Numbers()), scanner.PortList(other.Numbers()), q.Name),
					})
				} else if ok && other.Several != port.Several {
					errs = append(errs, &Error{
						File: "profile " + p.Name, Hint: `say the same under "several", or choose another name for it`,
						Msg: fmt.Sprintf("several numbers of the port %q mean one thing here and another in profile %s", port.Name, q.Name),
					})
				}
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return list, nil
}

// once leaves out what was named before.
func once(words []string) []string {
	var out []string
	for _, w := range words {
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// readFile reads a YAML file that a user named.
func readFile(path string) (string, error) {
	f, err := os.Open(path) //nolint:gosec // G304: the user names the file
	if err != nil {
		var pathErr *os.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return "", &Error{File: path, Msg: "cannot be opened: " + err.Error(), Hint: "check the path and the rights"}
	}
	defer func() { _ = f.Close() }() // read only: nothing can be lost
	text, err := readText(f, yamlMaxBytes)
	if err != nil {
		return "", &Error{File: path, Msg: "the file " + err.Error(), Hint: "save it as UTF-8"}
	}
	return text, nil
}

// parseProfile reads a profile file.
func parseProfile(file, text string) (*Profile, error) {
	m := &mistakes{file: file, limit: yamlLimit}
	d := decoder{m}
	root := parseYAML(text, m)
	if root == nil {
		return nil, m.err()
	}
	if root.value("site") != nil || root.value("roles") != nil {
		m.add(root.at, "give it with -s FILE", "this is a site file, not a profile")
		return nil, m.err()
	}
	f := d.mapping(root, "a profile", "schema", "profile", "extends", "title", "about", "ports", "drop", "rows")
	switch {
	case root.kind == mapNode && f["extends"] != nil:
		d.need(root.at, "the profile", f, "schema", "profile")
	case root.kind == mapNode:
		d.need(root.at, "the profile", f, "schema", "profile", "title", "rows")
	}
	d.schema(f["schema"])
	f, inherited := d.extend(f)
	p := &Profile{Name: d.identifier(f["profile"], "profile"), Title: d.text(f["title"], "title")}
	p.Aliases = aliasesOf(p.Name)
	if f["about"] != nil {
		p.About = d.text(f["about"], "about")
	}
	p.Ports = d.ports(f["ports"])
	at := map[string]place{} // of each row's id
	for _, n := range d.list(f["rows"], "rows") {
		row := d.row(n, p)
		if first, twice := at[row.ID]; twice && row.ID != "" {
			d.add(n.at, fmt.Sprintf("the other one is in line %d", first.line), "two rows have the id %q", row.ID)
		}
		at[row.ID] = n.at
		p.Rows = append(p.Rows, row)
	}
	d.groups(p, at, inherited)
	if err := m.err(); err != nil {
		return nil, err
	}
	return p, nil
}

// schemaVersion is the version of the file formats that this program reads.
const schemaVersion = "1"

func (d decoder) schema(n *node) {
	if w := d.text(n, "schema"); w != "" && w != schemaVersion {
		d.add(n.at, "this program reads schema "+schemaVersion, "unknown schema %q", w)
	}
}

func (d decoder) ports(n *node) []Port {
	if n == nil {
		return nil
	}
	d.mapping(n, "ports") // any key, each once
	var out []Port
	for _, p := range n.pairs {
		port := Port{Name: d.identifier(p.key, "port")}
		if p.value.kind == scalarNode || p.value.kind == listNode { // the short form "smb: 445"
			port.number(d.portNumbers(p.value, "default"))
		} else {
			f := d.mapping(p.value, "a port", "default", "several", "about")
			d.need(p.key.at, "port "+port.Name, f, "default")
			if f["default"] != nil {
				port.number(d.portNumbers(f["default"], "default"))
			}
			d.enum(f["several"], "several", []string{"all", "any", "instances"}, &port.Several)
			port.About = d.text(f["about"], "about")
		}
		if len(port.Further) > 0 && port.Several == scanner.SeveralUnknown {
			port.Several = scanner.SeveralAll
		}
		out = append(out, port)
	}
	return out
}

// number sets the default numbers.
func (p *Port) number(numbers []uint16) {
	if len(numbers) > 0 {
		p.Default, p.Further = numbers[0], numbers[1:]
	}
}

// groups checks the any-of groups: a group of one is a misspelt name, unless
// the others of an inherited group were dropped.
func (d decoder) groups(p *Profile, at map[string]place, inherited []string) {
	size, need := map[string]int{}, map[string]scanner.Need{}
	var names []string
	for _, r := range p.Rows {
		if r.AnyOf == "" {
			continue
		}
		if size[r.AnyOf]++; size[r.AnyOf] == 1 {
			names, need[r.AnyOf] = append(names, r.AnyOf), r.Need
		}
		if r.Need != need[r.AnyOf] {
			d.add(at[r.ID], "give all rows of a group the same need", "row %s is %s, others of the group %q are %s", r.ID, r.Need, r.AnyOf, need[r.AnyOf])
		}
	}
	for i, r := range p.Rows {
		if size[r.AnyOf] == 1 && slices.Contains(inherited, r.AnyOf) {
			p.Rows[i].AnyOf = ""
		} else if size[r.AnyOf] == 1 {
			others := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == r.AnyOf })
			hint := "leave any_of away"
			if n := Nearest(r.AnyOf, others); n != "" {
				hint = fmt.Sprintf("did you mean %q?", n)
			}
			d.add(at[r.ID], hint, "row %s is the only one of the group %q", r.ID, r.AnyOf)
		}
	}
}
