package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Survey is what there is of a record that its writer may not have finished.
type Survey struct {
	Whole    int64     // bytes up to the end of the last host that is there with all its messages
	Open     bool      // the last of these bytes should be, but is not, the end of a line
	Hosts    int       // addresses that are there with all their messages
	Progress *Progress // the latest within the whole part; nil: there is none
	End      *End      // nil: the writer was killed
}

// Inspect finds out up to where a record can be kept when the run that it is of
// goes on: what follows the last whole host, such as a host of which some lines
// were not written any more, the causes and the end, is to be written again. It
// looks at the kinds of the messages and not at what they say: a [Replay] of
// the whole part does.
func Inspect(r io.Reader) (Survey, error) {
	in := lines{r: bufio.NewReaderSize(r, 1<<16)}
	var s surveyor
	var at int64
	for {
		b, whole, err := in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return s.Survey, err
		}
		at += int64(len(b))
		if whole {
			at++
		}
		if in.n == 1 {
			if err := checkHeader(b); err != nil {
				return s.Survey, syntax(1, err)
			}
		}
		if !whole && !json.Valid(b) {
			break // torn
		}
		kind, err := kindOf(b)
		if err == nil {
			err = s.add(kind, b, at, !whole)
		}
		if err != nil {
			return s.Survey, &SyntaxError{Line: in.n, Err: err}
		}
	}
	if in.n == 0 {
		return s.Survey, syntax(1, errors.New("the file is empty"))
	}
	return s.Survey, nil
}

// surveyor counts the messages of the host that it is at.
type surveyor struct {
	Survey
	paths, findings int
	over            bool // the causes or the end came
}

// add takes a message that ends at a place of the file, open without the end of its line.
func (s *surveyor) add(kind string, b []byte, at int64, open bool) error {
	if s.End != nil {
		return errors.New("something follows the end")
	}
	keep := func() { s.Whole, s.Open = at, open }
	switch kind {
	case "header":
		keep()
	case "path":
		if s.findings > 0 {
			s.paths, s.findings = 0, 0
		}
		s.paths++
	case "finding":
		if s.findings++; s.findings == s.paths && !s.over {
			s.Hosts++
			keep()
		}
	case "progress":
		if s.findings != s.paths || s.over {
			return nil
		}
		var m struct{ Progress *Progress }
		if err := json.Unmarshal(b, &m); err != nil {
			return err
		}
		s.Progress = m.Progress
		keep()
	case "cause":
		s.over = true
	case "end":
		s.over = true
		var m struct{ End *End }
		if err := json.Unmarshal(b, &m); err != nil {
			return err
		}
		s.End = m.End
	}
	return nil
}

// kinds are the kinds of messages, the most frequent first.
var kinds = [...]string{"observation", "path", "finding", "progress", "cause", "header", "end"}

// kindOf says which message a line holds: by how it begins, as the Writer
// writes it, else by reading all of it.
func kindOf(b []byte) (string, error) {
	if rest, ok := bytes.CutPrefix(b, []byte(`{"`)); ok && bytes.HasSuffix(b, []byte("}}")) {
		for _, k := range kinds {
			if after, ok := bytes.CutPrefix(rest, []byte(k)); ok && bytes.HasPrefix(after, []byte(`":{`)) && (k != "end" && k != "header" || json.Valid(b)) {
				return k, nil
			}
		}
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		return "", err
	}
	for _, k := range kinds {
		if _, ok := m[k]; ok && len(m) == 1 {
			return k, nil
		}
	}
	return "", fmt.Errorf("%.40q is no message", b)
}
