package main

import (
	"cmreach/cmd/cmreach/notify"
	"cmreach/cmd/cmreach/schedule"
	"cmreach/profiles"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// The schedulers that schedule writes for.
const (
	forCron    = "cron"
	forSystemd = "systemd"
	forWindows = "windows"
)

// schedule prints a job for a scheduler. The flags of the check are read here
// and now, as a mistake in them would else be found at night.
func (p *program) schedule(args []string) (int, error) {
	fs := p.flagSet("schedule", "[FLAGS] cron|systemd|windows -- CHECK-FLAGS TARGET…")
	every := fs.String("every", "1h", "`TIME` between two runs: 5m, 15m, 1h, 6h, 1d")
	at := fs.String("at", "", "`TIME` of day of a run, such as 02:30")
	jitter := fs.Duration("jitter", 0, "begin up to this `TIME` later, another one each time (default a tenth of --every, 5m at the most)")
	name := fs.String("name", "cmreach", "`NAME` of the unit or the task")
	prog := fs.String("program", "", "where cmreach is: `FILE` (default: this one)")
	dir := fs.String("dir", "", "write the files into this `DIRECTORY` in place of printing them (systemd, windows)")
	if err := parse(fs, args); err != nil {
		return 0, err
	}
	kind, rest, err := scheduled(fs)
	if err != nil {
		return 0, usage(err)
	}
	j := schedule.Job{Name: *name, Jitter: *jitter}
	var progErr error
	j.When, err = schedule.ParseWhen(*every, *at)
	if !fs.Changed("jitter") {
		j.Jitter = min(j.When.Every/10, 5*time.Minute)
	}
	j.Program, progErr = programPath(kind, *prog)
	if err := errors.Join(err, progErr); err != nil {
		return 0, usage(err)
	}
	if j.Args, err = p.scheduledArgs(kind, rest); err != nil {
		return 0, err
	}
	j.Args = append([]schedule.Arg{{Value: "check"}}, j.Args...)
	files, err := scheduleFiles(kind, j)
	switch {
	case err != nil:
		return 0, usage(err)
	case *dir == "":
		return 0, p.print(files.text)
	case kind == forCron:
		return 0, usage(errors.New("--dir: a line for cron is no file: add what is printed with crontab -e"))
	}
	return 0, p.writeSchedule(*dir, files)
}

// scheduled splits the arguments into the scheduler and those of the check.
func scheduled(fs *pflag.FlagSet) (kind string, check []string, err error) {
	kinds := []string{forCron, forSystemd, forWindows}
	at := fs.ArgsLenAtDash()
	if at < 0 {
		at = fs.NArg()
	}
	switch kind = fs.Arg(0); {
	case at == 0:
		return "", nil, errors.New("say for what: cmreach schedule cron, systemd or windows -- FLAGS AND TARGETS OF THE CHECK")
	case !slices.Contains(kinds, kind):
		return "", nil, fmt.Errorf("unknown scheduler %q: %s", kind, profiles.Suggest(kind, kinds))
	case at > 1:
		return "", nil, fmt.Errorf("%q is no flag of schedule: the flags and targets of the check come after --: cmreach schedule %s -- -p push -t clients.txt", fs.Arg(1), kind)
	}
	check = fs.Args()[at:]
	if len(check) > 0 && check[0] == "check" {
		check = check[1:]
	}
	if len(check) == 0 {
		return "", nil, fmt.Errorf("nothing to check: cmreach schedule %s -- -p push -t clients.txt", kind)
	}
	return kind, check, nil
}

// schedulePaper is what schedule wrote: on the screen, and as files.
type schedulePaper struct {
	text  string
	files [][2]string // name, text
}

func scheduleFiles(kind string, j schedule.Job) (out schedulePaper, err error) {
	switch kind {
	case forCron:
		out.text, err = schedule.Cron(j)
	case forSystemd:
		var u schedule.Units
		u, err = schedule.Systemd(j)
		out.text = u.Text(j.Name)
		out.files = [][2]string{{j.Name + ".service", u.Service}, {j.Name + ".timer", u.Timer}}
	case forWindows:
		out.text, err = schedule.Windows(j)
		out.files = [][2]string{{j.Name + ".xml", out.text}}
	}
	return out, err //nolint:wrapcheck // it says what is wrong
}

func (p *program) writeSchedule(dir string, files schedulePaper) error {
	for _, f := range files.files {
		name := filepath.Join(dir, f[0])
		if err := replace(name, func(w io.Writer) error { _, err := io.WriteString(w, f[1]); return err }); err != nil {
			return usage(fmt.Errorf("--dir: %w: choose another place", err))
		}
		if err := p.print(name + "\n"); err != nil {
			return err
		}
	}
	return nil
}

// fileUse are the flags of check that name files, and what becomes of these.
var fileUse = map[string]schedule.Use{
	"targets": schedule.Reads, "site": schedule.Reads, "state": schedule.Writes, "pcap": schedule.Writes, "advice": schedule.Writes,
	"far-end-key-file": schedule.Secret, "notify-file": schedule.Secret,
}

// scheduledArgs reads the arguments of the check, and writes them so that they
// mean the same from anywhere.
func (p *program) scheduledArgs(kind string, args []string) ([]schedule.Arg, error) {
	f := p.checkFlagSet()
	if err := parse(f.set, args); err != nil {
		return nil, err
	}
	var out []schedule.Arg
	var errs []error
	f.set.Visit(func(g *pflag.Flag) {
		values := []string{g.Value.String()}
		if s, ok := g.Value.(pflag.SliceValue); ok {
			values = s.GetSlice()
		}
		for _, v := range values {
			a, err := scheduledArg(kind, g, v)
			out, errs = append(out, a), append(errs, err)
		}
	})
	if f.resume != "" {
		errs = append(errs, errors.New("--resume goes on with one run: a job begins a new one each time"))
	}
	if slices.Contains(f.targets, "-") {
		errs = append(errs, errors.New("-t -: a job has no standard input: write the list to a file"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, usage(err)
	}
	if err := p.rehearse(kind, f, out); err != nil {
		return nil, err
	}
	targets := f.set.Args()
	if slices.ContainsFunc(targets, func(t string) bool { return strings.HasPrefix(t, "-") }) {
		out = append(out, schedule.Arg{Value: "--"})
	}
	for _, t := range targets {
		out = append(out, schedule.Arg{Value: t})
	}
	return out, nil
}

// scheduledArg is one flag of the check. Files have their whole path.
func scheduledArg(kind string, g *pflag.Flag, v string) (schedule.Arg, error) {
	a := schedule.Arg{Flag: "--" + g.Name + "=", Value: v}
	if g.Value.Type() == "bool" && v == "true" {
		return schedule.Arg{Value: "--" + g.Name}, nil
	}
	if use, ok := fileUse[g.Name]; ok {
		a.Use = use
	}
	if g.Name == "profile" && isFile(v) {
		a.Use = schedule.Reads
	}
	if format, file, toFile := strings.Cut(v, "="); g.Name == "output" && toFile && file != "-" {
		a = schedule.Arg{Flag: a.Flag + format + "=", Value: file, Use: schedule.Writes}
	}
	if a.Use == schedule.Plain || a.Value == "" || a.Value == "-" {
		return a, nil
	}
	var err error
	a.Value, err = wholeFor(kind, a.Value)
	return a, err
}

// rehearse finds the mistakes that a run would find before it sends anything.
// Where a file is not there yet, or on another machine, it says so.
func (p *program) rehearse(kind string, f *checkFlags, args []schedule.Arg) error {
	_, flagErr := f.rehearse(p)
	errs := []error{flagErr, p.rehearseNotify(f.notify.urls)}
	here := (kind == forWindows) == (runtime.GOOS == "windows")
	for _, a := range args {
		if a.Use != schedule.Reads && a.Use != schedule.Secret {
			continue
		}
		if !here || a.Value == "" {
			here = false
			continue
		}
		if _, err := os.Stat(a.Value); err != nil {
			p.warn(fmt.Errorf("warning: %s: %w: it must be there when the job runs", a.Value, reason(err)))
			here = false
		}
	}
	if here {
		_, _, err := p.build(&f.selection, f.set.Args(), nil)
		return usage(errors.Join(append(errs, err)...))
	}
	var names []string
	for _, n := range f.profiles {
		if !isFile(n) {
			names = append(names, n)
		}
	}
	_, loadErr := profiles.Load(names, nil)
	_, readErr := f.selection.read()
	return usage(errors.Join(append(errs, loadErr, readErr)...))
}

// rehearseNotify checks the URLs of --notify. What a schedule says is for all to
// read: there must be no secret in them.
func (p *program) rehearseNotify(urls []string) error {
	var errs []error
	for _, u := range urls {
		variables := strings.Contains(u, "${")
		if strings.HasPrefix(strings.TrimSpace(u), "${") { // of which nothing is known here
			p.warn(errors.New("warning: --notify: the variables in it must be in the environment of the job"))
			continue
		}
		r, err := notify.Parse(u, func(string) (string, bool) { return "x", true })
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("--notify: %w", err))
		case variables:
			p.warn(fmt.Errorf("warning: --notify: %s: the variables in it must be in the environment of the job", r))
		case !r.Plain():
			errs = append(errs, fmt.Errorf("--notify: %s: the schedule would show the rest of it to all: write the URL into a file for --notify-file", r))
		}
	}
	return errors.Join(errs...)
}

var windowsPath = regexp.MustCompile(`^([A-Za-z]:[\\/]|\\\\)`)

// wholeFor is the whole path of a file on the machine that the job is for.
func wholeFor(kind, name string) (string, error) {
	there := windowsPath.MatchString(name)
	switch {
	case kind == forWindows && (there || runtime.GOOS == "windows"):
		if runtime.GOOS == "windows" {
			return whole(name), nil
		}
		return name, nil
	case kind == forWindows:
		return "", fmt.Errorf(`%s: this machine cannot tell where that is on Windows: write the whole path, such as C:\ProgramData\cmreach\%s`, name, filepath.Base(name))
	case runtime.GOOS == "windows" && !strings.HasPrefix(name, "/"):
		return "", fmt.Errorf("%s: this machine cannot tell where that is on the other one: write the whole path, such as /etc/cmreach/%s", name, filepath.Base(name))
	case runtime.GOOS == "windows":
		return name, nil
	default:
		return whole(name), nil
	}
}

// programPath is where the program is on the machine that the job is for.
func programPath(kind, given string) (string, error) {
	switch {
	case given != "":
		path, err := wholeFor(kind, given)
		if err != nil {
			return "", fmt.Errorf("--program: %w", err)
		}
		return path, nil
	case kind == forWindows && runtime.GOOS != "windows":
		return `C:\Program Files\cmreach\cmreach.exe`, nil
	case kind != forWindows && runtime.GOOS == "windows":
		return "/usr/local/bin/cmreach", nil
	}
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("--program: this system does not say where the program is: %w", err)
	}
	return path, nil
}
