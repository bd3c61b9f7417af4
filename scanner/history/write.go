package history

import (
	"bufio"
	"cmreach/scanner"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Version is the format of a memory's file: JSON Lines, a header, a line for
// each name, and an end that tells a whole file from one that was cut.
const Version = 1

// header is the first line.
type header struct {
	State    int          `json:"cmreach_state"` // the version of the format; first, so that a file is known by it
	Version  string       `json:"version"`       // of cmreach
	Run      time.Time    `json:"run"`           // when the last run started
	Complete bool         `json:"complete"`      // and whether it was
	Vantage  scanner.Role `json:"vantage"`
	Site     string       `json:"site,omitempty"`
	Confirm  string       `json:"confirm"`
	Rows     []string     `json:"rows"`
}

// line is a host: its name, whether an incomplete run reached it, and its paths
// as [path.text] writes them; or the end.
type line struct {
	Host    string   `json:"h,omitempty"`
	Reached bool     `json:"r,omitempty"`
	Paths   []string `json:"p,omitempty"`
	End     *end     `json:"end,omitempty"`
}

// end closes a file.
type end struct {
	Hosts int    `json:"hosts"`
	Paths int    `json:"paths"`
	Sum   string `json:"crc32c"` // of all bytes before this line
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Write writes the memory, host by host in the order of their names: the same
// memory gives the same bytes.
func (m *Memory) Write(w io.Writer) error {
	out := bufio.NewWriterSize(w, 64<<10)
	sum := crc32.New(castagnoli)
	put := func(v any) error {
		b, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("encode the state: %w", err)
		}
		b = append(b, '\n')
		_, _ = sum.Write(b) // a sum never fails
		_, err = out.Write(b)
		return err
	}
	in := m.info
	err := put(header{
		State: Version, Version: in.Version, Run: in.Started, Complete: in.Complete, Vantage: in.Vantage, Site: in.Site,
		Confirm: in.Confirm.String(), Rows: append([]string{}, m.rows...),
	})
	if err != nil {
		return err
	}
	e := end{Hosts: len(m.hosts)}
	var paths []string
	var text []byte
	for _, key := range slices.Sorted(maps.Keys(m.hosts)) {
		h := m.hosts[key]
		paths = paths[:0]
		for i := range h.paths {
			text = h.paths[i].text(text[:0])
			paths = append(paths, string(text))
		}
		e.Paths += len(paths)
		if err := put(line{Host: h.name, Reached: h.before, Paths: paths}); err != nil {
			return err
		}
	}
	e.Sum = fmt.Sprintf("%08x", sum.Sum32())
	if err := put(line{End: &e}); err != nil {
		return err
	}
	return out.Flush()
}

// The letters of a path's line.
const (
	kindLetters = "-o?dx" // by kind
	needLetters = "ir"    // informational, required
)

// text writes a path in six words: the place of its row among those of the
// header, its need, its standing (with ~ when it is flapping), its state, the
// time of the run that confirmed it, and the last results, the newest at the end:
// "0 r x blocked 1795256400 oox".
func (p *path) text(b []byte) []byte {
	b = strconv.AppendUint(b, uint64(p.row), 10)
	need := 0
	if p.required {
		need = 1
	}
	b = append(b, ' ', needLetters[need], ' ', kindLetters[p.standing])
	if p.flapping {
		b = append(b, '~')
	}
	b = append(append(append(b, ' '), p.state.String()...), ' ')
	b = append(strconv.AppendInt(b, p.since, 10), ' ')
	if p.results.n == 0 {
		b = append(b, '-')
	}
	for i := int(p.results.n) - 1; i >= 0; i-- {
		k := kindGood
		switch {
		case p.results.bad>>i&1 != 0:
			k = kindBad
		case p.results.trouble>>i&1 != 0:
			k = kindAway
		}
		b = append(b, kindLetters[k])
	}
	return b
}
