package main

import (
	"cmreach/profiles"
	"cmreach/scanner/report"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// output is one -o: a format, and where it goes.
type output struct {
	format string
	file   string // empty: standard output
}

// readOutputs reads the -o flags. A format without a file goes to standard
// output, of which there is one.
func readOutputs(flags []string) ([]output, error) { return readFormats(flags, report.Formats) }

// readFormats is readOutputs for other formats.
func readFormats(flags, known []string) ([]output, error) {
	if len(flags) == 0 {
		flags = []string{"text"}
	}
	var outs []output
	var errs []error
	seen := map[string]bool{}
	for _, f := range flags {
		format, file, hasFile := strings.Cut(f, "=")
		if hasFile && file == "" {
			errs = append(errs, fmt.Errorf("-o: %q names no file: write %s=FILE, or %s for standard output", f, format, format))
		}
		if file == "-" {
			file = ""
		}
		key := samePlace(file)
		switch {
		case !slices.Contains(known, format):
			errs = append(errs, fmt.Errorf("-o: unknown format %q: %s", format, profiles.Suggest(format, known)))
		case seen[key] && file == "":
			errs = append(errs, fmt.Errorf("-o: %q: another output goes to standard output already: write %s=FILE", f, format))
		case seen[key]:
			errs = append(errs, fmt.Errorf("-o: %q: another output goes to this file already: give each a file of its own", f))
		}
		seen[key] = true
		outs = append(outs, output{format, file})
	}
	return outs, errors.Join(errs...)
}

// listsHosts reports whether one of the outputs has every host, and not only
// what the hosts come to together.
func listsHosts(outs []output, verbose bool) bool {
	return verbose || slices.ContainsFunc(outs, func(o output) bool { return o.format != "text" && o.format != "md" })
}

// samePlace is one word for all spellings of a file's name.
func samePlace(file string) string {
	if file == "" {
		return ""
	}
	if abs, err := filepath.Abs(file); err == nil {
		return abs
	}
	return file
}

// writable finds out, before anything is sent, whether the outputs can be written.
func writable(outs []output) error {
	var errs []error
	for _, o := range outs {
		if o.file == "" {
			continue
		}
		try := tryWrite
		if o.folder() {
			try = tryFolder
		}
		if err := try(o.file); err != nil {
			errs = append(errs, fmt.Errorf("-o: cannot write %s: %w: choose another place", o.file, reason(err)))
		}
	}
	return errors.Join(errs...)
}

// tryWrite leaves everything as it was.
func tryWrite(name string) error {
	info, err := os.Stat(name)
	switch {
	case err == nil && info.Mode()&os.ModeNamedPipe != 0:
		return nil // to open it would be to wait for its reader
	case err == nil: // a file that is there must permit it, even where it would be replaced
		f, err := os.OpenFile(name, os.O_WRONLY, 0) //nolint:gosec // the user names the file
		if err != nil {
			return err
		}
		return f.Close()
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".cmreach-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
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
	verbose   bool
	color     bool
	width     int
	promHosts bool // a series for each host in the metrics
	junit     report.JUnitOptions
	lists     string // the folder with the advice for each client; empty: not asked for

	onlyChanges bool // on standard output: what changed, and not the run
}

// promHostsHelp is the help of --prom-hosts.
const promHostsHelp = "with -o prom: a series for each host too; without it their number does not grow with the hosts"

// print writes data to standard output.
func (p *program) print(s string) error {
	if _, err := io.WriteString(p.stdout, s); enough(err) != nil {
		return fmt.Errorf("cannot write to standard output: %w", reason(err))
	}
	return nil
}

// printJSON writes a document to standard output.
func (p *program) printJSON(v any) error {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	return p.print(out.String())
}

// render writes one report of a loaded run.
func (p *program) render(o output, run *report.Run, r rendering) error {
	if o.format == "junit" {
		return p.renderJUnit(o, run, r.junit)
	}
	write := func(w io.Writer) error {
		opts := report.TextOptions{Verbose: r.verbose, Width: r.width, PromHosts: r.promHosts, Lists: r.lists}
		opts.Color = r.color && o.file == ""
		if r.onlyChanges && o.file == "" {
			return report.WriteChanges(w, o.format, run, opts)
		}
		return report.Write(w, o.format, run, opts)
	}
	return p.write(o.file, write)
}

// write writes to a file, or to standard output where none is named.
func (p *program) write(file string, write func(io.Writer) error) error {
	if file != "" {
		return replace(file, write)
	}
	if err := enough(write(p.stdout)); err != nil {
		return fmt.Errorf("cannot write to standard output: %w", reason(err))
	}
	return nil
}

// enough takes away the error of a reader who has seen enough and left, as
// "head" does: what was found stands all the same.
func enough(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

// replace writes a file so that at every moment either the old one or the whole
// new one is there. What is no file, such as a device or a pipe, is written to.
func replace(name string, write func(io.Writer) error) error {
	info, err := os.Stat(name)
	there := err == nil
	if there && !info.Mode().IsRegular() {
		return overwrite(name, write)
	}
	target := name
	if real, err := filepath.EvalSymlinks(name); err == nil {
		target = real // so that a link stays one
	}
	f, err := os.CreateTemp(filepath.Dir(target), ".cmreach-*")
	switch {
	case err != nil && there:
		return overwrite(name, write) // the file may be written, its folder not
	case err != nil:
		return fmt.Errorf("cannot write %s: %w", name, reason(err))
	}
	err = write(f)
	if err == nil {
		mode := os.FileMode(0o644) // what a report tells is meant to be read by others
		if there {
			mode = info.Mode().Perm()
		}
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), target)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("cannot write %s: %w", name, reason(err))
	}
	return nil
}

// overwrite writes where replacing is out of the question.
func overwrite(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0) //nolint:gosec // the user names the file
	if err == nil {
		err = errors.Join(write(f), f.Close())
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", name, reason(err))
	}
	return nil
}

// narrowest is the narrowest terminal that the text is fitted to.
const narrowest = 40

// look finds out what standard output is.
func (p *program) look(verbose bool) rendering {
	r := rendering{verbose: verbose, width: 80}
	if f, ok := p.stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		r.color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width >= narrowest {
			r.width = min(r.width, width) // wider lines are no easier to read
		}
	}
	return r
}
