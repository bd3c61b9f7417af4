package profiles

import (
	"embed"
	"slices"
)

//go:embed builtin/*.yaml
var builtin embed.FS

// entry is a built-in profile as -p finds it. The rows are in builtin/NAME.yaml.
type entry struct {
	name    string
	aliases []string
	groups  []string
}

// The groups of profiles. Every profile is also in the group "all".
const (
	groupAll       = "all"
	groupInstall   = "install"   // every way to install the client
	groupManage    = "manage"    // what the installed client and its administrators need
	groupSite      = "site"      // between the servers
	groupDocuments = "documents" // what the two source documents state
)

// catalog is every built-in profile, in the order of the documents. A test
// holds it to the embedded files.
func catalog() []entry {
	document := func(name, group string, aliases ...string) entry {
		return entry{name: name, aliases: aliases, groups: []string{group, groupDocuments}}
	}
	return []entry{
		document("push", groupInstall),
		document("gpo", groupInstall),
		document("sup", groupInstall),
		document("manual", groupInstall, "logon"),
		document("software-distribution", groupInstall),
		document("client-requests", groupManage),
		document("client-notification", groupManage),
		document("remote-control", groupManage),
		document("remote-assistance", groupManage),
		document("wake-up-proxy", groupManage),
		document("remote-diagnostics", groupManage, "event-viewer", "performance-monitor", "diagnostics"),
		document("queries", groupManage),
		document("nap", groupSite),
		{name: "pxe", groups: []string{groupInstall}},
		{name: "peer-cache", groups: []string{groupManage}},
		{name: "cmg", groups: []string{groupManage}},
		{name: "site-systems", groups: []string{groupSite}},
		{name: "database", groups: []string{groupSite}},
		{name: "console", groups: []string{groupSite}},
		{name: "directory", groups: []string{groupSite}},
	}
}

// Names lists the built-in profiles.
func Names() []string {
	var names []string
	for _, e := range catalog() {
		names = append(names, e.name)
	}
	return names
}

// Group is a word that stands for several profiles.
type Group struct {
	Name     string
	Profiles []string
}

// Groups lists the words that stand for several built-in profiles.
func Groups() []Group {
	out := []Group{{Name: groupAll, Profiles: Names()}}
	for _, name := range []string{groupInstall, groupManage, groupSite, groupDocuments} {
		g := Group{Name: name}
		for _, e := range catalog() {
			if slices.Contains(e.groups, name) {
				g.Profiles = append(g.Profiles, e.name)
			}
		}
		out = append(out, g)
	}
	return out
}

// expand turns the name of a profile, an alias or a group into the names of
// profiles; nil when there is no such word.
func expand(word string) []string {
	for _, e := range catalog() {
		if e.name == word || slices.Contains(e.aliases, word) {
			return []string{e.name}
		}
	}
	for _, g := range Groups() {
		if g.Name == word {
			return g.Profiles
		}
	}
	return nil
}

// Words lists everything that may be named as a built-in profile: names,
// aliases and groups.
func Words() []string {
	out := Names()
	for _, e := range catalog() {
		out = append(out, e.aliases...)
	}
	for _, g := range Groups() {
		out = append(out, g.Name)
	}
	return out
}

// aliasesOf are the other names of a built-in profile.
func aliasesOf(name string) []string {
	for _, e := range catalog() {
		if e.name == name {
			return e.aliases
		}
	}
	return nil
}
