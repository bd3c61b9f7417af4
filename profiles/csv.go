package profiles

import (
	"cmreach/scanner"
	"encoding/binary"
	"encoding/csv"
	"strings"
	"unicode"
)

// csvLayout is what the head of a client list in CSV says: which columns name
// the computer, best first, and what the others are called.
type csvLayout struct {
	comma    rune
	headings []string // as they are written
	fqdn     []int
	name     []int
	suffix   int // the DNS domain to complete a name with; -1: no such column
	addr     []int

	line int      // the line of the headings
	keys []string // of tags, by column
}

// The headings that name a computer, in lower case and without spaces. They are
// those of the ConfigMgr console, of Get-CMDevice, of the SMS provider's
// classes SMS_R_System and SMS_CombinedDeviceResources, of the views v_R_System,
// and of Get-ADComputer.
var (
	fqdnHeadings = []string{
		"fqdn", "dnshostname", "dnsname", "fullyqualifieddomainname", "resourcenames", "resourcenames0", "netbiosnamefqdn",
	}
	nameHeadings   = []string{"name", "name0", "computername", "devicename", "hostname", "machinename", "netbiosname", "netbiosname0"}
	suffixHeadings = []string{"fulldomainname", "fulldomainname0"}
	addrHeadings   = []string{"ipaddress", "ipaddresses", "ipaddress0", "ipaddresses0", "ipv4address", "ipv6address"}
	// looseHeadings could as well be the names of computers in a plain list.
	looseHeadings = []string{"computer", "host", "machine", "ip", "device", "client"}
	// tagHeadings tell a CSV that names no computer from a plain list.
	tagHeadings = []string{"deviceid", "resourceid", "sitecode", "collection", "collectionid", "collectionname", "domain", "macaddress"}
)

