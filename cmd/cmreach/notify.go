package main

import (
	"bufio"
	"cmreach/cmd/cmreach/notify"
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

func (f *notifyFlags) register(fs *pflag.FlagSet, when string) {
	f.set = fs
	fs.StringArrayVar(&f.urls, "notify", nil, "tell this `URL` when "+when+": https, slack+https, teams+https, smtp, smtps, syslog, syslog+tcp; ${NAME} in it is taken from the environment; may be repeated")
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

// ids tell the receivers apart, for the state file.
func (r receivers) ids() []string {
	var out []string
	for _, to := range r.list {
		out = append(out, to.ID())
	}
	return out
}

// tell notifies the receivers, each if there is something to tell it, and
// reports whether all of them were told. The state remembers for those who were
// not. A run that was interrupted tells nothing, for who did it knows; the next
// one tells it.
func (r receivers) tell(p *program, job *stateJob, m *notify.Message) bool {
	m.Now = time.Now()
	var list []notify.Delivery
	var places []int
	for i, to := range r.list {
		own := *m
		own.Changes = job.changes(i, m.Run)
		switch {
		case !news(&own):
		case m.Run.End.Interrupted && m.Diff == nil:
			job.told(i, false)
		default:
			list, places = append(list, notify.Delivery{To: to, Message: &own}), append(places, i)
		}
	}
	errs := notify.Send(p.ctx, list, notify.Options{Timeout: r.timeout})
	for at, i := range places {
		job.told(i, errs[at] == nil)
	}
	if err := errors.Join(errs...); err != nil {
		p.complain(err)
		return false
	}
	return true
}

// news reports whether there is anything to tell: with a state what changed,
// of two records how they differ, else whatever is not well. The first run of a
// state tells what is broken, and not that all of the plan is new.
func news(m *notify.Message) bool {
	c := m.Changes
	switch {
	case m.Diff != nil:
		n := m.Diff.Counts
		return n.Worse+n.Better+n.Gone+n.Added > 0
	case c == nil:
		return m.Exit != verdict.ExitOpen
	case c.First:
		return c.Counts.Broken > 0 || c.Lost != ""
	default:
		return c.Changed()
	}
}

// showAgain is a command that shows recorded runs once more; empty where they
// came from standard input.
func showAgain(command string, names []string) string {
	out := "cmreach " + command
	for _, n := range names {
		if n == "-" {
			return ""
		}
		out += " " + whole(n)
	}
	return out
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
