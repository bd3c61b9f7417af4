package profiles

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in a profile, a site file, a list of targets or a flag,
// with the place and the cure. Load, LoadSite, ReadTargets and NewPlan return
// all mistakes that they found, joined by errors.Join.
type Error struct {
	File   string // the file, or the flag such as "--role"
	Line   int    // counted from 1; 0: the mistake has no place in the file
	Column int    // in characters, counted from 1
	Msg    string // what is wrong
	Hint   string // what would be right; may be empty
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	b.WriteString(": " + e.Msg)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// place is a position in a file.
type place struct{ line, column int }

// mistakes gathers the errors of one source, so that the user can mend all of
// them before the next try.
type mistakes struct {
	file  string
	limit int  // errors that are kept; further ones are counted
	flat  bool // the source is a flag or an argument, where lines and columns tell nobody anything
	list  []*Error
	more  int
}

// yamlLimit and targetLimit are how many mistakes are worth reading at once.
const (
	yamlLimit   = 50
	targetLimit = 20
)

func (m *mistakes) add(p place, hint, format string, args ...any) {
	if m.flat {
		p = place{}
	}
	if len(m.list) >= m.limit {
		m.more++
		return
	}
	m.list = append(m.list, &Error{File: m.file, Line: p.line, Column: p.column, Msg: fmt.Sprintf(format, args...), Hint: hint})
}

// count is how many mistakes there are.
func (m *mistakes) count() int { return len(m.list) + m.more }

// err joins the mistakes in the order of their places.
func (m *mistakes) err() error {
	slices.SortStableFunc(m.list, func(a, b *Error) int {
		if a.File != b.File {
			return 0 // sources keep the order in which they were read
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	errs := make([]error, 0, len(m.list)+1)
	for _, e := range m.list {
		errs = append(errs, e)
	}
	if m.more > 0 {
		errs = append(errs, fmt.Errorf("and %d more", m.more))
	}
	return errors.Join(errs...)
}
