package main

import (
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"errors"
	"strings"

	"github.com/spf13/pflag"
)

// reportFlags are the flags of every command that reports a run, as they were given.
type reportFlags struct {
	outputs   []string
	fail      []string
	verbose   bool
	promHosts bool
	lists     string
	junit     junitFlags
	state     stateFlags
}

func (f *reportFlags) register(fs *pflag.FlagSet, verbose string) {
	fs.StringArrayVarP(&f.outputs, "output", "o", nil, "`FORMAT[=FILE]`: "+strings.Join(report.Formats, ", ")+"; may be repeated (default text)")
	fs.StringSliceVar(&f.fail, "fail-on", nil, failOnHelp)
	fs.BoolVarP(&f.verbose, "verbose", "v", false, verbose)
	fs.BoolVar(&f.promHosts, "prom-hosts", false, promHostsHelp)
	fs.StringVar(&f.lists, "advice", "", adviceHelp)
	f.junit.register(fs)
	f.state.register(fs)
	logFlag(fs)
}

// reporting is what is to be reported, and how.
type reporting struct {
	outs []output
	fail verdict.FailOn
	job  *stateJob // nil: nothing is remembered
	look rendering
}

// read checks the flags. With an error too, what could be read is returned.
func (f *reportFlags) read(p *program) (*reporting, error) {
	outs, outErr := readOutputs(f.outputs)
	fail, failErr := failOn(f.fail)
	junit, junitErr := f.junit.read()
	job, jobErr := f.state.read(outs)
	r := &reporting{outs: outs, fail: fail, job: job, look: job.look(p.look(f.verbose))}
	r.look.junit, r.look.promHosts, r.look.lists = junit, f.promHosts, f.lists
	return r, errors.Join(outErr, failErr, junitErr, jobErr)
}

// writable finds out, before anything is sent, whether the outputs can be written.
func (r *reporting) writable() error {
	return errors.Join(writable(r.outs), writableLists(r.look.lists))
}

// listsHosts reports whether every host is asked for, and not only what the
// hosts come to together.
func (r *reporting) listsHosts() bool {
	return listsHosts(r.outs, r.look.verbose) || r.look.lists != ""
}

// render writes the advice, if it is asked for, and the outputs, without those
// that were written already.
func (r *reporting) render(p *program, run *report.Run, written func(output) bool) error {
	if r.look.lists != "" {
		if err := writeAdvice(r.look.lists, run); err != nil {
			return err
		}
	}
	for _, o := range r.job.outputs(r.outs, run) {
		if written != nil && written(o) {
			continue
		}
		if err := p.render(o, run, r.look); err != nil {
			return err
		}
	}
	return nil
}
