package main

import (
	"cmreach/cmd/cmreach/notify"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"errors"
	"os"
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
	notify    notifyFlags
}

func (f *reportFlags) register(fs *pflag.FlagSet, verbose string) {
	fs.StringArrayVarP(&f.outputs, "output", "o", nil, "`FORMAT[=FILE]`: "+strings.Join(report.Formats, ", ")+"; may be repeated (default text)")
	fs.StringSliceVar(&f.fail, "fail-on", nil, failOnHelp)
	fs.BoolVarP(&f.verbose, "verbose", "v", false, verbose)
	fs.BoolVar(&f.promHosts, "prom-hosts", false, promHostsHelp)
	fs.StringVar(&f.lists, "advice", "", adviceHelp)
	f.junit.register(fs)
	f.state.register(fs)
	f.notify.register(fs, "something changed (with --state), or when the result is not 0 (without)")
	logFlag(fs)
}

// reporting is what is to be reported, and how.
type reporting struct {
	outs []output
	fail verdict.FailOn
	job  *stateJob // nil: nothing is remembered
	look rendering
	news receivers
}

// read checks the flags. With an error too, what could be read is returned.
func (f *reportFlags) read(p *program) (*reporting, error) {
	r, err := f.rehearse(p)
	news, newsErr := f.notify.read(p, os.LookupEnv)
	r.news = news
	if r.job != nil {
		r.job.tells = news.ids()
	}
	return r, errors.Join(err, newsErr)
}

// rehearse is read for a run that is to come, on another machine perhaps: who is
// to be told is not looked at.
func (f *reportFlags) rehearse(p *program) (*reporting, error) {
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

// conclude tells who is to be told, remembers the run, and returns its exit
// code. It comes after the reports. A run that is killed before it is remembered
// is told again, rather than never.
func (r *reporting) conclude(p *program, m *notify.Message) (int, error) {
	told := r.news.tell(p, r.job, m)
	code, err := r.job.finish(m.Run)
	return worse(code, told), err
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
