package report

import (
	"bufio"
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// csvColumns are the columns that every file has: the names of the fields of a
// finding in JSON, in their order. The tags of the target list follow.
var csvColumns = []string{
	"profile", "requirement", "from", "to", "host", "addr", "protocol", "port", "ports", "required", "any_of", "satisfied_by",
	"state", "seen", "reason", "assurance", "by", "between", "message", "evidence", "fix", "conflict", "boundary",
}

const (
	// byteOrderMark tells Excel that the file is UTF-8; it takes it for the
	// system's code page else.
	byteOrderMark = "\ufeff"
	// csvCell bounds a cell: Excel holds 32,767 characters, and breaks the table
	// where there are more.
	csvCell = 32000
	// csvList stands between the parts of a list in one cell, so that a finding
	// stays one line for grep and its like.
	csvList = " | "
	// maxTags bounds the columns for tags. Further ones share the last column.
	maxTags = 256
)

// CSV writes a finding a line, as RFC 4180 has it, for spreadsheets and
// Import-Csv. A cell that a spreadsheet would take for a formula begins with an
// apostrophe.
func CSV(w io.Writer, r *Run) error {
	buffered := bufio.NewWriter(w)
	if _, err := buffered.WriteString(byteOrderMark); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	out := csv.NewWriter(buffered)
	out.UseCRLF = true
	cells := slices.Clone(csvColumns)
	for _, name := range r.tags.names {
		cells = append(cells, csvText("tag:"+name))
	}
	if r.tags.more {
		cells = append(cells, "tags")
	}
	err := out.Write(cells)
	for h, walk := range r.Hosts() {
		if walk != nil {
			return walk
		}
		for i := range h.Findings {
			f := &h.Findings[i]
			cells = r.tags.append(appendCells(cells[:0], f), f.Tags)
			if err == nil {
				err = out.Write(cells)
			}
		}
	}
	if out.Flush(); err == nil {
		err = out.Error()
	}
	if err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// appendCells writes a finding in the order of csvColumns.
func appendCells(cells []string, f *verdict.Finding) []string {
	word := func(b bool) string {
		if b {
			return "true"
		}
		return "false"
	}
	addr, by, seen := "", "", ""
	if f.Addr.IsValid() {
		addr = csvText(f.Addr.String())
	}
	if f.By.IsValid() {
		by = csvText(f.By.String())
	}
	if f.Seen != verdict.StateUnknown {
		seen = f.Seen.String()
	}
	var ports, between []string
	for _, p := range f.Ports {
		ports = append(ports, fmt.Sprintf("%d %s %s", p.Port, p.State, p.Reason))
	}
	for _, a := range f.Between {
		between = append(between, a.String())
	}
	return append(cells,
		csvText(f.Profile), csvText(f.Requirement), csvText(string(f.From)), csvText(string(f.To)), csvText(f.Host), addr,
		f.Protocol.String(), strconv.Itoa(int(f.Port)), csvTexts(ports), word(f.Required), csvText(f.AnyOf), csvText(f.SatisfiedBy),
		f.State.String(), seen, csvText(f.Reason), f.Assurance.String(), by, csvTexts(between), csvText(f.Message),
		csvTexts(f.Evidence), csvText(f.Fix), word(f.Conflict), csvText(f.Boundary))
}

// csvText makes untrusted text fit for a cell.
func csvText(s string) string { return guarded(clean(s)) }

// csvTexts makes one cell of a list. The bar that parts it is written as an
// escape where it is in a text.
func csvTexts(list []string) string {
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	for i, s := range list {
		if i > 0 {
			b.WriteString(csvList)
		}
		b.WriteString(strings.ReplaceAll(clean(s), "|", `\x7c`))
	}
	return guarded(b.String())
}

// guarded cuts a clean text to what a cell holds and puts an apostrophe before
// it where a spreadsheet might compute it. To take that away again: an
// apostrophe goes where the rest of the cell is such a text.
func guarded(s string) string {
	if len(s) > csvCell {
		const dots = "..."
		at := csvCell - len(dots)
		for !utf8.RuneStart(s[at]) {
			at--
		}
		s = s[:at] + dots
	}
	if isFormula(s) {
		return "'" + s
	}
	return s
}

// isFormula reports whether a spreadsheet, or what somebody does before he
// pastes it there, such as trimming or taking quotes away, might find a formula.
// The wide forms count too: Excel takes them in East Asian settings.
func isFormula(s string) bool {
	rest := strings.TrimLeft(s, " \u00a0\t\r\n'\"`\u2018\u2019\u201c\u201d\u3000\ufeff")
	return strings.HasPrefix(s, "\t") || strings.HasPrefix(s, "\r") || rest != "" && strings.ContainsRune("=+-@\uff1d\uff0b\uff0d\uff20", firstRune(rest))
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// tagNames are the columns of the target list that came back as tags, in the
// order in which they came.
type tagNames struct {
	names []string
	at    map[string]int
	more  bool // a host has a tag that has no column: there are too many, or it is there twice
}

// addHost notes the tags of a host. Those of its findings are mostly one slice.
func (t *tagNames) addHost(findings []verdict.Finding) {
	var last []scanner.Detail
	for i := range findings {
		tags := findings[i].Tags
		if len(tags) == 0 || len(tags) == len(last) && &tags[0] == &last[0] {
			continue
		}
		last = tags
		t.add(tags)
	}
}

// add finds or makes a column for each tag. All hosts of a list have the same.
func (t *tagNames) add(tags []scanner.Detail) {
	for i, d := range tags {
		if slices.ContainsFunc(tags[:i], func(o scanner.Detail) bool { return o.Key == d.Key }) {
			t.more = true
			continue
		}
		if i < len(t.names) && t.names[i] == d.Key {
			continue
		}
		_, ok := t.at[d.Key]
		switch {
		case ok:
		case len(t.names) >= maxTags:
			t.more = true
		default:
			if t.at == nil {
				t.at = map[string]int{}
			}
			t.at[d.Key] = len(t.names)
			t.names = append(t.names, d.Key)
		}
	}
}

// append adds the cells of the tags.
func (t *tagNames) append(cells []string, tags []scanner.Detail) []string {
	base := len(cells)
	for range t.names {
		cells = append(cells, "")
	}
	var rest []string
	var filled [maxTags]bool
	for _, d := range tags {
		if at, ok := t.at[d.Key]; ok && !filled[at] {
			cells[base+at], filled[at] = csvText(d.Value), true
		} else {
			rest = append(rest, d.Key+"="+d.Value)
		}
	}
	if t.more {
		cells = append(cells, csvTexts(rest))
	}
	return cells
}
