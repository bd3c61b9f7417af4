package report

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"strings"
)

// attr is an attribute of an XML element.
type attr struct{ name, value string }

// markup writes XML element by element, indented, without CDATA, and keeps the
// first error and the number of elements. encoding/xml's encoder writes the line ends of a text as
// character references, which leaves a failure's text hard to read in a diff.
type markup struct {
	w        *bufio.Writer
	err      error
	elements int
}

func (m *markup) raw(s string) {
	if m.err == nil {
		_, m.err = m.w.WriteString(s)
	}
}

func (m *markup) bytes(b []byte) {
	if m.err == nil {
		_, m.err = m.w.Write(b)
	}
}

// text writes a text of several lines; each is cleaned and escaped.
func (m *markup) text(s string) {
	for i, line := range strings.Split(s, "\n") {
		if i > 0 {
			m.raw("\n")
		}
		m.escape(line)
	}
}

func (m *markup) escape(s string) {
	if m.err == nil {
		m.err = xml.EscapeText(m.w, []byte(clean(s)))
	}
}

// open writes a start tag.
func (m *markup) open(depth int, name string, attrs ...attr) {
	m.start(depth, name, attrs)
	m.raw(">")
}

// empty writes an element without content.
func (m *markup) empty(depth int, name string, attrs ...attr) {
	m.start(depth, name, attrs)
	m.raw("/>\n")
}

// leaf writes an element with text.
func (m *markup) leaf(depth int, name, text string, attrs ...attr) {
	m.open(depth, name, attrs...)
	m.text(text)
	m.raw("</" + name + ">\n")
}

func (m *markup) close(depth int, name string) {
	m.raw(strings.Repeat("  ", depth) + "</" + name + ">\n")
}

func (m *markup) start(depth int, name string, attrs []attr) {
	m.elements++
	m.raw(strings.Repeat("  ", depth) + "<" + name)
	for _, a := range attrs {
		m.raw(" " + a.name + `="`)
		m.escape(a.value)
		m.raw(`"`)
	}
}

func (m *markup) flush() error {
	if m.err == nil {
		m.err = m.w.Flush()
	}
	if m.err != nil {
		return fmt.Errorf("write the report: %w", m.err)
	}
	return nil
}
