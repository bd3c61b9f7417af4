package main

import (
	"cmreach/profiles"
	"cmreach/scanner/report"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"
)

// output is one -o: a format, and where it goes.
type output struct {
	format string
	file   string // empty: standard output
}

func formats() []string { return []string{"text", "json", "jsonl", "junit"} }

// readOutputs reads the -o flags. A format without a file goes to standard
// output, of which there is one.
func readOutputs(flags []string) ([]output, error) {
	if len(flags) == 0 {
		flags = []string{"text"}
	}
	var outs []output
	var errs []error
	seen := map[string]bool{}
	for _, f := range flags {
		format, file, hasFile := strings.Cut(f, "=")
		known := false
		for _, k := range formats() {
			known = known || k == format
		}
		switch {
		case !known:
			errs = append(errs, fmt.Errorf("-o: unknown format %q: %s", format, profiles.Suggest(format, formats())))
		case hasFile && file == "":
			errs = append(errs, fmt.Errorf("-o: %q names no file: write %s=FILE, or %s for standard output", f, format, format))
		case seen[file]:
			errs = append(errs, fmt.Errorf("-o: %q: two outputs go to one place: give each a file of its own", f))
		}
		if file == "-" {
			file = ""
		}
		seen[file] = true
		outs = append(outs, output{format, file})
	}
	return outs, errors.Join(errs...)
}

// writable finds out, before anything is sent, whether the outputs can be written.
func writable(outs []output) error {
	var errs []error
	for _, o := range outs {
		if o.file == "" {
			continue
		}
		if info, err := os.Stat(o.file); err == nil && info.IsDir() {
			errs = append(errs, fmt.Errorf("-o: %s is a directory: name a file in it", o.file))
			continue
		}
		f, err := os.CreateTemp(filepath.Dir(o.file), ".cmreach-*")
		if err != nil {
			errs = append(errs, fmt.Errorf("-o: cannot write %s: %w: choose another place", o.file, reason(err)))
			continue
		}
		errs = append(errs, f.Close(), os.Remove(f.Name()))
	}
	return errors.Join(errs...)
}

// reason is the system's own word for a failure, without the temporary name.
func reason(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// rendering is how reports are to look.
type rendering struct {
	verbose bool
	color   bool
	width   int
}

// render writes one report of a loaded run.
func (p *program) render(o output, run *report.Run, r rendering) error {
	write := func(w io.Writer) error {
		switch o.format {
		case "json":
			return report.JSON(w, run)
		case "jsonl":
			return report.JSONL(w, run)
		case "junit":
			return report.JUnit(w, run)
		default:
			opts := report.TextOptions{Verbose: r.verbose, Width: r.width}
			if o.file == "" {
				opts.Color = r.color
			}
			return report.Text(w, run, opts)
		}
	}
	if o.file == "" {
		return write(p.stdout)
	}
	return replace(o.file, write)
}

// replace writes a file so that at every moment either the old one or the whole
// new one is there.
func replace(name string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".cmreach-*")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", name, reason(err))
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	err = write(f)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	return os.Rename(f.Name(), name)
}

// look finds out what standard output is.
func (p *program) look(verbose bool) rendering {
	r := rendering{verbose: verbose, width: 80}
	if f, ok := p.stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		r.color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return r
}
