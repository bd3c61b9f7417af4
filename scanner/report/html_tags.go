package report

import (
	"bufio"
	"fmt"
	"html"
)

// tags writes HTML element by element and keeps the first error. What is given
// as text or as the value of an attribute is cleaned and escaped; names of
// elements and attributes are this program's own.
type tags struct {
	w   *bufio.Writer
	err error
}

// raw writes a text that is HTML already.
func (t *tags) raw(s string) {
	if t.err == nil {
		_, t.err = t.w.WriteString(s)
	}
}

// line writes a line that is HTML already.
func (t *tags) line(s string) { t.raw(s + "\n") }

// text writes untrusted text.
func (t *tags) text(s string) { t.raw(html.EscapeString(clean(s))) }

// open writes a start tag.
func (t *tags) open(name string, attrs ...attr) {
	t.raw("<" + name)
	for _, a := range attrs {
		t.raw(" " + a.name + `="`)
		t.text(a.value)
		t.raw(`"`)
	}
	t.raw(">")
}

// close writes an end tag, and ends the line.
func (t *tags) close(name string) { t.line("</" + name + ">") }

// el writes an element with text.
func (t *tags) el(name, s string, attrs ...attr) {
	t.open(name, attrs...)
	t.text(s)
	t.close(name)
}

func (t *tags) flush() error {
	if t.err == nil {
		t.err = t.w.Flush()
	}
	if t.err != nil {
		return fmt.Errorf("write the report: %w", t.err)
	}
	return nil
}
