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
	junit     junitFlags
	state     stateFlags
}

func (f *reportFlags) register(fs *pflag.FlagSet, verbose string) {
	fs.StringArrayVarP(&f.outputs, "output", "o", nil, "`FORMAT[=FILE]`: "+strings.Join(report.Formats, ", ")+"; may be repeated (default text)")
	fs.StringSliceVar(&f.fail, "fail-on", nil, failOnHelp)
	fs.BoolVarP(&f.verbose, "verbose", "v", false, verbose)
	fs.BoolVar(&f.promHosts, "prom-hosts", false, promHostsHelp)
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
	r.look.junit, r.look.promHosts = junit, f.promHosts
	return r, errors.Join(outErr, failErr, junitErr, jobErr)
}

// writable finds out, before anything is sent, whether the outputs can be written.
func (r *reporting) writable() error { return writable(r.outs) }

// listsHosts reports whether every host is asked for, and not only what the
// hosts come to together.
func (r *reporting) listsHosts() bool { return listsHosts(r.outs, r.look.verbose) }

// render writes the outputs, without those that were written already.
func (r *reporting) render(p *program, run *report.Run, written func(output) bool) error {
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
