package report

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/cause"
	"cmreach/scanner/history"
	"cmreach/scanner/record"
	"cmreach/scanner/verdict"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
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
	// Fail says what counts as failure; its zero value means verdict.DefaultFail.
	Fail verdict.FailOn
	// Compare begins the comparison with earlier runs, once the header is known.
	// Nil: there is nothing to compare with.
	Compare func(record.Header) *history.Comparison
}

// Run is a run, summed up host by host: while it goes on, or out of its record.
// What it keeps does not grow with the number of hosts; whatever lists every
// host walks the record.
type Run struct {
	Header    record.Header
	End       record.End        // zero when the record was cut
	Truncated *record.Truncated // of a record without an end; else nil
	Tally     *verdict.Tally
	Causes    []cause.Cause
	Coverage  verdict.Coverages // by profile
	Silent    int               // endpoints that answered nothing to single packets

	Remarked int // hosts of which the name service says different things

	Changes *history.Changes // nil: the run was not compared with earlier ones

	source  Source // nil: there is no record
	judge   Judge
	grouper *cause.Grouper // nil: the causes are known
	compare *history.Comparison
	look    look
	tags    tagNames
	advisor *cause.Advisor
}

// Host is one host of a run.
type Host struct {
	scanner.Host
	Findings []verdict.Finding
}

// New begins the account of a run that is under way. The source is its record,
// for the formats that list every host; nil: none of them will be asked for.
func New(h record.Header, src Source, o Options) *Run {
	if o.Fail.States == 0 && len(o.Fail.Limits) == 0 {
		o.Fail.States = verdict.DefaultFail
	}
	r := &Run{
		Header: h, Tally: verdict.NewTally(o.Fail.States, o.Fail.Limits...), source: src, judge: o.Judge, grouper: cause.NewGrouper(),
		look: newLook(), advisor: newAdvisor(h, o.Fail.All()),
	}
	if o.Compare != nil {
		r.compare = o.Compare(h)
	}
	return r
}

// Add takes a host that is done, in the order of the record.
func (r *Run) Add(h *Host) {
	class := r.Tally.AddHost(h.Findings)
	r.Coverage.AddHost(h.Findings)
	r.grouper.AddHost(h.Findings)
	r.look.add(h, class)
	if r.compare != nil {
		r.compare.Add(h.Findings)
	}
	r.tags.addHost(h.Findings)
	r.advisor.AddHost(&h.Host, h.Findings)
	remarked := false
	for i := range h.Observations {
		o := &h.Observations[i]
		if o.Outcome == scanner.Silent && o.Sweep() { // its silence was taken for an answer
			r.Silent++
		}
		remarked = remarked || o.Probe == scanner.NameAudit
	}
	if remarked {
		r.Remarked++
	}
}

// Close ends the account: with the end of the run, or with what is known of a
// record that has none.
func (r *Run) Close(end record.End, cut *record.Truncated) {
	r.End, r.Truncated = end, cut
	r.Tally.Settle()
	r.Causes, r.grouper = r.grouper.Causes(), nil
	r.advisor.Close(r.Complete())
	if r.compare != nil {
		changes := r.compare.End(r.Complete())
		r.Changes, r.compare = &changes, nil
	}
}

// Load reads a record and sums it up. A record that was cut is no error: what
// could be read is reported, and Truncated says what was lost.
func Load(src Source, o Options) (*Run, error) {
	var r *Run
	p, err := read(src, o.Judge, func(p *record.Replay) {
		r = New(p.Header, src, o)
	}, func(h *Host) bool {
		r.Add(h)
		return true
	})
	if err != nil {
		return nil, err
	}
	var end record.End
	if e := p.End(); e != nil {
		end = *e
	}
	r.Close(end, p.Truncated())
	return r, nil
}

// Hosts walks the record again.
func (r *Run) Hosts() iter.Seq2[Host, error] {
	return func(yield func(Host, error) bool) {
		if r.source == nil {
			yield(Host{}, errors.New("the hosts of this run were not recorded"))
			return
		}
		stopped := false
		_, err := read(r.source, r.judge, nil, func(h *Host) bool {
			stopped = !yield(*h, nil)
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

// read gives the header to begin, if that is not nil, and then each host to
// visit until that returns false.
func read(src Source, judge Judge, begin func(*record.Replay), visit func(*Host) bool) (*record.Replay, error) {
	in, err := src()
	if err != nil {
		return nil, fmt.Errorf("open the record: %w", err)
	}
	defer func() { _ = in.Close() }() // only read: what was read is checked
	p, err := record.Open(in)
	if err != nil {
		return nil, err
	}
	if begin != nil {
		begin(p)
	}
	if len(p.Header.Merged) > 0 {
		judge = nil
	}
	for e, err := range ahead(p.Hosts()) {
		if err != nil {
			return nil, err
		}
		h := Host{Host: e.Host}
		if judge != nil {
			h.Findings = judge(p.Header, e.Host)
		} else if h.Findings, err = recorded(e); err != nil {
			return nil, err
		}
		verdict.Satisfy(h.Findings)
		if !visit(&h) {
			break
		}
	}
	return p, nil
}

// recorded are the findings of a host as they were written.
func recorded(e record.Entry) ([]verdict.Finding, error) {
	out := make([]verdict.Finding, len(e.Findings))
	for i, raw := range e.Findings {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(&out[i]); err != nil {
			return nil, fmt.Errorf("a finding of host %q: %w", e.Host.Name, err)
		}
	}
	return out, nil
}