// heading is a heading as it is looked up.
func heading(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '_' || r == '-' {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}

// csvLayoutOf recognises a client list in CSV by its first lines: the "#TYPE"
// line of Windows PowerShell and the "sep=" line of Excel are taken for what
// they are, and the first line with anything else must be headings. The layout
// is nil for a plain list of targets. The head is what was read for it.
func csvLayoutOf(text *textReader, m *mistakes) (l *csvLayout, head string) {
	l = &csvLayout{suffix: -1}
	certain := false
	var all strings.Builder
	for {
		line, err := text.line()
		all.WriteString(line)
		if line == "" && err != nil {
			return nil, all.String()
		}
		l.line++
		line = strings.TrimRight(line, "\r\n")
		if word := strings.TrimSpace(line); word == "" || strings.HasPrefix(word, "#") {
			certain = certain || strings.HasPrefix(word, "#TYPE ")
			continue
		}
		if rest, ok := strings.CutPrefix(line, "sep="); ok && len(rest) == 1 && strings.Contains(",;\t", rest) {
			l.comma, certain = rune(rest[0]), true
			continue
		}
		return l.recognise(line, certain || strings.HasPrefix(line, `"`), m), all.String()
	}
}

// recognise reads the line with the headings. When the line is certainly not of
// a plain list, or has two headings that only such exports have, a missing
// column is a mistake.
func (l *csvLayout) recognise(line string, certain bool, m *mistakes) *csvLayout {
	if l.comma == 0 {
		l.comma = delimiter(line)
	}
	r := csv.NewReader(strings.NewReader(line))
	r.Comma = l.comma
	headings, err := r.Read()
	if err != nil {
		return nil // the plain list's own errors say where
	}
	safe, loose, tags := 0, 0, 0
	for _, h := range headings {
		h = strings.TrimSpace(h)
		l.headings = append(l.headings, h)
		l.keys = append(l.keys, shorten(h, maxTagKey))
		switch h = heading(h); {
		case has(suffixHeadings, h), has(fqdnHeadings, h), has(nameHeadings, h), has(addrHeadings, h):
			safe++
		case has(looseHeadings, h):
			loose++
		case has(tagHeadings, h):
			tags++
		}
	}
	l.assign()
	switch {
	case safe > 0, loose > 1, loose == 1 && (certain || tags > 0):
	case certain || tags > 1:
	default:
		return nil
	}
	if !l.names() {
		m.add(place{l.line, 1}, "one column must be called FQDN, Name or IPAddress", "no column of the list names a computer")
	}
	return l
}

// names reports whether a column names the computers.
func (l *csvLayout) names() bool {
	return len(l.fqdn)+len(l.name)+len(l.addr) > 0 || l.suffix >= 0
}

func has(list []string, w string) bool {
	for _, have := range list {
		if have == w {
			return true
		}
	}
	return false
}

// assign finds the columns. Of two with the same meaning the one that stands
// first in the lists above is preferred; loose headings come last.
func (l *csvLayout) assign() {
	find := func(known []string) (at []int) {
		for _, k := range known {
			for i, h := range l.headings {
				if heading(h) == k {
					at = append(at, i)
				}
			}
		}
		return at
	}
	l.fqdn = find(fqdnHeadings)
	l.name = append(find(nameHeadings), find([]string{"computer", "host", "machine", "device", "client"})...)
	l.addr = append(find(addrHeadings), find([]string{"ip"})...)
	if at := find(suffixHeadings); len(at) > 0 {
		l.suffix = at[0]
	}
}

// delimiter is the sign that most often stands outside quotation marks.
func delimiter(line string) rune {
	counts := map[rune]int{}
	quoted := false
	for _, r := range line {
		if r == '"' {
			quoted = !quoted
		} else if !quoted {
			counts[r]++
		}
	}
	best := ','
	for _, r := range ";\t" {
		if counts[r] > counts[best] {
			best = r
		}
	}
	return best
}

// Limits of the tags of one computer: they go into every line about it.
const (
	maxTags    = 64
	maxTagKey  = 64  // characters
	maxTagText = 256 // characters
)

// appendTags appends the columns of a row that say something and did not make
// the target: the number of each, the length of its text and the text.
func (l *csvLayout) appendTags(b []byte, fields []string, used [2]int) []byte {
	n := 0
	for i, f := range fields {
		if f = filled(f); f == "" || i == used[0] || i == used[1] || i >= len(l.keys) || l.keys[i] == "" {
			continue
		}
		if n++; n > maxTags {
			break
		}
		f = shorten(f, maxTagText)
		b = binary.AppendUvarint(b, uint64(i)+1)
		b = append(binary.AppendUvarint(b, uint64(len(f))), f...)
	}
	return b
}

// keepTags keeps the tags of a row of a list.
func (e *entries) keepTags(list int, tags []byte) (at uint32) {
	if len(tags) == 0 {
		return 0
	}
	b := binary.AppendUvarint(nil, uint64(list)) //nolint:gosec // G115: an index
	at, ok := e.tags.put(append(append(b, tags...), 0))
	e.full = e.full || !ok
	return at
}

// readTags reads what keepTags wrote.
func (e *entries) readTags(b []byte) (out []scanner.Detail) {
	number := func() int {
		v, n := binary.Uvarint(b)
		b = b[n:]
		return int(v) //nolint:gosec // G115: written from an int
	}
	l := e.lists[number()]
	for i := number(); i > 0; i = number() {
		n := number()
		out = append(out, scanner.Detail{Key: l.keys[i-1], Value: string(b[:n])})
		b = b[n:]
	}
	return out
}

// shorten cuts a text that is too long, and shows that it did.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	n := 0
	for i := range s {
		if n++; n == limit {
			return s[:i] + "…"
		}
	}
	return s
}

// filled is what a cell says: nothing, when it holds the word that a database
// or PowerShell writes for nothing or for what it could not print.
func filled(s string) string {
	s = strings.TrimSpace(s)
	if s == "NULL" || strings.HasPrefix(s, "System.") && strings.HasSuffix(s, "[]") {
		return ""
	}
	return s
}
