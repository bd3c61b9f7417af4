package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// Survey is what there is of a record that its writer may not have finished.
type Survey struct {
	Whole    int64     // bytes up to the end of the last host that is there with all its messages
	Open     bool      // the last of these bytes should be, but is not, the end of a line
	Hosts    int       // addresses that are there with all their messages
	Progress *Progress // the latest within the whole part; nil: there is none
	End      *End      // nil: the writer was killed
}

// Survey says, of what was read until now, up to where the record can be kept
// when the run that it is of goes on: what follows the last whole host, such as
// a host of which some lines were not written any more, the causes and the end,
// is to be written again.
func (p *Replay) Survey() Survey { return p.survey.Survey }

// surveyor counts the messages of the host that it is at.
type surveyor struct {
	Survey
	paths, findings int
	over            bool // the causes or the end came
}

// add takes a message that ends at a place of the file, open without the end of its line.
func (s *surveyor) add(m Message, at int64, open bool) {
	keep := func() { s.Whole, s.Open = at, open }
	switch {
	case m.Header != nil:
		keep()
	case m.Path != nil:
		if s.findings > 0 {
			s.paths, s.findings = 0, 0
		}
		s.paths++
	case m.Finding != nil:
		if s.findings++; s.findings == s.paths && !s.over {
			s.Hosts++
			keep()
		}
	case m.Progress != nil && s.findings == s.paths && !s.over:
		s.Progress = m.Progress
		keep()
	case m.Cause != nil:
		s.over = true
	case m.End != nil:
		s.over, s.End = true, m.End
	}
}

// LastEnd reads the end message of a record that its writer closed, without
// reading the record; nil when its last line is another one.
func LastEnd(f *os.File) (*End, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, info.Size()-MaxLine-1)
	b := make([]byte, info.Size()-from)
	if _, err := f.ReadAt(b, from); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the end of the record: %w", err)
	}
	b = bytes.TrimSuffix(b, []byte("\n"))
	b = b[bytes.LastIndexByte(b, '\n')+1:]
	var m Message
	if strict(b, &m) != nil || m.fields() != 1 {
		return nil, nil //nolint:nilerr // a line that was cut off, which is no end
	}
	return m.End, nil
}
