package main

import (
	"cmreach/scanner"
	"cmreach/scanner/history"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/pflag"
)

// exitBusy says that another run has the state file.
const exitBusy = 5

// stateFlags are the flags of a job that runs again and again.
type stateFlags struct {
	file        string
	confirm     string
	onlyChanges bool
	wait        time.Duration

	set *pflag.FlagSet
}

func (f *stateFlags) register(set *pflag.FlagSet) {
	f.set = set
	set.StringVar(&f.file, "state", "", "`FILE` that remembers the verdicts from run to run: reports begin with what changed")
	set.StringVar(&f.confirm, "confirm", "1/1", "with --state: believe a change when `N/M` of the last M results of a path agree, such as 3/5")
	set.BoolVar(&f.onlyChanges, "only-changes", false, "with --state: print the changes alone, and nothing, with exit code 0, when there is none; outputs to files are written in full")
	set.DurationVar(&f.wait, "wait", 0, "with --state: wait so long (`TIME`) for another run to let go of the file")
}

// jobFlags are those of them that have a meaning with --state alone.
var jobFlags = []string{"confirm", "only-changes", "wait"}

// read checks the flags; without --state there is no job, and it returns nil.
func (f *stateFlags) read(outs []output) (*stateJob, error) {
	var errs []error
	if f.file == "" {
		if f.set.Changed("state") {
			errs = append(errs, errors.New("--state names no file: write --state FILE"))
		}
		for _, name := range jobFlags {
			if f.set.Changed(name) && !f.set.Changed("state") {
				errs = append(errs, fmt.Errorf("--%s needs the file that remembers earlier runs: add --state FILE", name))
			}
		}
		return nil, errors.Join(errs...)
	}
	confirm, err := history.ParseConfirm(f.confirm)
	if err != nil {
		errs = append(errs, fmt.Errorf("--confirm: %w", err))
	}
	if f.wait < 0 {
		errs = append(errs, fmt.Errorf("--wait: %s is no time to wait", f.wait))
	}
	for _, o := range outs {
		if o.file != "" && samePlace(o.file) == samePlace(f.file) {
			errs = append(errs, fmt.Errorf("--state: %s is an output too: give each a file of its own", f.file))
		}
		if f.onlyChanges && o.format == "jsonl" && o.file == "" {
			errs = append(errs, errors.New("--only-changes: -o jsonl goes to standard output while the run goes on: write -o jsonl=FILE"))
		}
	}
	return &stateJob{name: f.file, confirm: confirm, onlyChanges: f.onlyChanges, wait: f.wait}, errors.Join(errs...)
}

// stateJob is the state file of a run; nil: there is none.
type stateJob struct {
	name        string
	confirm     history.Confirm
	onlyChanges bool
	wait        time.Duration
	tells       []string // who is told of the changes

	place  string // the file, whatever links lead to it
	lock   *os.File
	memory *history.Memory
	bad    string // where a damaged file goes; empty: it is whole
	refuse error  // why the run cannot be compared
}

// open takes the file for this run and reads it. It is called before anything
// is sent; the vantage is empty where a record will say it.
func (j *stateJob) open(p *program, vantage scanner.Role, site string) error {
	if j == nil {
		return nil
	}
	j.place = samePlace(j.name)
	if real, err := filepath.EvalSymlinks(j.place); err == nil {
		j.place = real
	}
	if info, err := os.Stat(j.place); err == nil && !info.Mode().IsRegular() {
		return usage(fmt.Errorf("--state: %s is no file: choose another place", j.name))
	}
	if err := j.acquire(p.ctx); err != nil {
		return err
	}
	err := j.load()
	if err == nil && vantage != "" {
		j.refuse = j.memory.Fits(history.Info{Vantage: vantage, Site: site})
		err = j.refused()
	}
	var damage *history.DamagedError
	switch {
	case errors.As(err, &damage):
		j.bad, j.memory = j.place+".bad", history.New()
		j.memory.Lose(damage.Why, j.name+".bad")
		err = nil
		fmt.Fprintf(p.stderr, "cmreach: --state: %s is damaged: %v: what earlier runs found is lost; this run reports everything and begins anew, and the old file is kept as %s.bad\n",
			j.name, damage, j.name)
	case errors.Is(err, history.ErrForeign):
		err = usage(fmt.Errorf("--state: %s: %w: name another file, or remove this one", j.name, err))
	case j.refuse != nil:
	case err != nil:
		err = usage(fmt.Errorf("--state: cannot read %s: %w", j.name, reason(err)))
	}
	if err != nil {
		j.close()
	}
	return err
}

// acquire locks the file against other runs. The lock is on a file of its own,
// since the state is replaced; it stays, for to remove it would let two in.
func (j *stateJob) acquire(ctx context.Context) error {
	until := time.Now().Add(j.wait)
	for {
		f, _, err := record.Create(j.place + ".lock")
		switch {
		case err == nil:
			j.lock = f
			return nil
		case !errors.Is(err, record.ErrLocked):
			return usage(fmt.Errorf("--state: cannot write %s.lock: %w: choose another place", j.name, reason(err)))
		}
		left := time.Until(until)
		if left <= 0 {
			return &busyError{name: j.name, waited: j.wait}
		}
		select {
		case <-ctx.Done():
			return errStopped
		case <-time.After(min(left, 200*time.Millisecond)):
		}
	}
}

