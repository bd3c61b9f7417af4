package main

import (
	"cmp"
	"cmreach/cmd/cmreach/notify"
	"cmreach/scanner"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// merge joins the records of several runs, such as those of several vantages,
// into one verdict.
func (p *program) merge(args []string) (int, error) {
	fs := p.flagSet("merge", "[FLAGS] RUN.jsonl RUN.jsonl…")
	var flags reportFlags
	flags.register(fs, "all hosts and all evidence")
	if err := parse(fs, args); err != nil {
		return 0, err
	}
	how, flagErr := flags.read(p)
	if err := errors.Join(flagErr, recordNames(fs.Args())); err != nil {
		return 0, usage(err)
	}
	if err := how.writable(); err != nil {
		return 0, usage(err)
	}
	job := how.job
	if err := job.open(p, "", ""); err != nil {
		return stateExit(err), err
	}
	defer job.close()
	run, err := p.mergeRecords(fs.Args(), job.options(report.Options{Fail: how.fail}, true))
	if err != nil {
		return 0, err
	}
	defer run.done()
	if err := job.refused(); err != nil {
		return 0, err
	}
	if err := how.render(p, run.Run, nil); err != nil {
		return 0, err
	}
	return how.conclude(p, &notify.Message{Run: run.Run, Exit: run.Exit(), Records: run.of, More: showAgain("merge -v", fs.Args())})
}

// mergedRun is a run that was joined out of records. It is there until done is
// called.
type mergedRun struct {
	*report.Run
	of   []report.DiffRun
	done func()
}

// mergeRecords joins records into a run.
func (p *program) mergeRecords(names []string, o report.Options) (_ *mergedRun, err error) {
	var m merger
	defer m.close()
	for _, name := range names {
		if err := m.open(p, name); err != nil {
			return nil, usage(err)
		}
	}
	if err := m.agree(); err != nil {
		return nil, usage(err)
	}
	spool, err := os.CreateTemp("", "cmreach-*.jsonl")
	if err != nil {
		return nil, usage(fmt.Errorf("cannot write a temporary record in %s: %w: set TMPDIR to another folder", os.TempDir(), reason(err)))
	}
	out := &mergedRun{done: func() { _ = os.Remove(spool.Name()) }}
	defer func() {
		if err != nil {
			out.done()
		}
	}()
	if err := errors.Join(m.write(record.NewWriter(spool)), spool.Close()); err != nil {
		return nil, fmt.Errorf("merge the records: %w", err)
	}
	out.Run, err = report.Load(func() (io.ReadCloser, error) { return os.Open(spool.Name()) }, o)
	if err != nil {
		return nil, fmt.Errorf("read the merged record: %w", err)
	}
	for i, r := range m.runs {
		out.of = append(out.of, recordedRun(names[i], r.Run))
	}
	return out, nil
}

// recordNames checks the arguments of merge.
func recordNames(names []string) error {
	if len(names) < 2 {
		return errors.New("name two or more records: cmreach merge A.jsonl B.jsonl (check writes them with -o jsonl=FILE)")
	}
	var errs []error
	for i, n := range names {
		if slices.ContainsFunc(names[:i], func(have string) bool { return samePlace(have) == samePlace(n) }) {
			errs = append(errs, fmt.Errorf("%s is named twice: name each record once", n))
		}
	}
	return errors.Join(errs...)
}

// mergeInput is one of the runs to join.
type mergeInput struct {
	*report.Run
	file  string
	label string // in the evidence
	done  func()
}

// merger joins runs.
type merger struct{ runs []mergeInput }

func (m *merger) close() {
	for _, r := range m.runs {
		r.done()
	}
}

// open reads a record and judges it by the rules of this version, unless it was
// merged itself.
func (m *merger) open(p *program, name string) error {
	source, done, err := p.recordOf(name)
	in := mergeInput{file: filepath.Base(name), done: done}
	if name == "-" {
		name, in.file = "standard input", "standard input"
	}
	if err != nil {
		return badRecord(name, err)
	}
	m.runs = append(m.runs, in) // so that done is called
	run, err := report.Load(source, report.Options{Judge: judge})
	var newer *record.VersionError
	switch {
	case errors.As(err, &newer):
		return fmt.Errorf("%s: records of different formats cannot be merged: %w", name, newer)
	case err != nil:
		return badRecord(name, err)
	}
	last := &m.runs[len(m.runs)-1]
	last.Run = run
	last.label = fmt.Sprintf("%s %s [%s]", run.Header.Vantage, run.Header.Scanner, in.file)
	if len(run.Header.Merged) > 0 {
		last.label = in.file // its evidence names the runs
	}
	return nil
}

// agree refuses runs that did not check the same: what they found cannot be
// one verdict. All that differs is told.
func (m *merger) agree() error {
	_, err := sharded(m.runs)
	errs := []error{err}
	first := map[string]int{} // the run that has the row first
	codes := -1
	for i, r := range m.runs {
		if site := r.Header.Site; site != "" && codes < 0 {
			codes = i
		} else if site != "" && site != m.runs[codes].Header.Site {
			errs = append(errs, fmt.Errorf("%s is of the site %s and %s of the site %s: merge the runs of one site",
				m.runs[codes].file, m.runs[codes].Header.Site, r.file, site))
		}
		for _, row := range r.Header.Rows {
			at, ok := first[row.ID]
			if !ok {
				first[row.ID] = i
				continue
			}
			for _, have := range m.runs[at].Header.Rows {
				if have.ID != row.ID {
					continue
				}
				if what, a, b := difference(have, row); what != "" {
					errs = append(errs, fmt.Errorf("the row %s has the %s %s in %s and %s in %s: check with the same profile, --port and site file, then merge",
						row.ID, what, a, m.runs[at].file, b, r.file))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// header describes the merged record.
func (m *merger) header() record.Header {
	h := record.Header{Version: version, Started: m.runs[0].Header.Started}
	var scanners, vantages, engines, depths, rates []string
	for _, r := range m.runs {
		in := r.Header
		if in.Started.Before(h.Started) {
			h.Started = in.Started
		}
		scanners, vantages = append(scanners, in.Scanner), append(vantages, string(in.Vantage))
		engines, depths, rates = append(engines, in.Engine), append(depths, in.Depth), append(rates, in.Rate)
		h.Timeout, h.Rounds = max(h.Timeout, in.Timeout), max(h.Rounds, in.Rounds)
		if in.Site != "" {
			h.Site = in.Site
		}
		h.Profiles = append(h.Profiles, in.Profiles...)
		h.Rows = joinRows(h.Rows, in.Rows)
		h.Boundaries = each(append(h.Boundaries, in.Boundaries...))
		for _, n := range in.Notes {
			if in.Shard != nil && n == shardNote(in.Shard) {
				continue
			}
			if len(in.Merged) == 0 {
				n = r.label + ": " + n
			}
			h.Notes = append(h.Notes, n)
		}
		if r.Truncated != nil {
			h.Notes = append(h.Notes, fmt.Sprintf("%s: %s", r.label, r.Truncated))
		}
		for _, u := range in.Unchecked {
			if !slices.ContainsFunc(h.Unchecked, func(have record.Unchecked) bool { return have.Requirement == u.Requirement }) {
				h.Unchecked = append(h.Unchecked, u)
			}
		}
		h.Merged = append(h.Merged, origins(r)...)
	}
	h.Unchecked = slices.DeleteFunc(h.Unchecked, func(u record.Unchecked) bool {
		return slices.ContainsFunc(h.Rows, func(row *scanner.Requirement) bool { return row.ID == u.Requirement })
	})
	h.Profiles = each(h.Profiles)
	h.Scanner, h.Vantage = plus(scanners), vantageOf(vantages)
	h.Engine, h.Depth, h.Rate = plus(engines), plus(depths), plus(rates)
	return h
}

// end sums the runs up.
func (m *merger) end(hosts int) record.End {
	out := record.End{Hosts: hosts, Planned: hosts}
	lost := 0.0
	for _, r := range m.runs {
		e := r.End
		if e.Finished.After(out.Finished) {
			out.Finished = e.Finished
		}
		out.Packets += e.Packets
		out.Doubt += e.Doubt
		out.Hurdles = out.Plus(e.Hurdles)
		lost += e.Loss * float64(e.Packets)
		if e.Interrupted {
			out.Interrupted = true
			out.Planned += max(0, e.Planned-cmp.Or(e.Targets, e.Hosts))
		}
		switch {
		case out.Err != "":
		case e.Err != "" && e.Err == missingParts([]mergeInput{r}): // they may be here now
		case e.Err != "":
			out.Err = r.file + ": " + e.Err
		case r.Truncated != nil:
			out.Err = r.file + ": " + r.Truncated.Error()
		}
	}
	if out.Err == "" {
		out.Err = missingParts(m.runs)
	}
	if out.Packets > 0 {
		out.Loss = lost / float64(out.Packets)
	}
	return out
}

// write joins the runs into one record. A host that one run alone has checked
// goes straight through; the others wait until all of it was read.
func (m *merger) write(w *record.Writer) error {
	h := m.header()
	if plan := m.disjoint(); plan != nil {
		return m.join(w, h, plan)
	}
	ix := newHostIndex()
	for _, r := range m.runs {
		for host, err := range r.Hosts() {
			if err != nil {
				return fmt.Errorf("%s: %w", r.file, err)
			}
			ix.name(host.Name, host.Addr)
		}
	}
	for _, r := range m.runs {
		for host, err := range r.Hosts() {
			if err != nil {
				return fmt.Errorf("%s: %w", r.file, err)
			}
			ix.count(host.Name, host.Addr)
		}
	}
	h.Targets = ix.hosts()
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	hosts := 0
	for _, r := range m.runs {
		for host, err := range r.Hosts() {
			if err != nil {
				return fmt.Errorf("%s: %w", r.file, err)
			}
			done := ix.add(r.label, host)
			if done == nil {
				continue
			}
			merged, findings := done.finish(h.Rows)
			hosts++
			if err := record.WriteHost(w, merged, findings); err != nil {
				return err
			}
		}
	}
	return w.WriteEnd(m.end(hosts))
}

// join writes the parts of one plan one after the other. No host is in two of
// them, so that none need be kept in memory.
func (m *merger) join(w *record.Writer, h record.Header, plan *parts) error {
	h.Targets, h.Plan = plan.hosts, plan.plan
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	end := m.end(0)
	end.Planned = plan.hosts
	for _, r := range m.runs {
		for host, err := range r.Hosts() {
			if err != nil {
				return fmt.Errorf("%s: %w", r.file, err)
			}
			end.Hosts++
			if err := record.WriteHost(w, host.Host, host.Findings); err != nil {
				return err
			}
		}
		end.Targets += cmp.Or(r.End.Targets, r.End.Hosts, r.Tally.Hosts)
	}
	return w.WriteEnd(end)
}
