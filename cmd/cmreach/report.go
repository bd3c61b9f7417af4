package main

import (
	"cmreach/cmd/cmreach/notify"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// report renders a recorded run, judged anew by this version's rules.
func (p *program) report(args []string) (int, error) {
	fs := p.flagSet("report", "[FLAGS] RUN.jsonl")
	var flags reportFlags
	flags.register(fs, "all hosts and all evidence")
	if err := parse(fs, args); err != nil {
		return 0, err
	}
	how, flagErr := flags.read(p)
	var argErr error
	if fs.NArg() != 1 {
		argErr = errors.New("name one record: cmreach report RUN.jsonl (check writes it with -o jsonl=RUN.jsonl)")
	}
	if err := errors.Join(flagErr, argErr); err != nil {
		return 0, usage(err)
	}
	if err := how.writable(); err != nil {
		return 0, usage(err)
	}
	name := fs.Arg(0)
	source, done, err := p.recordOf(name)
	if name == "-" {
		name = "standard input"
	}
	if err != nil {
		return 0, usage(badRecord(name, err))
	}
	defer done()
	job := how.job
	if err := job.open(p, "", ""); err != nil {
		return stateExit(err), err
	}
	defer job.close()
	opinion := judge
	if !how.listsHosts() {
		opinion = judgeBriefly
	}
	run, err := report.Load(source, job.options(report.Options{Judge: opinion, Fail: how.fail}, true))
	if err != nil {
		return 0, usage(badRecord(name, err))
	}
	if err := job.refused(); err != nil {
		return 0, err
	}
	if err := how.render(p, run, nil); err != nil {
		return 0, err
	}
	m := notify.Message{Run: run, Exit: run.Exit(), Records: []report.DiffRun{recordedRun(name, run)}, More: showAgain("report -v", fs.Args())}
	if run.Truncated != nil {
		m.Exit = exitUsage
	}
	code, err := how.conclude(p, &m)
	if run.Truncated != nil && err == nil {
		return 0, cutRecord(run, name)
	}
	return code, err
}

// cutRecord says what is missing in a record that has no end, and how to get it.
func cutRecord(run *report.Run, name string) error {
	rest := "run the check again for the rest"
	if run.Header.Order != "" && name != "standard input" {
		rest = "cmreach check --resume " + name + " does the rest"
	}
	return usage(fmt.Errorf("%s: %w: the report holds what could be read; %s", name, run.Truncated, rest))
}

// recordOf finds the record of that name. A record is walked more than once:
// what cannot be read twice, such as standard input (-) or another pipe, is
// copied to a temporary file, which done removes.
func (p *program) recordOf(name string) (source report.Source, done func(), err error) {
	done = func() {}
	open := func() (io.ReadCloser, error) { return os.Open(name) } //nolint:gosec // the user names the file
	in := p.stdin
	if name != "-" {
		f, err := os.Open(name) //nolint:gosec // the user names the file
		if err != nil {
			return nil, done, err
		}
		defer func() { _ = f.Close() }()
		info, err := f.Stat()
		if err != nil || info.Mode().IsRegular() || info.IsDir() {
			return open, done, err
		}
		in = f
	}
	spool, err := os.CreateTemp("", "cmreach-*.jsonl")
	if err != nil {
		return nil, done, err
	}
	name = spool.Name()
	done = func() { _ = os.Remove(spool.Name()) }
	_, err = io.Copy(spool, in)
	if err = errors.Join(err, spool.Close()); err != nil {
		done()
		return nil, func() {}, err
	}
	return open, done, nil
}

// badRecord says what is wrong with a record, and what to do.
func badRecord(name string, err error) error {
	var newer *record.VersionError
	var syntax *record.SyntaxError
	switch {
	case errors.As(err, &newer):
		return fmt.Errorf("%s: nothing could be read: %w", name, newer)
	case errors.As(err, &syntax) && syntax.Line > 1:
		return fmt.Errorf("%s: %w: the %d lines before it are whole; the file was changed after it was written: take the original",
			name, syntax, syntax.Line-1)
	case errors.As(err, &syntax) && strings.Contains(syntax.Error(), "jsonl=FILE"):
		return fmt.Errorf("%s: %w", name, syntax) // it says already what would be right
	case errors.As(err, &syntax):
		return fmt.Errorf("%s: %w: name a file that cmreach check -o jsonl=FILE wrote", name, syntax)
	default:
		return fmt.Errorf("cannot read %s: %w: check the name", name, reason(err))
	}
}
