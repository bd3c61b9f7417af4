package main

import (
	"cmreach/profiles"
	"cmreach/scanner/lab"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// demo builds a network of its own, plants faults in it, checks it for real,
// and compares what the check found with what was planted.
func (p *program) demo(args []string) (int, error) {
	fs := p.flagSet("demo", "[FLAGS]")
	dir := fs.String("dir", "cmreach-demo", "`DIRECTORY` for the site file, the records and the reports")
	quiet := fs.BoolP("quiet", "q", false, "no progress")
	verbose := fs.BoolP("verbose", "v", false, "all hosts and all evidence")
	loopback := fs.Bool("loopback", false, "use loopback addresses even where network namespaces are to be had")
	logFlag(fs)
	if err := parse(fs, args); err != nil {
		return 0, err
	}
	if fs.NArg() > 0 {
		return 0, usage(fmt.Errorf("demo takes no targets, but got %q: it checks a network of its own", fs.Arg(0)))
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil { //nolint:gosec // reports are for reading
		return 0, usage(fmt.Errorf("--dir: cannot make %s: %w: choose another place", *dir, reason(err)))
	}
	if err := tryWrite(filepath.Join(*dir, "run.jsonl")); err != nil {
		return 0, usage(fmt.Errorf("--dir: cannot write into %s: %w: choose another place", *dir, reason(err)))
	}
	d := &demonstration{program: p, dir: *dir, quiet: *quiet, verbose: *verbose}
	if !*loopback {
		inside, exit, err := lab.Enter(context.WithoutCancel(p.ctx)) // it hands signals on itself; cancelled too, the other process would get two
		switch {
		case err == nil && !inside:
			return exit, nil // the second process did it all
		case err == nil:
			return d.routed()
		case !errors.Is(err, lab.ErrUnavailable):
			return verdict.ExitError, err
		}
		fmt.Fprintf(p.stderr, "cmreach: no network namespaces here (%v): using loopback addresses and high ports instead, without routers\n", err)
	}
	return d.looped()
}

// demonstration is one run of the demo.
type demonstration struct {
	*program
	dir            string
	quiet, verbose bool
	lab            *lab.Lab
	plan           *lab.Plan
	first          *report.Run // the one that is on the screen
}

func (d *demonstration) routed() (int, error) {
	d.plan = lab.Demo(lab.IPv6())
	started := time.Now()
	l, err := lab.Start(d.ctx, d.plan.Network)
	if err != nil {
		return verdict.ExitError, fmt.Errorf("build the lab: %w", err)
	}
	d.lab = l
	if !d.quiet {
		fmt.Fprintf(d.stderr, "cmreach: a network of %d clients and %d routers stands after %s\n",
			len(d.plan.Targets), len(d.plan.Network.Routers), time.Since(started).Round(10*time.Millisecond))
	}
	return d.do()
}

func (d *demonstration) looped() (int, error) {
	l, plan, err := lab.Loopback(d.ctx)
	if err != nil {
		return verdict.ExitError, fmt.Errorf("build the lab: %w", err)
	}
	d.lab, d.plan = l, plan
	return d.do()
}

// do runs every check of the plan, merges them, and shows what it found.
func (d *demonstration) do() (code int, err error) {
	defer func() { err = errors.Join(err, d.lab.Close()) }()
	if err := d.writeSite(); err != nil {
		return 0, err
	}
	d.introduce()
	wrong := 0
	var records, said []string
	for i, check := range d.plan.Checks {
		outs := []output{{"jsonl", d.file("run-" + check.Vantage + ".jsonl")}}
		if i == 0 {
			outs = []output{
				{"jsonl", d.file("run.jsonl")}, {"junit", d.file("junit.xml")}, {"json", d.file("report.json")}, {"text", d.file("report.txt")},
			}
		}
		run, err := d.check(check, outs, i == 0)
		if err != nil {
			return 0, err
		}
		if run.End.Interrupted {
			return exitInterrupted, nil
		}
		records = append(records, outs[0].file)
		n, text, err := d.compare(check, run)
		if err != nil {
			return 0, err
		}
		wrong += n
		said = append(said, text)
	}
	n, err := d.mergeRuns(records)
	if err != nil {
		return 0, err
	}
	wrong += n
	d.listFaults()
	fmt.Fprintf(d.stdout, "\n%s", strings.Join(said, ""))
	d.whatNext(records)
	if wrong > 0 {
		return verdict.ExitFailed, nil
	}
	return 0, nil
}

// file is the name of a file in the demo's directory.
func (d *demonstration) file(name string) string { return filepath.Join(d.dir, name) }

// check runs one check of the plan as "cmreach check" would, with the site file
// that was written; show says whether its report goes to the screen.
func (d *demonstration) check(c lab.Check, outs []output, show bool) (*report.Run, error) {
	s := selection{
		profiles: lab.Profiles(), site: d.file(demoSite), vantage: c.Vantage, only: c.Rows, rate: "1000", timeout: time.Second, rounds: 6,
		depth: "identity", engine: "auto", maxTargets: profiles.DefaultMaxTargets,
	}
	plan, limits, err := d.build(&s, nil, nil)
	if err != nil {
		return nil, err
	}
	run := &checkRun{
		program: d.program, plan: plan, resolver: d.lab.Resolver(),
		reporting: &reporting{outs: outs, fail: verdict.FailOn{States: verdict.DefaultFail}, look: d.look(d.verbose)},
		log:       d.logger(d.verbose, d.quiet), settings: settings{selection: s, pace: limits},
		progress: d.newProgress(plan.Hosts(), d.quiet, false),
	}
	loaded, err := run.do()
	if err != nil {
		return nil, err
	}
	defer run.forget()
	for _, o := range outs {
		if o.format == "jsonl" {
			continue
		}
		if err := d.render(o, loaded, d.look(d.verbose)); err != nil {
			return nil, err
		}
	}
	if show {
		d.first = loaded // its counts and causes: the record may go
		err = d.show(loaded, nil)
	}
	return loaded, err
}

// mergeRuns joins the records into one verdict per profile, as "cmreach merge"
// would, and returns the number of differences from what was planted.
func (d *demonstration) mergeRuns(records []string) (int, error) {
	merged, err := d.mergeRecords(records, report.Options{Fail: verdict.FailOn{States: verdict.DefaultFail}})
	if err != nil {
		return 0, err
	}
	defer merged.done()
	run := merged.Run
	for _, o := range []output{{"jsonl", d.file("merged.jsonl")}, {"json", d.file("merged.json")}, {"text", d.file("merged.txt")}, {"html", d.file("merged.html")}} {
		if err := d.render(o, run, d.look(d.verbose)); err != nil {
			return 0, err
		}
	}
	d.introduceMerged()
	if err := d.show(run, d.first); err != nil {
		return 0, err
	}
	wrong, _, err := d.compare(lab.Check{Truth: d.plan.Truth()}, run)
	return wrong, err
}

// compare holds what was found against what was planted and returns the number
// of differences, and a sentence that says so. The report must say all of the
// truth and nothing else.
func (d *demonstration) compare(c lab.Check, run *report.Run) (int, string, error) {
	type key struct{ host, addr, row string }
	truth := map[key]lab.Expected{}
	for _, e := range c.Truth {
		truth[key{e.Host, e.Addr.String(), e.Row}] = e
	}
	paths, wrong := len(truth), 0
	tell := func(format string, args ...any) {
		if wrong++; wrong <= 20 {
			fmt.Fprintf(d.stdout, "  DIFFERENT "+format+"\n", args...)
		}
	}
	for h, err := range run.Hosts() {
		if err != nil {
			return 0, "", err
		}
		for _, f := range h.Findings {
			k := key{f.Host, f.Addr.String(), f.Requirement}
			want, planted := truth[k]
			delete(truth, k)
			switch {
			case !planted:
				tell("%s %s %s: found %s, nothing is known of it", f.Host, f.Addr, f.Requirement, f.State)
			case f.State.String() != want.State || (want.By.IsValid() && f.By != want.By):
				tell("%s %s %s: found %s (%s), planted %s %s", f.Host, f.Addr, f.Requirement, f.State, f.Message, want.State, want.By)
			}
		}
	}
	for k, e := range truth {
		tell("%s %s %s: not found, planted %s", k.host, k.addr, k.row, e.State)
	}
	verb := "all as planted"
	if wrong > 0 {
		verb = fmt.Sprintf("%d DIFFERENT from what was planted", wrong)
	}
	return wrong, fmt.Sprintf("checked against the truth, from the %s: %d paths, %s\n", c.Vantage, paths, verb), nil
}
