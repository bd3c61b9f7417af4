package main

import (
	"cmreach/profiles"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// The files in the demo's directory that say what is checked.
const (
	demoSite    = "site.yaml"
	demoClients = "clients.txt"
)

// writeSite writes the site file of the lab, with the list of its clients
// beside it.
func (d *demonstration) writeSite() error {
	list := "# The clients of the demo, one name a line.\n" + strings.Join(d.plan.Targets, "\n") + "\n"
	for name, text := range map[string]string{demoClients: list, demoSite: d.siteFile()} {
		if err := os.WriteFile(d.file(name), []byte(text), 0o644); err != nil { //nolint:gosec // for reading, as the reports are
			return usage(fmt.Errorf("--dir: cannot write %s: %w: choose another place", d.file(name), reason(err)))
		}
	}
	return nil
}

// siteFile is the lab in the words of a site file.
func (d *demonstration) siteFile() string {
	var w strings.Builder
	p := d.plan
	fmt.Fprintf(&w, `# The site file of "cmreach demo", which writes it anew each time. Copy it to
# begin one of your own; "cmreach site init" explains every key.
#
#   cmreach site check FILE                       is it good?
#   cmreach plan -s FILE -p push,gpo,sup,nap      what would be checked, and why
schema: 1
site: %s

# Who plays which role. Rows that lead to a role without a host are left out.
roles:
`, p.Site)
	for _, role := range profiles.Roles() {
		if hosts := p.Roles[role]; len(hosts) > 0 {
			fmt.Fprintf(&w, "  %s: [%s]\n", role, strings.Join(hosts, ", "))
		}
	}
	if len(p.Ports) > 0 {
		w.WriteString("\n# This lab is on loopback addresses, and so on high ports.\nports:\n")
		for _, name := range slices.Sorted(maps.Keys(p.Ports)) {
			fmt.Fprintf(&w, "  %s: %d\n", name, p.Ports[name])
		}
	}
	w.WriteString("\n# What rows depend on: HTTP and HTTPS for clients, for updates, and how NAP is\n# enforced.\n")
	for _, name := range slices.Sorted(maps.Keys(p.Settings)) {
		fmt.Fprintf(&w, "%s: %s\n", name, p.Settings[name])
	}
	fmt.Fprintf(&w, "\n# The clients, in a file beside this one.\nclients: [%s]\n", demoClients)
	if len(p.Subnets) > 0 {
		w.WriteString("\n# Parts of the network, to group results by.\nboundaries:\n")
		for _, s := range p.Subnets {
			fmt.Fprintf(&w, "  %s: [%q]\n", s.Name, s.Prefix)
		}
	}
	w.WriteString("\n# The lab is all ours and close by: faster than the defaults.\nlimits:\n  rate: 5000\n  timeout: 500ms\n")
	return w.String()
}
