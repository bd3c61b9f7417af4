package profiles

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"unicode"

	"go4.org/netipx"
)

// DefaultMaxTargets is how many targets a run may have unless more were asked
// for: a guard against a typo such as a /8.
const DefaultMaxTargets = 70_000

// targetBytes and targetEntries bound one list of targets, well above
// DefaultMaxTargets lines: a list is not the place for a million addresses.
const (
	targetBytes   = 256 << 20 // 70,000 computers with all columns of Get-CMDevice, in UTF-16
	targetEntries = 1_000_000
)

// Family restricts the addresses of a run.
type Family uint8

// The families.
const (
	AnyFamily Family = iota
	IPv4Only
	IPv6Only
)

// Network is the family's word for a resolver: "ip", "ip4" or "ip6".
func (f Family) Network() string {
	switch f {
	case IPv4Only:
		return "ip4"
	case IPv6Only:
		return "ip6"
	default:
		return "ip"
	}
}

// refuse says why an address does not fit the family.
func (f Family) refuse(a netip.Addr) (msg, hint string) {
	switch {
	case f == IPv4Only && a.Is6():
		return "is IPv6, and -4 asks for IPv4 only", "leave -4 or the address away"
	case f == IPv6Only && a.Is4():
		return "is IPv4, and -6 asks for IPv6 only", "leave -6 or the address away"
	}
	return "", ""
}

// Source is a list of targets to read, such as a file or standard input.
type Source struct {
	Name string // for messages
	Text io.Reader
}

// TargetOptions say which computers to check.
type TargetOptions struct {
	Args    []string // targets of the command line
	Sources []Source
	Exclude []string // flags, and what the site file excludes
	Max     int      // 0: DefaultMaxTargets
	Family  Family
}

// Targets are the computers to check, each once, in the order in which they
// were named. Ranges stay ranges in memory. It holds no client's roles: those
// are for the plan.
type Targets struct {
	list       []item // disjoint
	index      *index // of the list
	count      int
	duplicates int
	excluded   int

	excludeNames map[string]bool
	excludeAddrs *netipx.IPSet
}

// Len is the number of targets.
func (t *Targets) Len() int { return t.count }

// Duplicates is how many targets were named again and left out.
func (t *Targets) Duplicates() int { return t.duplicates }

// ExcludedCount is how many targets an exclusion took out.
func (t *Targets) ExcludedCount() int { return t.excluded }

// Excluded reports whether an address is excluded. A name can resolve to one:
// whoever resolves must ask.
func (t *Targets) Excluded(a netip.Addr) bool {
	return t.excludeAddrs != nil && t.excludeAddrs.Contains(a.Unmap().WithZone(""))
}

// hostItem is one host: a name, or an address with its text.
type hostItem struct {
	name string
	addr netip.Addr // valid for addresses
	key  string
	row  *csvRow // of a client list; nil elsewhere
}

// host is the host of an item that has a name.
func (it item) host() hostItem {
	h := hostItem{name: it.name, addr: it.from, key: it.key, row: it.row}
	if h.key == "" {
		h.key = it.from.String()
	}
	return h
}

// excludes reports whether a host is excluded.
func (t *Targets) excludes(h hostItem) bool {
	return t.excludeNames[h.key] || h.addr.IsValid() && t.Excluded(h.addr)
}

// placedItem is an item and where it was written.
type placedItem struct {
	item
	file string
	at   place
	text string
}

// ReadTargets reads every source and checks the whole of it. The error joins
// the mistakes, at most twenty of them.
func ReadTargets(o TargetOptions) (*Targets, error) {
	m := &mistakes{limit: targetLimit}
	var items []placedItem
	for i, arg := range o.Args {
		m.file, m.flat = fmt.Sprintf("argument %d", i+1), true
		items = append(items, parseList(arg, m)...)
	}
	for _, src := range o.Sources {
		m.file, m.flat = src.Name, false
		text, err := readText(src.Text, targetBytes)
		if err != nil {
			m.add(place{}, "", "the list of targets %s", err)
			continue
		}
		before := len(m.list)
		found := parseSource(text, o.Family, m)
		if len(found) == 0 && before == len(m.list) && m.more == 0 {
			m.add(place{}, "write one name, address, prefix or range a line", "the list names no target")
		}
		items = append(items, found...)
	}
	var excludes []placedItem
	for _, e := range o.Exclude {
		m.file, m.flat = "--exclude", true
		excludes = append(excludes, parseList(e, m)...)
	}
	for _, it := range items {
		if msg, hint := o.Family.refuse(it.from); it.from.IsValid() && msg != "" {
			m.file, m.flat = it.file, false
			m.add(it.at, hint, "%s %s", it.text, msg)
		}
	}
	if err := m.err(); err != nil {
		return nil, err
	}
	return assemble(items, excludes, o.Max)
}

// parseSource reads a file: a client list in CSV, or a plain list.
func parseSource(text string, family Family, m *mistakes) []placedItem {
	if l := csvLayoutOf(text, m); l != nil {
		if !l.names() {
			return nil // that was reported
		}
		return parseCSV(text, l, family, m)
	}
	return parseList(text, m)
}

// parseList reads the entries of a text: separated by white space or commas,
// with comments from # to the end of the line.
func parseList(text string, m *mistakes) []placedItem {
	var out []placedItem
	line := 0
	for l := range strings.Lines(text) {
		line++
		if len(out) > targetEntries {
			m.add(place{line, 1}, "write ranges or prefixes", "the list has more than %s entries", thousands(targetEntries))
			return out
		}
		if i := strings.IndexByte(l, '#'); i >= 0 {
			l = l[:i]
		}
		column, start, word := 0, 0, []rune(nil)
		flush := func() {
			if len(word) == 0 {
				return
			}
			text := string(word)
			it, msg, hint := parseItem(text)
			if msg != "" {
				m.add(place{line, start}, hint, "%s", msg)
			} else {
				at := place{line, start}
				if m.flat {
					at = place{}
				}
				out = append(out, placedItem{item: it, file: m.file, at: at, text: text})
			}
			word = word[:0]
		}
		for _, r := range l {
			column++
			if unicode.IsSpace(r) || r == ',' || r == ';' {
				flush()
				continue
			}
			if len(word) == 0 {
				start = column
			}
			word = append(word, r)
		}
		flush()
	}
	return out
}
