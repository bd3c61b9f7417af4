package history

import (
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"fmt"
	"strings"
	"time"
)

// Memory is what is remembered of the paths of a plan from run to run.
type Memory struct {
	info  Info // of the last run
	rows  []string
	row   map[string]uint32
	hosts map[string]*host // by the folded name
	lost  string
	put   string

	receivers []receiver // who is told of the changes
	untold    map[pathKey]*untold
	fresh     []fresh // of the run that was compared last
	freshLoss string
}

// Info says of which run a memory is.
type Info struct {
	Version  string // of cmreach
	Started  time.Time
	Vantage  scanner.Role
	Site     string
	Complete bool
	Confirm  Confirm
}

// host has the paths of one name.
type host struct {
	name    string
	paths   []path
	before  bool // reached by the run of the memory, which was incomplete
	reached bool // by this run
}

// New returns a memory of nothing.
func New() *Memory {
	return &Memory{row: map[string]uint32{}, hosts: map[string]*host{}, untold: map[pathKey]*untold{}}
}

// Last is the run that the memory is of; zero for a memory of nothing.
func (m *Memory) Last() Info { return m.info }

// Lose makes it known that an older memory could not be read, and why, and
// where it is put aside.
func (m *Memory) Lose(why, keptAs string) { m.lost, m.put = why, keptAs }

// Fits refuses a run that looks from elsewhere, or at another site: what one
// has proven says nothing of the other.
func (m *Memory) Fits(in Info) error {
	last := m.info
	switch {
	case last.Started.IsZero():
		return nil
	case last.Vantage != in.Vantage:
		return fmt.Errorf("it is of runs from the vantage %q, and this one is from %q: give each a file of its own", last.Vantage, in.Vantage)
	case last.Site != "" && in.Site != "" && last.Site != in.Site:
		return fmt.Errorf("it is of the site %q, and this run is of %q: give each a file of its own", last.Site, in.Site)
	default:
		return nil
	}
}

// Known refuses a run that the memory holds already: to count it again would
// confirm it by itself. A run that was incomplete then may be gone on with.
func (m *Memory) Known(started time.Time) error {
	last := m.info
	switch {
	case last.Started.IsZero() || started.After(last.Started):
		return nil
	case started.Equal(last.Started) && !last.Complete:
		return nil
	case started.Equal(last.Started):
		return fmt.Errorf("it has this run, of %s, already", stamp(started))
	default:
		return fmt.Errorf("it has a newer run, of %s, than this one, of %s", stamp(last.Started), stamp(started))
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// fold makes one of all spellings of a name: DNS does not tell upper case from
// lower case (RFC 4343), and a dot at the end says only that it is whole.
func fold(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// path finds or makes the path of a name and a row. The guess is where it most
// likely is among those of the host.
func (m *Memory) path(h *host, requirement string, guess int) *path {
	if guess < len(h.paths) && m.rows[h.paths[guess].row] == requirement {
		return &h.paths[guess]
	}
	row := m.rowOf(requirement)
	for i := range h.paths {
		if h.paths[i].row == row {
			return &h.paths[i]
		}
	}
	h.paths = append(h.paths, path{row: row, added: true})
	return &h.paths[len(h.paths)-1]
}

func (m *Memory) rowOf(requirement string) uint32 {
	row, ok := m.row[requirement]
	if !ok {
		row = uint32(len(m.rows)) //nolint:gosec // there are few rows
		m.rows = append(m.rows, requirement)
		m.row[requirement] = row
	}
	return row
}

func (m *Memory) host(name string) *host {
	key := fold(name)
	h := m.hosts[key]
	if h == nil {
		h = &host{name: name}
		m.hosts[key] = h
	}
	return h
}

// Comparison takes the hosts of one run, and compares them with the memory.
type Comparison struct {
	m     *Memory
	info  Info
	fail  verdict.StateSet
	again bool // the run is the one of the memory, gone on with
	first bool
}

// Compare begins the comparison of a run with the memory, which takes the run
// in when the comparison ends. The states in fail count as broken.
func (m *Memory) Compare(in Info, fail verdict.StateSet) *Comparison {
	in.Confirm = in.Confirm.orDefault()
	return &Comparison{
		m: m, info: in, fail: fail, first: m.info.Started.IsZero(),
		again: !m.info.Complete && m.info.Started.Equal(in.Started),
	}
}
