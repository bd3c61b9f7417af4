package report

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/cause"
	"cmreach/scanner/record"
	"cmreach/scanner/verdict"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
)

// ExitInterrupted is the exit code of a run that was stopped by a signal.
const ExitInterrupted = 130

// Source opens a record at its beginning. It is called once for each walk.
type Source func() (io.ReadCloser, error)

// Judge forms the opinion on a host. The header says from where was looked.
type Judge func(h record.Header, host scanner.Host) []verdict.Finding

// Options say how a record is to be read.
type Options struct {
	// Judge judges the hosts anew. Nil takes the findings as they were written;
	// those of a merged record are always taken so.
	Judge Judge
	// Fail are the states that count as failure; 0 means verdict.DefaultFail.
	Fail verdict.StateSet
}

// Run is a recorded run, ready to be reported.
type Run struct {
	Header    record.Header
	End       record.End        // zero when the record was cut
	Truncated *record.Truncated // of a record without an end; else nil
	Tally     *verdict.Tally
	Causes    []cause.Cause
	Coverage  verdict.Coverages // by profile
	Silent    int               // endpoints that answered nothing to single packets

	Remarked int // hosts of which the name service says different things

	source Source
	judge  Judge
}

// Host is one host of a run.
type Host struct {
	scanner.Host
	Findings []verdict.Finding
}

// Load reads a record and sums it up. A record that was cut is no error: what
// could be read is reported, and Truncated says what was lost.
func Load(src Source, o Options) (*Run, error) {
	if o.Fail == 0 {
		o.Fail = verdict.DefaultFail
	}
	r := &Run{Tally: verdict.NewTally(o.Fail), source: src, judge: o.Judge}
	var failed error
	r.Causes = cause.Group(func(yield func(verdict.Finding) bool) {
		failed = r.walk(func(h Host) bool {
			r.Tally.AddHost(h.Findings)
			r.Coverage.AddHost(h.Findings)
			r.Silent += silent(h.Observations)
			if slices.ContainsFunc(h.Observations, func(o scanner.Observation) bool { return o.Probe == scanner.NameAudit }) {
				r.Remarked++
			}
			for _, f := range h.Findings {
				if !yield(f) {
					return false
				}
			}
			return true
		})
	})
	if failed != nil {
		return nil, failed
	}
	return r, nil
}

// Hosts walks the record again.
func (r *Run) Hosts() iter.Seq2[Host, error] {
	return func(yield func(Host, error) bool) {
		stopped := false
		err := r.walk(func(h Host) bool {
			stopped = !yield(h, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(Host{}, err)
		}
	}
}

// Complete reports whether all of the plan was checked.
func (r *Run) Complete() bool {
	return r.Truncated == nil && !r.End.Interrupted && r.End.Err == ""
}

// Exit is the exit code of the run, judged as it was loaded.
func (r *Run) Exit() int {
	switch {
	case r.End.Interrupted:
		return ExitInterrupted
	case r.End.Err != "":
		return max(r.Tally.Exit(), verdict.ExitError) // what was found is incomplete, by this machine's fault
	default:
		return r.Tally.Exit()
	}
}

// walk gives each host to visit until that returns false.
func (r *Run) walk(visit func(Host) bool) (err error) {
	in, err := r.source()
	if err != nil {
		return fmt.Errorf("open the record: %w", err)
	}
	defer func() { _ = in.Close() }() // only read: what was read is checked
	p, err := record.Open(in)
	if err != nil {
		return err
	}
	r.Header = p.Header
	for e, err := range p.Hosts() {
		if err != nil {
			return err
		}
		h, err := r.host(e)
		if err != nil {
			return err
		}
		if !visit(h) {
			return nil
		}
	}
	if end := p.End(); end != nil {
		r.End = *end
	}
	r.Truncated = p.Truncated()
	return nil
}

// host judges one host of the record.
func (r *Run) host(e record.Entry) (Host, error) {
	h := Host{Host: e.Host}
	if r.judge != nil && len(r.Header.Merged) == 0 {
		h.Findings = r.judge(r.Header, e.Host)
		verdict.Satisfy(h.Findings)
		return h, nil
	}
	for _, raw := range e.Findings {
		var f verdict.Finding
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(&f); err != nil {
			return h, fmt.Errorf("a finding of host %q: %w", e.Host.Name, err)
		}
		h.Findings = append(h.Findings, f)
	}
	verdict.Satisfy(h.Findings)
	return h, nil
}

// silent counts the endpoints whose silence was taken for an answer.
func silent(observations []scanner.Observation) int {
	n := 0
	for _, o := range observations {
		if o.Sweep() && o.Outcome == scanner.Silent {
			n++
		}
	}
	return n
}
