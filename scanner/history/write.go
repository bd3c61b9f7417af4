package history

import (
	"bufio"
	"cmp"
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Version is the format of a memory's file: JSON Lines, a header, a line for
// each name, and an end that tells a whole file from one that was cut.
//
// Format 2 has, beside what 1 has, the receivers of notifications and what they
// were not told. It is written while there is something of that, and 1 else, so that an
// older program finds what it can read, or says that it cannot.
const Version = 2

// plainVersion is the format of a memory of which everybody was told.
const plainVersion = 1

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

	Receivers []receiverLine `json:"receivers,omitempty"`
}

// receiverLine is a receiver, and from when on it was not told something.
type receiverLine struct {
	ID    string    `json:"id"`
	Since time.Time `json:"since,omitzero"`
	Lost  string    `json:"lost,omitempty"`
	More  int       `json:"more,omitempty"`
}

// untoldLine is a path of which some receivers, a bit for each, were not told.
type untoldLine struct {
	Host     string        `json:"h"`
	Row      uint32        `json:"row"`
	Required bool          `json:"required,omitempty"`
	Was      verdict.State `json:"was,omitempty"`
	Turned   uint32        `json:"turned,omitempty"`
	Added    uint32        `json:"added,omitempty"`
	Gone     uint32        `json:"gone,omitempty"`
}

// line is a host: its name, whether an incomplete run reached it, and its paths
// as [path.text] writes them; or the end.
type line struct {
	Host    string   `json:"h,omitempty"`
	Reached bool     `json:"r,omitempty"`
	Paths   []string `json:"p,omitempty"`

	Untold *untoldLine `json:"untold,omitempty"`
	End    *end        `json:"end,omitempty"`
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
	if err := put(m.header()); err != nil {
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
	if err := m.writeUntold(put); err != nil {
		return err
	}
	e.Sum = fmt.Sprintf("%08x", sum.Sum32())
	if err := put(line{End: &e}); err != nil {
		return err
	}
	return out.Flush()
}

// header describes the memory.
func (m *Memory) header() header {
	in := m.info
	h := header{
		State: plainVersion, Version: in.Version, Run: in.Started, Complete: in.Complete, Vantage: in.Vantage, Site: in.Site,
		Confirm: in.Confirm.String(), Rows: append([]string{}, m.rows...),
	}
	if !m.waits() {
		return h
	}
	h.State = Version
	for _, r := range m.receivers {
		h.Receivers = append(h.Receivers, receiverLine{r.id, r.since, r.lost, r.more})
	}
	return h
}

// writeUntold writes the paths of which somebody was not told, in the order of
// their names and rows.
func (m *Memory) writeUntold(put func(any) error) error {
	byName := func(a, b pathKey) int { return cmp.Or(strings.Compare(a.host, b.host), cmp.Compare(a.row, b.row)) }
	for _, key := range slices.SortedFunc(maps.Keys(m.untold), byName) {
		u := m.untold[key]
		if err := put(line{Untold: &untoldLine{u.name, key.row, u.required, u.was, u.turned, u.added, u.gone}}); err != nil {
			return err
		}
	}
	return nil
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
