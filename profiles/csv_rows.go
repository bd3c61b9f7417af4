package profiles

import (
	"encoding/csv"
	"errors"
	"io"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// csvReader reads the rows of one list.
type csvReader struct {
	*csv.Reader
	*reading
	layout *csvLayout
	number int // of the list
	rows   rowText
	start  int64 // of the row that was read last
	tags   []byte
}

// rowText passes a text on and keeps what was passed since the beginning of a
// row, for the place of a mistake in it.
type rowText struct {
	in   io.Reader
	kept []byte
	from int64 // where kept begins
}

// Read is for the reader of CSV.
func (t *rowText) Read(p []byte) (int, error) {
	n, err := t.in.Read(p)
	t.kept = append(t.kept, p[:n]...)
	return n, err
}

// keepFrom forgets what is before a place, when that is much.
func (t *rowText) keepFrom(at int64) {
	if at-t.from > 64<<10 {
		t.kept = append(t.kept[:0], t.kept[at-t.from:]...)
		t.from = at
	}
}

// parseCSV reads the rows of a client list.
func (r *reading) parseCSV(text io.Reader, l *csvLayout) {
	in := &csvReader{reading: r, layout: l, number: len(r.into.lists), rows: rowText{in: text}}
	r.into.lists = append(r.into.lists, l)
	in.Reader = csv.NewReader(&in.rows)
	in.Comma, in.FieldsPerRecord, in.ReuseRecord = l.comma, -1, true
	before := r.into.len()
	for {
		in.start = in.InputOffset()
		in.rows.keepFrom(in.start)
		fields, err := in.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		switch n := len(fields); {
		case err != nil:
			in.broken(err)
		case r.into.len()-before > targetEntries:
			r.m.add(in.at(0), "split the list", "the list has more than %s rows", thousands(targetEntries))
			return
		case blank(fields):
		case n != len(l.headings):
			r.m.add(in.at(0), "a value that contains the separator must stand in quotation marks",
				"the row has %s, but there are %s", counted(n, "value"), counted(len(l.headings), "heading"))
		default:
			in.row(fields)
		}
	}
}

// row adds the computer of a row.
func (in *csvReader) row(fields []string) {
	used := [2]int{-1, -1}
	computer := in.layout.computer(fields, in.family, &used)
	if used[0] < 0 {
		in.m.add(in.at(0), "fill in its FQDN, Name or IPAddress, or take the row out", "the row names no computer")
		return
	}
	in.tags = in.layout.appendTags(in.tags[:0], fields, used)
	row := in.into.keepTags(in.number, in.tags)
	for _, c := range computer {
		it, msg, hint := parseHost(c.text)
		if strings.Contains(c.text, "Unknown Computer") {
			hint = "it is the placeholder for computers that operating system deployment does not know: take the row out"
		}
		if msg == "" && it.from.IsLinkLocalUnicast() {
			msg, hint = c.text+" is an address of its own link only", "give the row a name, or an address that other networks can reach"
		}
		if msg == "" {
			if msg, hint = in.refuses(it); msg != "" {
				msg = it.name + " " + msg
			}
		}
		if msg != "" {
			in.m.add(in.at(c.column), hint, "%s", msg)
			continue
		}
		in.into.add(it, row)
	}
}

// field is one name or address, and the column that it stands in.
type field struct {
	text   string
	column int
}

// computer is what to check of a row: its full name, else its name, else its
// addresses. FullDomainName is the name of the domain where the ConfigMgr
// console writes it, and of the computer elsewhere; both are understood.
func (l *csvLayout) computer(fields []string, family Family, used *[2]int) []field {
	full, at := first(fields, l.fqdn, fullName)
	name, nameAt := first(fields, l.name, filled)
	domain := ""
	if l.suffix >= 0 {
		domain = strings.Trim(filled(fields[l.suffix]), ".")
	}
	short, _, dotted := strings.Cut(name, ".")
	switch {
	case full != "":
		used[0] = at
		return []field{{full, at}}
	case name == "" && domain != "" && len(l.addr)+len(l.name) == 0,
		name != "" && !dotted && len(domain) > len(short) && strings.EqualFold(domain[:len(short)+1], short+"."):
		*used = [2]int{l.suffix, nameAt}
		return []field{{domain, l.suffix}}
	case name != "" && domain != "" && !dotted:
		*used = [2]int{nameAt, l.suffix}
		return []field{{name + "." + domain, nameAt}}
	case name != "":
		used[0] = nameAt
		return []field{{name, nameAt}}
	}
	return l.addresses(fields, family, used)
}

// first is the first of the columns that says something.
func first(fields []string, columns []int, read func(string) string) (string, int) {
	for _, i := range columns {
		if w := read(fields[i]); w != "" {
			return w, i
		}
	}
	return "", -1
}

// fullName is the first of the full names of a cell. Anything that is no list
// of full names stays as it is, for the error that it gives.
func fullName(s string) string {
	words := parts(s)
	for _, w := range words {
		if !strings.Contains(w, ".") {
			return filled(s)
		}
	}
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

// addresses are those of a computer that has no name: all that other networks
// can reach, as all addresses of a name are checked; those of the wrong family
// and of its own link are left out where it has others.
func (l *csvLayout) addresses(fields []string, family Family, used *[2]int) []field {
	var good, rest []field
	for _, i := range l.addr {
		for _, w := range parts(fields[i]) {
			used[0] = i
			c := field{w, i}
			a, err := netip.ParseAddr(w)
			why, _ := family.refuse(a)
			if err == nil && (why != "" || a.IsLinkLocalUnicast() || a.IsLoopback()) {
				rest = append(rest, c)
			} else {
				good = append(good, c)
			}
		}
		if len(good) > 0 {
			return good
		}
	}
	return rest[:min(len(rest), 1)]
}

// parts separates the several values of one cell: "{pc1, pc1.lab.test}".
func parts(s string) []string {
	return strings.FieldsFunc(strings.Trim(filled(s), "{}"), func(r rune) bool { return strings.ContainsRune(",;| \t\r\n", r) })
}

func blank(fields []string) bool {
	for _, f := range fields {
		if strings.TrimSpace(f) != "" {
			return false
		}
	}
	return true
}

func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return thousands(uint64(max(n, 0))) + " " + thing + "s"
}

// at is the place of a value of the row that was read last. The reader counts
// bytes, people count characters.
func (in *csvReader) at(column int) place {
	line, col := in.FieldPos(column)
	first, _ := in.FieldPos(0)
	p := place{line + in.layout.line, col}
	text := strings.TrimLeft(string(in.rows.kept[in.start-in.rows.from:in.InputOffset()-in.rows.from]), "\r\n")
	for ; first < line; first++ {
		_, text, _ = strings.Cut(text, "\n")
	}
	if col-1 <= len(text) {
		p.column = 1 + utf8.RuneCountInString(text[:col-1])
	}
	return p
}

// broken reports a row that is no CSV.
func (in *csvReader) broken(err error) {
	var pe *csv.ParseError
	if !errors.As(err, &pe) {
		return // whoever reads the text says what happened to it
	}
	p := place{pe.StartLine + in.layout.line, 1}
	if errors.Is(pe.Err, csv.ErrBareQuote) {
		in.m.add(p, "put the value into quotation marks and write each one inside twice", "a quotation mark stands inside a value without any")
		return
	}
	in.m.add(p, "close each value that begins with a quotation mark, and write each one inside twice", "the quotation marks of the row do not match")
}
