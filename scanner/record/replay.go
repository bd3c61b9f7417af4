package record

import (
	"cmreach/scanner"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/netip"
)

// Entry is one host of a record, with its rows and observations as the engine
// gave them, and the findings as they were written.
type Entry struct {
	Host     scanner.Host
	Findings []json.RawMessage
}

// Replay reads a record host by host.
type Replay struct {
	Header Header

	in     *reader
	survey surveyor
	rows   map[string]*scanner.Requirement
	end    *End
	cut    *Truncated
	hosts  int
}

// Open reads the header of a record.
func Open(r io.Reader) (*Replay, error) {
	p := &Replay{in: newReader(r), rows: map[string]*scanner.Requirement{}}
	m, err := p.in.next()
	if err != nil {
		return nil, err
	}
	p.Header = *m.Header // nothing else can come first
	p.survey.add(m, p.in.lines.at, p.in.lines.open)
	for _, row := range p.Header.Rows {
		if row == nil || row.ID == "" || p.rows[row.ID] != nil {
			return nil, &SyntaxError{Line: 1, Err: errors.New("the rows of the header are not named, or named twice")}
		}
		p.rows[row.ID] = row
	}
	return p, nil
}

// End is the last message. It is nil when the record has none, and before
// Hosts came to its end.
func (p *Replay) End() *End { return p.end }

// Truncated says how much could be read of a record that stops before its
// end; nil when it is whole, and before Hosts came to its end.
func (p *Replay) Truncated() *Truncated { return p.cut }

// Hosts yields the hosts of the record; it can be walked once. A record that
// was cut is no error here: see Truncated. A host of which only a part was
// written is left out, since missing evidence would be taken for silence.
func (p *Replay) Hosts() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var g group
		for {
			m, err := p.in.next()
			if errors.Is(err, io.EOF) || errors.As(err, &p.cut) {
				break
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			done, err := g.add(m, p.rows)
			if err != nil {
				yield(Entry{}, &SyntaxError{Line: p.in.lines.n, Err: err})
				return
			}
			p.survey.add(m, p.in.lines.at, p.in.lines.open)
			if done != nil {
				p.hosts++
				if !yield(*done, nil) {
					return
				}
			}
			if m.End != nil {
				p.end = m.End
			}
		}
		p.last(g.entry, yield)
	}
}

// last deals with a host that nothing follows. In a cut record it is complete
// only if every path has its finding.
func (p *Replay) last(e *Entry, yield func(Entry, error) bool) {
	if p.cut == nil {
		return // the end message closed the last host
	}
	if e != nil {
		if len(e.Findings) == len(e.Host.Rows) {
			p.hosts++
			p.cut.Hosts = p.hosts
			yield(*e, nil)
			return
		}
		p.cut.LostHost = e.Host.Name
	}
	p.cut.Hosts = p.hosts
}

// group gathers the messages of one host.
type group struct {
	entry   *Entry
	evident bool // an observation or a finding came: the paths are over
	size    size
}

// size is how much the host before had: the next one mostly has as much.
type size struct{ rows, observations, findings int }

// entry makes a host with room for as much.
func (s size) entry(name string, addr netip.Addr) *Entry {
	e := &Entry{Host: scanner.Host{Name: name, Addr: addr}}
	if s.rows > 0 {
		e.Host.Rows = make([]*scanner.Requirement, 0, s.rows)
	}
	if s.observations > 0 {
		e.Host.Observations = make([]scanner.Observation, 0, min(s.observations, maxRoom))
	}
	if s.findings > 0 {
		e.Findings = make([]json.RawMessage, 0, s.findings)
	}
	return e
}

// maxRoom bounds the room for observations that a host may not have.
const maxRoom = 64

// add takes a message and returns the host that it completes.
func (g *group) add(m Message, rows map[string]*scanner.Requirement) (*Entry, error) {
	switch {
	case m.Path != nil:
		row := rows[m.Path.Requirement]
		if row == nil {
			return nil, fmt.Errorf("row %q is not in the header", m.Path.Requirement)
		}
		var done *Entry
		if g.evident || !g.is(m.Path.Host, m.Path.Addr) {
			done = g.close()
			g.entry = g.size.entry(m.Path.Host, m.Path.Addr)
		}
		g.entry.Host.Rows = append(g.entry.Host.Rows, row)
		if m.Path.Boundary != "" {
			g.entry.Host.Boundary = m.Path.Boundary
		}
		g.entry.Host.Tags = append(g.entry.Host.Tags, m.Path.Tags...)
		g.entry.Host.Addresses = max(g.entry.Host.Addresses, m.Path.Addresses)
		return done, nil
	case m.Observation != nil:
		if !g.is(m.Observation.Host, m.Observation.Addr) {
			return nil, fmt.Errorf("an observation of host %q, which has no path before it", m.Observation.Host)
		}
		g.evident = true
		g.entry.Host.Observations = append(g.entry.Host.Observations, m.Observation.Observation)
	case m.Finding != nil:
		if g.entry == nil {
			return nil, errors.New("a finding without a path before it")
		}
		g.evident = true
		g.entry.Findings = append(g.entry.Findings, m.Finding)
	case m.Cause != nil, m.End != nil:
		return g.close(), nil
	}
	return nil, nil
}

func (g *group) is(name string, addr netip.Addr) bool {
	return g.entry != nil && g.entry.Host.Name == name && g.entry.Host.Addr == addr
}

func (g *group) close() *Entry {
	done := g.entry
	*g = group{size: g.size}
	if done != nil {
		g.size = size{len(done.Host.Rows), len(done.Host.Observations), len(done.Findings)}
		if g.size.observations == 0 {
			done.Host.Observations = nil
		}
		if g.size.findings == 0 {
			done.Findings = nil
		}
	}
	return done
}
