package report

import (
	"bufio"
	"fmt"
	"strings"
	"unicode/utf8"
)

// color is an ANSI colour.
type color uint8

const (
	plain color = iota
	bold
	red
	green
	yellow
)

var colorCodes = [...]string{plain: "", bold: "1", red: "31", green: "32", yellow: "33"}

// page writes lines of a fixed width, cleans what it is given, and keeps the
// first error.
type page struct {
	w     *bufio.Writer
	width int
	color bool
	err   error
	held  *[]string // where lines go that are perhaps not to be written; nil: they are
}

// line writes one line as it is: its text must be clean.
func (p *page) line(s string) {
	if p.held != nil {
		*p.held = append(*p.held, s)
		return
	}
	if p.err == nil {
		_, p.err = p.w.WriteString(s + "\n")
	}
}

// hold returns the lines that f would write.
func (p *page) hold(f func()) []string {
	before := p.held
	var lines []string
	p.held = &lines
	f()
	p.held = before
	return lines
}

// paint colours a clean text.
func (p *page) paint(c color, s string) string {
	if !p.color || c == plain {
		return s
	}
	return "\x1b[" + colorCodes[c] + "m" + s + "\x1b[0m"
}

// banner starts a line with a coloured word.
func (p *page) banner(c color, word, rest string) {
	lines := wrap(word+": "+clean(rest), 0, 2, p.width)
	p.line(p.paint(c, word) + strings.TrimPrefix(lines[0], word))
	for _, l := range lines[1:] {
		p.line(l)
	}
}

// head begins a section.
func (p *page) head(s string) {
	p.line("")
	p.line(p.paint(bold, s))
}

// para writes a paragraph, its first line indented by first and the others by
// rest.
func (p *page) para(first, rest int, s string) { p.colored(plain, first, rest, s) }

func (p *page) colored(c color, first, rest int, s string) {
	for _, l := range wrap(clean(s), first, rest, p.width) {
		p.line(p.paint(c, l))
	}
}

// labelled writes a paragraph that begins with a label and is indented by it.
func (p *page) labelled(indent int, label, s string) {
	p.para(indent, indent+len(label), label+s)
}

func (p *page) flush() error {
	if p.err == nil {
		p.err = p.w.Flush()
	}
	if p.err != nil {
		return fmt.Errorf("write the report: %w", p.err)
	}
	return nil
}

// wrap breaks a clean text at spaces. A word that is longer than a line is cut.
func wrap(s string, first, rest, width int) []string {
	var lines []string
	indent := first
	width = max(width, max(first, rest)+20)
	for {
		room := width - indent
		cut, next := breakAt(s, room)
		lines = append(lines, strings.TrimRight(strings.Repeat(" ", indent)+cut, " "))
		if next == "" {
			return lines
		}
		s, indent = next, rest
	}
}

// breakAt splits a text so that the first part has at most room characters.
func breakAt(s string, room int) (head, tail string) {
	if utf8.RuneCountInString(s) <= room {
		return s, ""
	}
	at, n := 0, 0 // the byte after room characters
	for i := range s {
		if n == room {
			at = i
			break
		}
		n++
	}
	if s[at] == ' ' {
		return s[:at], strings.TrimLeft(s[at:], " ")
	}
	if i := strings.LastIndexByte(s[:at], ' '); i > 0 && strings.TrimSpace(s[:i]) != "" {
		return s[:i], s[i+1:]
	}
	return s[:at], s[at:]
}

// words lists cleaned names.
func words(names []string) string {
	var out []string
	for _, n := range names {
		out = append(out, clean(n))
	}
	return strings.Join(out, ", ")
}
