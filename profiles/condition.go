package profiles

import (
	"cmreach/scanner"
	"fmt"
	"slices"
	"strings"
)

// Condition says when a row applies: when all of it holds. The zero value
// always holds.
type Condition struct {
	Roles    []scanner.Role // a host of each is named
	Settings []Setting      // the site is as each says
}

// Setting is a fact about a site that no packet shows: a name and a value.
type Setting struct{ Name, Value string }

// The settings. Each is a key of the site file, but source, which follows from
// the roles.
const (
	settingCommunication = "communication"
	settingUpdates       = "updates"
	settingNAP           = "nap"
	settingMembership    = "membership"
	settingSource        = "source"

	valueBoth  = "both"
	valueHTTP  = "http"
	valueHTTPS = "https"
	valueUsed  = "used"
)

// settingKind is what is known of a setting.
type settingKind struct {
	name  string
	words [2]Setting // the two values, each with the words for "needed only when …"
	both  bool       // a site may have both, and has unless it says otherwise
	given bool       // a site file or a flag says it
}

// settingKinds lists the settings: the words of "when" in a profile, of the
// site file and of --when.
func settingKinds() []settingKind {
	kind := func(name, a, aWords, b, bWords string) settingKind {
		return settingKind{name: name, words: [2]Setting{{a, aWords}, {b, bWords}}, both: true, given: true}
	}
	updates := kind(settingUpdates, valueHTTP, "the software update point uses HTTP only", valueHTTPS, "the software update point uses HTTPS")
	updates.both = false // an update point with HTTPS has its HTTP port as well
	source := kind(settingSource, valueUsed, "CCMSetup is run with /source:, that is, a source server is named", "unused", "CCMSetup is run without /source:, that is, no source server is named")
	source.both, source.given = false, false
	return []settingKind{
		kind(settingCommunication, valueHTTP, "clients talk HTTP to the site", valueHTTPS, "clients talk HTTPS to the site"),
		updates,
		kind(settingNAP, "dhcp", "NAP is enforced by DHCP", "ipsec", "NAP is enforced by IPsec"),
		kind(settingMembership, "domain", "clients are members of a domain", "workgroup", "clients are in a workgroup"),
		source,
	}
}

func settingNamed(name string) (settingKind, bool) {
	for _, k := range settingKinds() {
		if k.name == name {
			return k, true
		}
	}
	return settingKind{}, false
}

// givenSettings are the names of the settings that a site file and --when have.
func givenSettings() []string {
	var out []string
	for _, k := range settingKinds() {
		if k.given {
			out = append(out, k.name)
		}
	}
	return out
}

// values are what a row's condition may ask for.
func (k settingKind) values() []string { return []string{k.words[0].Name, k.words[1].Name} }

// sayable are what a site may say.
func (k settingKind) sayable() []string {
	if k.both {
		return append(k.values(), valueBoth)
	}
	return k.values()
}

// phrase is a value in words.
func (k settingKind) phrase(value string) string {
	for _, w := range k.words {
		if w.Name == value {
			return w.Value
		}
	}
	return value
}

// String says the setting in words: "clients talk HTTP to the site".
func (s Setting) String() string {
	k, _ := settingNamed(s.Name)
	return k.phrase(s.Value)
}

// String says the condition in words; empty for one that always holds.
func (c Condition) String() string {
	var parts []string
	for _, r := range c.Roles {
		parts = append(parts, named(r))
	}
	for _, s := range c.Settings {
		parts = append(parts, s.String())
	}
	return strings.Join(parts, " and ")
}

// holds is the one place where conditions are evaluated. When the condition
// does not hold, it says why, and what would change that.
func (c Condition) holds(hosts map[scanner.Role][]hostItem, site map[string]string) (ok bool, reason, hint string) {
	for _, r := range c.Roles {
		if len(hosts[r]) == 0 {
			_, hint := roleMissing(r)
			return false, "needed only when " + named(r), hint
		}
	}
	for _, s := range c.Settings {
		if site[s.Name] == s.Value || site[s.Name] == valueBoth {
			continue
		}
		reason = "needed only when " + s.String()
		switch {
		case s.Name != settingSource:
			return false, reason, fmt.Sprintf("the site has %s: %s; change it in the site file or with --when %s=%s", s.Name, site[s.Name], s.Name, s.Value)
		case s.Value == valueUsed:
			_, hint = roleMissing(scanner.RoleSourceServer)
		}
		return false, reason, hint
	}
	return true, "", ""
}

// settled completes what a site says: defaults, and what follows from the rest.
func settled(said map[string]string, hosts map[scanner.Role][]hostItem) map[string]string {
	out := map[string]string{}
	for _, k := range settingKinds() {
		switch {
		case said[k.name] != "":
			out[k.name] = said[k.name]
		case k.both:
			out[k.name] = valueBoth
		}
	}
	if out[settingUpdates] == "" {
		// A site that talks HTTPS only has its update point with it; otherwise
		// WSUS without TLS is what an installation leaves.
		out[settingUpdates] = valueHTTP
		if out[settingCommunication] == valueHTTPS {
			out[settingUpdates] = valueHTTPS
		}
	}
	out[settingSource] = "unused"
	if len(hosts[scanner.RoleSourceServer]) > 0 {
		out[settingSource] = valueUsed
	}
	return out
}

// condition reads "when": a role or a list of roles, and settings.
func (d decoder) condition(n *node) Condition {
	if n == nil {
		return Condition{}
	}
	known := []string{"role"}
	for _, k := range settingKinds() {
		known = append(known, k.name)
	}
	before := d.count()
	f := d.mapping(n, "when", known...)
	if n.kind == mapNode && len(f) == 0 && d.count() == before {
		d.add(n.at, "keys: "+strings.Join(known, ", "), `"when" has no condition`)
	}
	var c Condition
	if f["role"] != nil {
		for _, r := range d.list(f["role"], "role") {
			if w := d.word(r, "role", siteRoleWords()); w != "" && !slices.Contains(c.Roles, scanner.Role(w)) {
				c.Roles = append(c.Roles, scanner.Role(w))
			}
		}
	}
	for _, k := range settingKinds() {
		if w := d.word(f[k.name], k.name, k.values()); w != "" {
			c.Settings = append(c.Settings, Setting{k.name, w})
		}
	}
	return c
}
