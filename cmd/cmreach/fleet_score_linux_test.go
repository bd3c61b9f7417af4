package main

import (
	"bufio"
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/record"
	"cmreach/scanner/verdict"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
)

// score is what a record of a fleet is worth.
type score struct {
	paths, right int
	named        int // of the right ones: blocked by the one who rejects
	rationed     int // of the right ones: blocked, perhaps by one who rations its rejections
	open         int // called open wrongly
	blocked      int // called blocked wrongly, or by somebody who did not do it
	unnamed      int // of blocked: paths that are, but the one who says so was not believed or not heard
	other        int // any other wrong verdict
	undecided    int // called inconclusive, or this machine's error, where the fleet's answers decide
	missing      int // no verdict
	double       int // more than one verdict
	end          *record.End
	silent       map[netip.AddrPort]int // tries of TCP paths that stayed silent; nil: not kept
	samples      []string               // some of what is not right
}

// wrong is how many verdicts say what is not so.
func (s *score) wrong() int { return s.open + s.blocked + s.other + s.double }

func (s *score) String() string {
	return fmt.Sprintf("%d of %d paths right; wrong: %d open, %d blocked (%d taken for silence), %d other; %d undecided, %d missing, %d double",
		s.right, s.paths, s.open, s.blocked, s.unnamed, s.other, s.undecided, s.missing, s.double)
}

// told is what is read of a verdict. A record has millions of lines, so that
// it is read line by line, and the verdicts alone.
type told struct {
	Requirement string        `json:"requirement"`
	Addr        netip.Addr    `json:"addr"`
	State       verdict.State `json:"state"`
	Reason      string        `json:"reason"`
	By          netip.Addr    `json:"by"`
	Message     string        `json:"message"`
}

// scoreRecord holds a record against the truth. It needs a byte for each host.
func (p *fleetPlan) scoreRecord(file string) (*score, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := &score{paths: p.hosts * len(p.checks())}
	if p.counted {
		s.silent = map[netip.AddrPort]int{}
	}
	seen := make([]uint8, p.hosts) // a bit for each check
	r := bufio.NewReaderSize(f, record.MaxLine)
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, io.EOF) { // a line without an end is one that a kill cut off
			break
		}
		if err != nil {
			return nil, err
		}
		if err := p.scoreLine(s, seen, line); err != nil {
			return nil, fmt.Errorf("%w in %s", err, line)
		}
	}
	for _, bits := range seen {
		for _, c := range p.checks() {
			if bits>>c&1 == 0 {
				s.missing++
			}
		}
	}
	return s, nil
}

func (p *fleetPlan) scoreLine(s *score, seen []uint8, line []byte) error {
	switch {
	case bytes.HasPrefix(line, []byte(`{"finding":`)):
		var m struct{ Finding told }
		if err := json.Unmarshal(line, &m); err != nil {
			return err
		}
		return p.scoreFinding(s, seen, &m.Finding)
	case s.silent != nil && bytes.HasPrefix(line, []byte(`{"observation":`)):
		var m struct {
			Observation struct {
				Addr netip.Addr `json:"addr"`
				scanner.Observation
			}
		}
		err := json.Unmarshal(line, &m)
		if o := m.Observation; o.Sweep() && o.Protocol == scanner.TCP && o.Outcome == scanner.Silent {
			s.silent[netip.AddrPortFrom(o.Addr, o.Port)] = o.Tries
		}
		return err
	case bytes.HasPrefix(line, []byte(`{"end":`)):
		var m record.Message
		err := json.Unmarshal(line, &m)
		s.end = m.End
		return err
	}
	return nil
}

func (p *fleetPlan) scoreFinding(s *score, seen []uint8, f *told) error {
	host, check := p.index(f.Addr), -1
	for c := range fleetChecks {
		if fleetChecks[c].row == f.Requirement || fleetChecks[c].push == f.Requirement {
			check = c
		}
	}
	if host < 0 || check < 0 {
		return errors.New("a verdict on what nobody asked for")
	}
	if seen[host]>>check&1 != 0 {
		s.double++
		s.sample(f, "a second verdict")
		return nil
	}
	seen[host] |= 1 << check
	w := p.want(host, check)
	switch {
	case f.State == w.state && (!w.by.IsValid() || f.By == w.by):
		s.right++
		if w.by.IsValid() {
			s.named++
		}
		return nil
	case f.State == w.state && w.rationed && !f.By.IsValid():
		s.right++
		if f.Reason == "blocked.rationed" {
			s.rationed++
		}
		return nil
	case f.State == verdict.Inconclusive && w.doubt:
		s.right++
		return nil
	case f.State == verdict.Inconclusive && strings.HasPrefix(f.Reason, "inconclusive.") && f.Message != "",
		f.State == verdict.Error && f.Message != "":
		s.undecided++
	case f.State == verdict.Open:
		s.open++
	case f.State == verdict.Blocked:
		s.blocked++
		if w.state == verdict.Blocked {
			s.unnamed++
		}
	default:
		s.other++
	}
	s.sample(f, fmt.Sprintf("want %s by %s", w.state, w.by))
	return nil
}

// sample keeps a few of the verdicts that are not right, of each kind.
func (s *score) sample(f *told, want string) {
	head := fmt.Sprintf("%s (%s) ", f.State, f.Reason)
	same := 0
	for _, have := range s.samples {
		if strings.Contains(have, head) {
			same++
		}
	}
	if same < 3 && len(s.samples) < 12 {
		s.samples = append(s.samples, fmt.Sprintf("%s %s: got %sby %s, %s: %s", f.Addr, f.Requirement, head, f.By, want, f.Message))
	}
}
