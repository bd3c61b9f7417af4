package main

import (
	"cmreach/profiles"
	"cmreach/scanner/report"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

const failOnHelp = "`STATE`s that count as failure besides blocked, closed, wrong-service and wrong-host; " +
	"STATE>N or STATE>N% tolerates it up to N required paths, or N percent of those that could be tested: 'blocked>2%,down>30%'"

// junitFlags are the flags for JUnit, as they were given.
type junitFlags struct{ dialect, granularity string }

func (j *junitFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&j.dialect, "junit-dialect", "common", "`DIALECT` of -o junit: common, with the counts at the root, or strict, valid against windyroad's JUnit.xsd (-o junit=DIR/ writes several files, below the limits of their readers)")
	fs.StringVar(&j.granularity, "junit-granularity", "auto",
		"`WHAT` -o junit has a case for: check (each path), host, cause, or auto: check up to 5,000 cases, then host, and cause for very many hosts")
}

func (j *junitFlags) read() (report.JUnitOptions, error) {
	dialect, err := report.ParseJUnitDialect(j.dialect)
	if err != nil {
		err = fmt.Errorf("--junit-dialect: unknown dialect %q: %s", j.dialect, profiles.Suggest(j.dialect, []string{"common", "strict"}))
	}
	granularity, gErr := report.ParseGranularity(j.granularity)
	if gErr != nil {
		gErr = fmt.Errorf("--junit-granularity: unknown granularity %q: %s", j.granularity, profiles.Suggest(j.granularity, report.Granularities))
	}
	return report.JUnitOptions{Dialect: dialect, Granularity: granularity}, errors.Join(err, gErr)
}

// folder reports whether an output goes to a folder, as several files.
func (o output) folder() bool {
	if o.format != "junit" || o.file == "" {
		return false
	}
	info, err := os.Stat(o.file)
	return endsInSlash(o.file) || err == nil && info.IsDir()
}

func endsInSlash(name string) bool { return name != "" && os.IsPathSeparator(name[len(name)-1]) }

// tryFolder finds out whether files can be made in a folder, or the folder
// where there is none yet. It leaves everything as it was.
func tryFolder(name string) error {
	dir := filepath.Clean(name)
	for {
		info, err := os.Stat(dir)
		switch {
		case err == nil && !info.IsDir():
			return errors.New("it is a file and no folder")
		case err == nil:
			f, err := os.CreateTemp(dir, ".cmreach-*")
			if err != nil {
				return err
			}
			return errors.Join(f.Close(), os.Remove(f.Name()))
		case !errors.Is(err, fs.ErrNotExist) || filepath.Dir(dir) == dir:
			return err
		}
		dir = filepath.Dir(dir)
	}
}

// renderJUnit writes a JUnit report to standard output, to a file, or to
// several in a folder, and says so when its readers may refuse it.
func (p *program) renderJUnit(o output, run *report.Run, opts report.JUnitOptions) error {
	var size report.JUnitSize
	write := func(w io.Writer) (err error) {
		size, err = report.JUnitFile(w, run, opts)
		return err
	}
	var err error
	switch {
	case o.folder():
		size, err = junitFolder(o.file, run, opts)
	case o.file != "":
		err = replace(o.file, write)
	default:
		if err = enough(write(p.stdout)); err != nil {
			err = fmt.Errorf("cannot write to standard output: %w", reason(err))
		}
	}
	if much := size.Excess(o.folder()); err == nil && much != "" {
		fmt.Fprintf(p.stderr, "cmreach: -o junit: %s\n", much)
	}
	return err
}

// junitFolder writes a report as several files. Each is there as a whole or as
// it was before; those of an earlier run that this one does not have are
// removed at the end.
func junitFolder(dir string, run *report.Run, opts report.JUnitOptions) (report.JUnitSize, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // what a report tells is meant to be read by others
		return report.JUnitSize{}, fmt.Errorf("cannot make the folder %s: %w", dir, reason(err))
	}
	var written []string
	size, err := report.JUnitParts(run, opts, func(name string, write func(io.Writer) error) error {
		written = append(written, name)
		return replace(filepath.Join(dir, name), write)
	})
	if err == nil {
		err = removeOld(dir, written)
	}
	return size, err
}

// partName is the name of a file that junitFolder writes.
var partName = regexp.MustCompile(`^TEST-[a-z0-9_-]+-[0-9]{4}\.xml$`)

// removeOld removes the parts of an earlier report that has more of them, or
// another profile: whoever reads the folder would take them for results of this
// run. Files of others stay.
func removeOld(dir string, keep []string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("cannot look for old reports in %s: %w", dir, reason(err))
	}
	var errs []error
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if !e.Type().IsRegular() || !partName.MatchString(e.Name()) || slices.Contains(keep, e.Name()) || !isPart(name) {
			continue
		}
		if err := os.Remove(name); err != nil {
			errs = append(errs, fmt.Errorf("cannot remove the old report %s: %w: readers would take it for one of this run", name, reason(err)))
		}
	}
	return errors.Join(errs...)
}

// isPart reports whether a file begins as those that junitFolder writes do:
// build tools give their files names like ours.
func isPart(name string) bool {
	f, err := os.Open(name) //nolint:gosec // it is in the folder that the user named
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // only read
	head := make([]byte, 512)
	n, _ := io.ReadFull(f, head) // a short file is read as far as it goes
	return strings.Contains(string(head[:n]), `<testsuite name="cmreach.`)
}