// busyError says that another run has the state file.
type busyError struct {
	name   string
	waited time.Duration
}

func (e *busyError) Error() string {
	if e.waited > 0 {
		return fmt.Sprintf("--state: another run still uses %s after %s: nothing was sent; wait longer, or start the runs further apart", e.name, e.waited)
	}
	return fmt.Sprintf("--state: another run uses %s now: nothing was sent; --wait 10m waits for its end", e.name)
}

// stateExit is the exit code for an error of open.
func stateExit(err error) int {
	var busy *busyError
	switch {
	case errors.As(err, &busy):
		return exitBusy
	case errors.Is(err, errStopped):
		return exitInterrupted
	default:
		return 0
	}
}

func (j *stateJob) load() error {
	f, err := os.Open(j.place)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		j.memory = history.New()
		return nil
	case err != nil:
		return err
	}
	defer func() { _ = f.Close() }() // only read
	j.memory, err = history.Read(f)
	return err
}

// options add the comparison to those of a report. A record must not be one
// that the state has already; a run that is under way cannot be.
func (j *stateJob) options(o report.Options, recorded bool) report.Options {
	if j == nil {
		return o
	}
	broken := o.Fail.All() // what is tolerated is broken all the same
	o.Compare = func(h record.Header) *history.Comparison {
		in := history.Info{Version: version, Started: h.Started, Vantage: h.Vantage, Site: h.Site, Confirm: j.confirm}
		j.refuse = j.memory.Fits(in)
		if j.refuse == nil && recorded {
			j.refuse = j.memory.Known(h.Started)
		}
		if j.refuse != nil {
			return nil
		}
		j.memory.Tell(j.tells)
		return j.memory.Compare(in, broken)
	}
	return o
}

// refused says why the run was not compared.
func (j *stateJob) refused() error {
	if j == nil || j.refuse == nil {
		return nil
	}
	return usage(fmt.Errorf("--state: %s: %w", j.name, j.refuse))
}

// silent reports whether the run has nothing to say. One in which this machine
// could not test an address has, whatever the others of the same name show.
func (j *stateJob) silent(run *report.Run) bool {
	return j != nil && j.onlyChanges && run.Changes != nil && run.Changes.Silent() && run.Tally.All.Classes[verdict.ClassError] == 0
}

// changes are those that a receiver is to be told, with what it was not told of
// the runs before; nil: the run was not compared.
func (j *stateJob) changes(receiver int, run *report.Run) *history.Changes {
	if j == nil || run.Changes == nil {
		return run.Changes
	}
	return j.memory.For(receiver, run.Changes)
}

// told notes whether a receiver was told.
func (j *stateJob) told(receiver int, told bool) {
	if j != nil {
		j.memory.Told(receiver, told)
	}
}

// finish remembers the run, and returns its exit code. It comes after the
// reports: what a run that was killed has told is told again, rather than never.
func (j *stateJob) finish(run *report.Run) (int, error) {
	if j == nil {
		return run.Exit(), nil
	}
	if err := j.save(); err != nil {
		return verdict.ExitError, fmt.Errorf("--state: cannot write %s: %w: it still has what it had before this run, and the next run tells the changes again", j.name, reason(err))
	}
	if j.silent(run) {
		return 0, nil
	}
	return run.Exit(), nil
}

// save replaces the file so that after a crash at any moment either the old one
// or the new one is there.
func (j *stateJob) save() error {
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(j.place); err == nil {
		mode = info.Mode().Perm()
	}
	temp := j.place + ".tmp" // one name: what a killed run left is used again, and the lock keeps others away
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode) //nolint:gosec // the user names the file
	if err != nil {
		return err
	}
	err = j.memory.Write(f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = j.replace(temp)
	}
	if err != nil {
		return errors.Join(err, remove(temp))
	}
	return syncFolder(filepath.Dir(j.place))
}

// replace gives the new file its name, and a damaged old one another.
func (j *stateJob) replace(temp string) error {
	if j.bad == "" {
		return os.Rename(temp, j.place)
	}
	if err := os.Rename(j.place, j.bad); err != nil {
		return err
	}
	if err := os.Rename(temp, j.place); err != nil {
		return errors.Join(err, os.Rename(j.bad, j.place))
	}
	return nil
}

// remove takes a file away that may not be there.
func remove(name string) error {
	if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// close lets go of the file.
func (j *stateJob) close() {
	if j != nil && j.lock != nil {
		_ = j.lock.Close() // nothing was written to it
	}
}

// outputs are those to be written: to standard output goes nothing of a run that
// has nothing to say.
func (j *stateJob) outputs(outs []output, run *report.Run) []output {
	if !j.silent(run) {
		return outs
	}
	return slices.DeleteFunc(slices.Clone(outs), func(o output) bool { return o.file == "" })
}

// look is how the outputs are to look.
func (j *stateJob) look(r rendering) rendering {
	r.onlyChanges = j != nil && j.onlyChanges
	return r
}
