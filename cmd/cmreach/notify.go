package main

import (
	"bufio"
	"cmreach/cmd/cmreach/notify"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// The bounds of --notify.
const (
	maxReceivers   = 20
	maxNotifyTime  = 10 * time.Minute
	minNotifyTime  = 100 * time.Millisecond
	othersMayRead  = 0o007
	notifyTimeFlag = "notify-timeout"
)

// notifyFlags say who is told of a run, beside whoever reads the reports.
type notifyFlags struct {
	urls    []string
	file    string
	timeout time.Duration

	set *pflag.FlagSet
}

func (f *notifyFlags) register(fs *pflag.FlagSet) {
	f.set = fs
	fs.StringArrayVar(&f.urls, "notify", nil, "tell this `URL` when something changed (with --state), or when the result is not 0 (without): https, slack+https, teams+https, smtp, smtps, syslog, syslog+tcp; ${NAME} in it is taken from the environment; may be repeated")
	fs.StringVar(&f.file, "notify-file", "", "`FILE` with one such URL a line, which nobody else should read")
	fs.DurationVar(&f.timeout, notifyTimeFlag, notify.DefaultTimeout, "how long (`TIME`) to try, in all")
}

// receivers are those to be told of a run.
type receivers struct {
	list    []notify.Receiver
	timeout time.Duration
}

// read finds the mistakes before anything is sent. Errors show no more of a URL
// than scheme and host.
func (f *notifyFlags) read(p *program, lookup func(string) (string, bool)) (receivers, error) {
	out := receivers{timeout: f.timeout}
	var errs []error
	add := func(where, text string) {
		r, err := notify.Parse(text, lookup)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", where, err))
			return
		}
		out.list = append(out.list, r)
	}
	for i, u := range f.urls {
		where := "--notify"
		if len(f.urls) > 1 {
			where = fmt.Sprintf("--notify, the %s one", ordinal(i+1))
		}
		add(where, u)
	}
	lines, err := f.lines(p)
	errs = append(errs, err)
	for _, l := range lines {
		add(fmt.Sprintf("--notify-file: %s:%d", f.file, l.number), l.text)
	}
	if f.timeout < minNotifyTime || f.timeout > maxNotifyTime {
		errs = append(errs, fmt.Errorf("--%s: %s is out of range: give 100ms to 10m", notifyTimeFlag, f.timeout))
	}
	if len(out.list) > maxReceivers {
		errs = append(errs, fmt.Errorf("--notify: %d receivers: name %d at the most", len(out.list), maxReceivers))
	}
	return out, errors.Join(errs...)
}

func ordinal(n int) string {
	switch n {
	case 1:
		return "first"
	case 2:
		return "second"
	case 3:
		return "third"
	default:
		return fmt.Sprintf("%dth", n)
	}
}

type numbered struct {
	number int
	text   string
}

// lines are those of the file that are no comments.
func (f *notifyFlags) lines(p *program) ([]numbered, error) {
	if f.file == "" {
		if f.set != nil && f.set.Changed("notify-file") {
			return nil, errors.New("--notify-file names no file")
		}
		return nil, nil
	}
	in, err := os.Open(f.file)
	if err != nil {
		return nil, fmt.Errorf("--notify-file: cannot read %s: %w: check the name and the rights", f.file, reason(err))
	}
	defer func() { _ = in.Close() }() // only read
	if info, err := in.Stat(); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&othersMayRead != 0 {
		p.warn(fmt.Errorf("warning: --notify-file: everybody on this machine may read %s: chmod 600 %s", f.file, f.file))
	}
	var out []numbered
	s := bufio.NewScanner(in)
	for n := 1; s.Scan(); n++ {
		text := strings.TrimSpace(strings.TrimPrefix(s.Text(), "\ufeff"))
		if text != "" && !strings.HasPrefix(text, "#") {
			out = append(out, numbered{n, text})
		}
	}
	if s.Err() != nil {
		return nil, fmt.Errorf("--notify-file: %s is no list of URLs: write one a line", f.file)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("--notify-file: %s names nobody: write one URL a line", f.file)
	}
	return out, nil
}

// tell notifies the receivers, if there is something to tell, and reports
// whether all of them were told. A run that was interrupted tells nothing: who
// did it knows.
func (r receivers) tell(p *program, run *report.Run, exit int, more string) bool {
	if len(r.list) == 0 || !news(run, exit) {
		return true
	}
	m := &notify.Message{Run: run, Changes: run.Changes, Exit: exit, More: more, Now: time.Now()}
	err := notify.Send(p.ctx, r.list, m, notify.Options{Timeout: r.timeout})
	if err != nil {
		p.complain(err)
	}
	return err == nil
}

// news reports whether there is anything to tell: with a state what changed,
// without one whatever is not well. The first run of a state tells what is
// broken, and not that all of the plan is new.
func news(run *report.Run, exit int) bool {
	c := run.Changes
	switch {
	case run.End.Interrupted:
		return false
	case c == nil:
		return exit != verdict.ExitOpen
	case c.First:
		return c.Counts.Broken > 0 || c.Lost != ""
	default:
		return c.Changed()
	}
}

// worse is the exit code when a receiver could not be told: that is a fault of
// this machine or beyond it, and hides nothing that was found.
func worse(code int, told bool) int {
	if !told && code == verdict.ExitOpen {
		return verdict.ExitError
	}
	return code
}

// more is the command that shows the whole run: of its record, if it is kept.
func (c *checkRun) more() string {
	if c.kept && c.spool != nil {
		return "cmreach report -v " + whole(c.spool.Name())
	}
	for _, o := range c.outs {
		if o.file != "" {
			return whole(o.file)
		}
	}
	return "run the check again with -v, or keep its record with -o jsonl=FILE"
}
