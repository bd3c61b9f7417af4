package main

import (
	"cmreach/cmd/cmreach/notify"
	"cmreach/profiles"
	"cmreach/scanner/history"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// diff says how a run differs from an earlier one.
func (p *program) diff(args []string) (int, error) {
	fs := p.flagSet("diff", "[FLAGS] OLD.jsonl NEW.jsonl")
	outputs := fs.StringArrayP("output", "o", nil, "`FORMAT[=FILE]`: text, json, junit; may be repeated (default text)")
	fail := fs.StringSlice("fail-on", nil, "`STATE`s that count as broken besides blocked, closed, wrong-service and wrong-host")
	verbose := fs.BoolP("verbose", "v", false, "all changes, with the hosts")
	var told notifyFlags
	told.register(fs, "something got worse or better, has left or joined the plan")
	logFlag(fs)
	if err := parse(fs, args); err != nil {
		return 0, err
	}
	outs, outErr := readOutputs(*outputs)
	for _, o := range outs {
		if outErr == nil && !slices.Contains(report.DiffFormats, o.format) {
			outErr = fmt.Errorf("-o: diff has no format %q: %s", o.format, profiles.Suggest(o.format, report.DiffFormats))
		}
	}
	set, failErr := failOn(*fail)
	news, newsErr := told.read(p, os.LookupEnv)
	var argErr error
	if fs.NArg() != 2 {
		argErr = errors.New("name two records: cmreach diff OLD.jsonl NEW.jsonl (check writes them with -o jsonl=FILE)")
	} else if fs.Arg(0) == "-" && fs.Arg(1) == "-" {
		argErr = errors.New("both records cannot come from standard input: name a file for one")
	}
	if err := errors.Join(outErr, failErr, newsErr, argErr); err != nil {
		return 0, usage(err)
	}
	if err := writable(outs); err != nil {
		return 0, usage(err)
	}
	r, last, err := p.compareRecords(fs.Arg(0), fs.Arg(1), set)
	if err != nil {
		return 0, err
	}
	for _, o := range outs {
		look := p.look(*verbose)
		write := func(w io.Writer) error {
			return report.WriteDiff(w, o.format, r, report.TextOptions{Verbose: look.verbose, Width: look.width, Color: look.color && o.file == ""})
		}
		if err := p.write(o.file, write); err != nil {
			return 0, err
		}
	}
	m := notify.Message{Run: last, Diff: r, Exit: r.Exit, Records: []report.DiffRun{r.Old, r.New}, More: showAgain("diff -v", fs.Args())}
	return worse(r.Exit, news.tell(p, nil, &m)), nil
}

// compareRecords reads two records, judges both by the rules of this version,
// and compares them path by path. With the comparison it returns the later run.
func (p *program) compareRecords(older, newer string, set verdict.FailOn) (r *report.DiffReport, last *report.Run, err error) {
	d := history.NewDiffer(set.All())
	var runs [2]*report.Run
	var names [2]string
	for i, name := range []string{older, newer} {
		source, done, err := p.recordOf(name)
		if name == "-" {
			name = "standard input"
		}
		if err != nil {
			return nil, nil, usage(badRecord(name, err))
		}
		defer done()
		run, err := report.Load(source, report.Options{Judge: judgeBriefly, Fail: set})
		if err != nil {
			return nil, nil, usage(badRecord(name, err))
		}
		if run.Truncated != nil {
			fmt.Fprintf(p.stderr, "cmreach: %s: %v: what it lacks is left out\n", name, run.Truncated)
		}
		runs[i], names[i] = run, name
	}
	if err := p.comparable(runs, names); err != nil {
		return nil, nil, usage(err)
	}
	for i, take := range []func([]verdict.Finding){d.Old, d.New} {
		for h, err := range runs[i].Hosts() {
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", names[i], err)
			}
			take(h.Findings)
		}
	}
	r = &report.DiffReport{Old: recordedRun(names[0], runs[0]), New: recordedRun(names[1], runs[1])}
	if r.Diff = d.Diff(r.Old.Complete, r.New.Complete); r.Counts.WorseRequired > 0 {
		r.Exit = verdict.ExitFailed
	}
	return r, runs[1], nil
}

// recordedRun says which recorded run a comparison or a message is of.
func recordedRun(name string, run *report.Run) report.DiffRun {
	if name == "-" {
		name = "standard input"
	}
	return report.DiffRun{File: name, Scanner: run.Header.Scanner, Started: run.Header.Started, Complete: run.Complete()}
}

// comparable refuses runs whose differences would not be the network's, and
// warns of what may surprise.
func (p *program) comparable(runs [2]*report.Run, names [2]string) error {
	a, b := runs[0].Header, runs[1].Header
	var errs []error
	if a.Vantage != b.Vantage {
		errs = append(errs, fmt.Errorf("%s looks from the %s and %s from the %s: compare runs from the same place, or merge those of all places first",
			names[0], a.Vantage, names[1], b.Vantage))
	}
	if a.Site != "" && b.Site != "" && a.Site != b.Site {
		errs = append(errs, fmt.Errorf("%s is of the site %s and %s of the site %s: compare runs of one site", names[0], a.Site, names[1], b.Site))
	}
	if len(errs) == 0 && b.Started.Before(a.Started) {
		fmt.Fprintf(p.stderr, "cmreach: %s, the old record, is of a later run than %s, the new one: better and worse may be meant the other way round\n",
			names[0], names[1])
	}
	return errors.Join(errs...)
}
