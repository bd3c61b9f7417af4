package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// reader reads one message after the other.
type reader struct {
	lines lines
	fast  fast
	cut   Truncated
	ended bool // the end message came
}

func newReader(r io.Reader) *reader {
	return &reader{lines: lines{r: bufio.NewReaderSize(r, 64<<10)}}
}

// next returns the next message; io.EOF after the last one of a whole record,
// and a *[Truncated] where a record stops before its end. A line that cannot be
// understood is a *[SyntaxError], another version of the format a
// *[VersionError]. The message is valid until the next call, its finding longer.
func (r *reader) next() (Message, error) {
	b, whole, err := r.lines.next()
	if errors.Is(err, io.EOF) {
		return Message{}, r.finish()
	}
	if err != nil {
		return Message{}, err
	}
	line := r.lines.n
	if whole && line > 1 && !r.ended {
		if m, ok := r.fast.message(b); ok {
			r.cut.Lines++
			return m, nil
		}
	}
	if !whole && line > 1 && !json.Valid(b) {
		r.cut.LostBytes = len(b)
		return Message{}, r.finish()
	}
	m, err := decode(b, line)
	if err == nil && r.ended {
		err = errors.New("something follows the end")
	}
	if err != nil {
		return Message{}, syntax(line, err)
	}
	r.cut.Lines++
	if m.Header != nil {
		r.cut.Planned = m.Header.Targets
	}
	r.ended = m.End != nil
	return m, nil
}

// finish says how the stream stopped.
func (r *reader) finish() error {
	switch {
	case r.lines.n == 0:
		return syntax(1, errors.New("the file is empty"))
	case r.ended && r.cut.LostBytes == 0:
		return io.EOF
	default:
		return &r.cut
	}
}

// syntax adds the line to an error that does not speak for itself.
func syntax(line int, err error) error {
	var v *VersionError
	if errors.As(err, &v) {
		return err
	}
	return &SyntaxError{Line: line, Err: err}
}

// lines cuts a stream into lines of at most MaxLine bytes.
type lines struct {
	r    *bufio.Reader
	buf  []byte
	n    int   // lines given out
	at   int64 // bytes of them, with their ends
	open bool  // the last one has no newline
}

// next returns a line without its end, valid until the next call. whole is
// false for a last line that has no newline.
func (l *lines) next() (line []byte, whole bool, err error) {
	l.buf = l.buf[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		if err == nil && len(l.buf) == 0 {
			l.n++
			l.at += int64(len(part))
			return part[:len(part)-1], true, nil
		}
		l.buf = append(l.buf, part...)
		whole = err == nil
		if whole {
			l.buf = l.buf[:len(l.buf)-1]
		}
		switch {
		case len(l.buf) > MaxLine:
			return nil, false, &SyntaxError{Line: l.n + 1, Err: fmt.Errorf("longer than %d bytes", MaxLine)}
		case whole, errors.Is(err, io.EOF) && len(l.buf) > 0:
			l.n++
			l.at += int64(len(l.buf))
			if l.open = !whole; whole {
				l.at++
			}
			return l.buf, whole, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return nil, false, io.EOF
		default:
			return nil, false, fmt.Errorf("read the record after line %d: %w", l.n, err)
		}
	}
}

// decode reads one message. Only the first line may be, and has to be, the
// header.
func decode(b []byte, line int) (Message, error) {
	var m Message
	if line == 1 {
		if err := checkHeader(b); err != nil {
			return m, err
		}
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return m, errors.New("empty line")
	}
	if err := strict(b, &m); err != nil {
		return Message{}, err
	}
	switch n := m.fields(); {
	case n != 1:
		return Message{}, fmt.Errorf("%d messages in one line, want 1", n)
	case m.Header != nil && line != 1:
		return Message{}, errors.New("a second header")
	}
	return m, nil
}

// checkHeader looks at the version alone, before the strict reading: a newer
// header may well have fields that this program does not know.
func checkHeader(b []byte) error {
	var first struct {
		Schema string `json:"schema"`
		Header *struct {
			Schema  string `json:"schema"`
			Version string `json:"version"`
		} `json:"header"`
	}
	const want = "not a record of cmreach (a record is what -o jsonl=FILE writes)"
	if bytes.HasPrefix(b, []byte(`{"schema":"cmreach/`)) && !json.Valid(b) { // the first of a report's many lines
		return fmt.Errorf("a report in JSON, %s", want)
	}
	if err := json.Unmarshal(b, &first); err != nil {
		return fmt.Errorf("%s: %w", want, err)
	}
	switch h := first.Header; {
	case h == nil && first.Schema != "":
		return fmt.Errorf("a report in JSON, %s", want)
	case h == nil || h.Schema == "":
		return errors.New(want)
	case h.Schema != Schema:
		return &VersionError{Found: h.Schema, Writer: h.Version, Support: Schema}
	}
	return nil
}

// strict decodes one JSON object and nothing else. A field that is not known
// is an error: dropping it silently could change the meaning.
func strict(b []byte, m *Message) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return err
	}
	if len(bytes.TrimSpace(b[d.InputOffset():])) > 0 {
		return errors.New("more than one JSON value")
	}
	return nil
}
