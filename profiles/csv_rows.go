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
	layout *csvLayout
	text   string // of the whole list
	family Family
	m      *mistakes
	raw    string // the row that was read last
	out    []placedItem
}

// parseCSV reads the rows of a client list.
func parseCSV(text string, l *csvLayout, family Family, m *mistakes) []placedItem {
	in := &csvReader{Reader: csv.NewReader(strings.NewReader(text[l.body:])), layout: l, text: text, family: family, m: m}
	in.Comma, in.FieldsPerRecord, in.ReuseRecord = l.comma, -1, true
	for {
		start := in.InputOffset()
		fields, err := in.Read()
		if errors.Is(err, io.EOF) {
			return in.out
		}
		in.raw = text[l.body+int(start) : l.body+int(in.InputOffset())]
		switch n := len(fields); {
		case err != nil:
			in.broken(err)
		case len(in.out) > targetEntries:
			m.add(in.at(0), "split the list", "the list has more than %s rows", thousands(targetEntries))
			return in.out
		case blank(fields):
		case n != len(l.headings):
			m.add(in.at(0), "a value that contains the separator must stand in quotation marks",
				"the row has %s, but there are %s", counted(n, "value"), counted(len(l.headings), "heading"))
		default:
			in.row(fields)
		}
	}
}

// row adds the computer of a row.
func (in *csvReader) row(fields []string) {
	row := &csvRow{layout: in.layout, raw: in.raw, used: [2]int{-1, -1}}
	for _, c := range in.layout.computer(fields, in.family, row) {
		it, msg, hint := parseHost(c.text)
		if strings.Contains(c.text, "Unknown Computer") {
			hint = "it is the placeholder for computers that operating system deployment does not know: take the row out"
		}
		if msg == "" && it.from.IsLinkLocalUnicast() {
			msg, hint = c.text+" is an address of its own link only", "give the row a name, or an address that other networks can reach"
		}
		if msg != "" {
			in.m.add(in.at(c.column), hint, "%s", msg)
			continue
		}
		it.name, it.row = strings.Clone(it.name), row // not the whole row's text
		in.out = append(in.out, placedItem{item: it, file: in.m.file, at: in.at(c.column), text: it.name})
	}
	if row.used[0] < 0 {
		in.m.add(in.at(0), "fill in its FQDN, Name or IPAddress, or take the row out", "the row names no computer")
	}
}

// cell is one name or address, and the column that it stands in.
type cell struct {
	text   string
	column int
}

// computer is what to check of a row: its full name, else its name, else its
// addresses. FullDomainName is the name of the domain where the ConfigMgr
// console writes it, and of the computer elsewhere; both are understood.
func (l *csvLayout) computer(fields []string, family Family, row *csvRow) []cell {
	full, at := first(fields, l.fqdn, fullName)
	name, nameAt := first(fields, l.name, filled)
	domain := ""
	if l.suffix >= 0 {
		domain = strings.Trim(filled(fields[l.suffix]), ".")
	}
	short, _, dotted := strings.Cut(name, ".")
	switch {
	case full != "":
		row.used[0] = at
		return []cell{{full, at}}
	case name == "" && domain != "" && len(l.addr)+len(l.name) == 0,
		name != "" && !dotted && len(domain) > len(short) && strings.EqualFold(domain[:len(short)+1], short+"."):
		row.used = [2]int{l.suffix, nameAt}
		return []cell{{domain, l.suffix}}
	case name != "" && domain != "" && !dotted:
		row.used = [2]int{nameAt, l.suffix}
		return []cell{{name + "." + domain, nameAt}}
	case name != "":
		row.used[0] = nameAt
		return []cell{{name, nameAt}}
	}
	return l.addresses(fields, family, row)
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
func (l *csvLayout) addresses(fields []string, family Family, row *csvRow) []cell {
	var good, rest []cell
	for _, i := range l.addr {
		for _, w := range parts(fields[i]) {
			row.used[0] = i
			c := cell{w, i}
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
	text := strings.TrimLeft(in.raw, "\r\n")
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
		in.m.add(place{}, "", "the list cannot be read: %s", err)
		return
	}
	p := place{pe.StartLine + in.layout.line, 1}
	if errors.Is(pe.Err, csv.ErrBareQuote) {
		in.m.add(p, "put the value into quotation marks and write each one inside twice", "a quotation mark stands inside a value without any")
		return
	}
	in.m.add(p, "close each value that begins with a quotation mark, and write each one inside twice", "the quotation marks of the row do not match")
}
