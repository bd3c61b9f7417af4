package main

import (
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// notice is the time between two notices of the progress in the record. They
// hold what a run that goes on after the program was killed must add up.
const notice = 5 * time.Second

// note writes the progress into the record.
func (c *checkRun) note(w *record.Writer, now time.Time) error {
	c.noted = now
	packets, _, doubt := c.totals()
	if err := w.WriteProgress(record.Progress{At: now, Hosts: c.hosts, Planned: c.plan.Hosts(), Packets: packets, Doubt: doubt}); err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	return nil
}

// openRecord opens the file that the run is recorded in: an output if one is
// asked for that can be read again, else a temporary file; and further outputs
// for the record.
func (c *checkRun) openRecord() error {
	if c.prior != nil {
		c.spool, c.kept = c.prior.file, true
		return nil
	}
	for _, o := range c.outs {
		if o.format != "jsonl" || o.file == "" {
			continue
		}
		f, regular, err := record.Create(o.file)
		switch {
		case errors.Is(err, record.ErrLocked):
			return fmt.Errorf("-o: %s: %w: choose another file", o.file, err)
		case err != nil:
			return fmt.Errorf("-o: cannot write %s: %w: choose another place", o.file, reason(err))
		}
		if c.spool == nil && regular {
			c.spool, c.kept = f, true
		} else {
			c.copies = append(c.copies, f)
		}
	}
	if c.spool != nil || !c.recorded() {
		return nil
	}
	f, err := os.CreateTemp("", "cmreach-*.jsonl")
	if err != nil {
		return fmt.Errorf("cannot write a temporary record in %s: %w: set TMPDIR to another folder, or keep the record with -o jsonl=FILE",
			os.TempDir(), reason(err))
	}
	c.spool = f
	return nil
}

// sink is where the stream goes: to the record, and to standard output and
// other places if that is asked for.
func (c *checkRun) sink() io.Writer {
	all := []io.Writer{c.spool}
	for _, f := range c.copies {
		all = append(all, f)
	}
	for _, o := range c.outs {
		if o.format == "jsonl" && o.file == "" && c.prior == nil {
			all = append(all, c.stdout)
		}
	}
	return io.MultiWriter(all...)
}

// streamed reports whether an output was written as the record came about. What
// is gone on with goes to its own file alone; other copies of it are made at the end.
func (c *checkRun) streamed(o output) bool {
	return o.format == "jsonl" && (c.prior == nil || samePlace(o.file) == samePlace(c.prior.name))
}

// whatNext says how a run goes on that did not come to its end.
func (c *checkRun) whatNext(run *report.Run, f *checkFlags) {
	switch {
	case f.quiet:
	case c.prior != nil && c.prior.complete():
		fmt.Fprintf(c.stderr, "cmreach: nothing left to do: the run of %s came to its end\n", c.prior.name)
	case !run.Complete() && c.kept:
		fmt.Fprintf(c.stderr, "cmreach: to go on: cmreach check --resume %s\n", c.spool.Name())
	}
}

// source opens the record for reading.
func (c *checkRun) source() (io.ReadCloser, error) { return os.Open(c.spool.Name()) }

// forget closes the record, and removes it unless it is an output.
func (c *checkRun) forget() {
	for _, f := range c.copies {
		_ = f.Close()
	}
	if c.spool == nil {
		return
	}
	_ = c.spool.Close()
	if !c.kept {
		_ = os.Remove(c.spool.Name())
	}
}
