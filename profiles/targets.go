package profiles

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"go4.org/netipx"
)

// DefaultMaxTargets is how many targets a run may have unless more were asked
// for: a guard against a typo such as a /8.
const DefaultMaxTargets = 70_000

// targetBytes and targetEntries bound one list of targets, well above
// DefaultMaxTargets lines: what a whole organisation has fits, a mistake does not.
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
	list       *entries // disjoint
	index      index    // of the list
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
	row  tagsRef // of a client list; zero elsewhere
}

// host is the host of an item that has a name.
func (it item) host() hostItem {
	h := hostItem{name: it.name, addr: it.from, key: it.key}
	if h.key == "" {
		h.key = it.from.String()
	}
	return h
}

// excludes reports whether a host is excluded.
func (t *Targets) excludes(h hostItem) bool {
	return t.excludeNames[h.key] || h.addr.IsValid() && t.Excluded(h.addr)
}

// reading takes the entries of lists as they are read.
type reading struct {
	m      *mistakes
	family Family
	into   *entries
}

// ReadTargets reads every source and checks the whole of it. The error joins
// the mistakes, at most twenty of them.
func ReadTargets(o TargetOptions) (*Targets, error) {
	m := &mistakes{limit: targetLimit}
	in := reading{m: m, family: o.Family, into: newEntries()}
	for i, arg := range o.Args {
		m.file, m.flat = fmt.Sprintf("argument %d", i+1), true
		parseList(strings.NewReader(arg), m, in.add)
	}
	for _, src := range o.Sources {
		m.file, m.flat = src.Name, false
		in.source(src)
	}
	var excludes []item
	for _, e := range o.Exclude {
		m.file, m.flat = "--exclude", true
		parseList(strings.NewReader(e), m, func(it item, _ place, _ string) { excludes = append(excludes, it) })
	}
	if in.into.full {
		m.file, m.flat = "targets", true
		m.add(place{}, "split them", "%s", errFull)
	}
	if err := m.err(); err != nil {
		return nil, err
	}
	return assemble(in.into, excludes, o.Max)
}

// source reads a file: a client list in CSV, or a plain list.
func (in *reading) source(src Source) {
	text := newTextReader(src.Text, targetBytes)
	before, mistakes := in.into.len(), in.m.count()
	l, head := csvLayoutOf(text, in.m)
	switch {
	case l == nil:
		parseList(io.MultiReader(strings.NewReader(head), text), in.m, in.add)
	case l.names(): // else that was reported
		in.parseCSV(text, l)
	}
	switch {
	case text.err != nil:
		in.m.add(place{}, "", "the list of targets %s", text.err)
	case in.into.len() == before && in.m.count() == mistakes:
		in.m.add(place{}, "write one name, address, prefix or range a line", "the list names no target")
	}
}

// add takes an entry of a plain list.
func (in *reading) add(it item, at place, text string) {
	if msg, hint := in.refuses(it); msg != "" {
		in.m.add(at, hint, "%s %s", text, msg)
		return
	}
	if h := it.hosts(); it.key == "" {
		if n := sizeOf([]interval{{from: h.from, to: h.to}}); n > in.into.worst {
			in.into.worst, in.into.blame = n, placed{in.m.file, at, text}
		}
	}
	in.into.add(it, 0)
}

func (in *reading) refuses(it item) (msg, hint string) {
	if !it.from.IsValid() {
		return "", ""
	}
	return in.family.refuse(it.from)
}

// parseList reads the entries of a text: separated by white space or commas,
// with comments from # to the end of the line.
func parseList(text io.Reader, m *mistakes, add func(it item, at place, text string)) {
	p := listParser{m: m, add: add, line: 1}
	in := bufio.NewReaderSize(text, 32<<10)
	for {
		r, _, err := in.ReadRune()
		switch {
		case err != nil:
			p.flush()
			return
		case r == '\n':
			p.flush()
			p.line++
			p.column, p.comment = 0, false
			if p.entries > targetEntries {
				m.add(place{p.line, 1}, "write ranges or prefixes", "the list has more than %s entries", thousands(targetEntries))
				return
			}
		case !p.comment:
			p.take(r)
		}
	}
}

// listParser is at one place of a plain list.
type listParser struct {
	m            *mistakes
	add          func(it item, at place, text string)
	line, column int
	comment      bool // up to the end of the line
	word         []byte
	start        int // its column
	entries      int
}

// take reads a character.
func (p *listParser) take(r rune) {
	p.column++
	switch {
	case r == '#':
		p.flush()
		p.comment = true
	case unicode.IsSpace(r) || r == ',' || r == ';':
		p.flush()
	default:
		if len(p.word) == 0 {
			p.start = p.column
		}
		p.word = utf8.AppendRune(p.word, r)
	}
}

// flush ends a word.
func (p *listParser) flush() {
	if len(p.word) == 0 {
		return
	}
	text := string(p.word)
	p.word = p.word[:0]
	at := place{p.line, p.start}
	it, msg, hint := parseItem(text)
	if msg != "" {
		p.m.add(at, hint, "%s", msg)
		return
	}
	if p.m.flat {
		at = place{}
	}
	p.entries++
	p.add(it, at, text)
}
