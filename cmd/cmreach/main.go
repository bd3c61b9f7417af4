package main

import (
	"cmreach/profiles"
	"cmreach/scanner/verdict"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"go.uber.org/zap/zapcore"
)

// version is set by the linker for releases.
var version = "dev"

// The exit codes that no finding decides; the others are in package verdict.
const (
	exitUsage       = 2
	exitInterrupted = 130
)

// program is the world as a command sees it; tests give it another one.
type program struct {
	args   []string
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	ctx    context.Context

	garbage *garbage // nil: the runtime's own way
}

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	go interrupts(cancel)
	// With somebody to tell, a write to a pipe that nobody reads is an error and
	// no end of the process: the temporary record is removed, and other outputs
	// are written.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	p := &program{args: os.Args[1:], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, ctx: ctx}
	if os.Getenv("GOGC") == "" {
		p.garbage = collectGarbage()
	}
	os.Exit(p.run())
}

// interrupts ends the run in order at the first signal and at once at the second.
func interrupts(cancel context.CancelFunc) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	<-signals
	cancel()
	<-signals
	os.Exit(exitInterrupted)
}

// command is one of the words that may follow "cmreach".
type command struct {
	name  string
	short string
	run   func(p *program, args []string) (int, error)
}

func commands() []command {
	return []command{
		{"check", "run the check", (*program).check},
		{"plan", "say what a check would send; sends nothing", (*program).plan},
		{"report", "render a recorded run", (*program).report},
		{"rules", "write the firewall changes to ask for", (*program).rules},
		{"merge", "join the records of several vantages into one verdict", (*program).merge},
		{"diff", "say how a recorded run differs from an earlier one", (*program).diff},
		{"listen", "answer a check from elsewhere, where no service does", (*program).listen},
		{"schedule", "print a job for cron, systemd or Windows", (*program).schedule},
		{"site", "check a site file, or begin one", (*program).site},
		{"profiles", "list the profiles, or show one", (*program).profiles},
		{"demo", "check an embedded lab network; needs no set-up", (*program).demo},
		{"explain", "say how paths are judged, or what a reason means", (*program).explain},
		{"version", "print the version", (*program).version},
	}
}

// usageError is a mistake of the caller, found before anything was sent.
type usageError struct{ err error }

func (u usageError) Error() string { return u.err.Error() }
func (u usageError) Unwrap() error { return u.err }

// usage wraps the errors of reading flags and files.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// errHelp says that help was asked for and given.
var errHelp = errors.New("help was given")

// run finds the command, runs it and turns its error into an exit code.
func (p *program) run() int {
	if wantsJSON(p.args) {
		lines := newLogLines(p.stderr)
		defer lines.flush()
		p.stderr = lines
	}
	code, err := p.dispatch()
	var u usageError
	switch {
	case err == nil:
		return code
	case errors.Is(err, errHelp):
		return 0
	case errors.As(err, &u):
		p.complain(err)
		return exitUsage
	default:
		if !errors.Is(err, syscall.EPIPE) { // whoever closed the pipe knows
			p.complain(err)
		}
		if code == 0 {
			code = verdict.ExitError
		}
		return code
	}
}

// complain prints an error, each of a joined one on a line of its own.
func (p *program) complain(err error) {
	p.tell(zapcore.ErrorLevel, err)
}

func (p *program) dispatch() (int, error) {
	if len(p.args) == 0 {
		fmt.Fprint(p.stderr, helpText())
		return exitUsage, nil
	}
	word, rest := p.args[0], p.args[1:]
	switch {
	case word == "help" && len(rest) > 0: // "help check" is "check --help"
		word, rest = rest[0], []string{"--help"}
	case word == "help", word == "--help", word == "-h":
		return 0, p.print(helpText())
	case word == "--version":
		word = "version"
	}
	var known []string
	for _, c := range commands() {
		if c.name == word {
			return c.run(p, rest)
		}
		known = append(known, c.name)
	}
	return 0, usage(fmt.Errorf("unknown command %q: %s", word, profiles.Suggest(word, known)))
}

// helpText is the help of the program; that of a command is with its flags.
func helpText() string {
	var w strings.Builder
	w.WriteString(`cmreach checks the network paths that Configuration Manager client deployment needs.

usage: cmreach COMMAND [FLAGS] [TARGET…]

commands:
`)
	for _, c := range commands() {
		fmt.Fprintf(&w, "  %-9s %s\n", c.name, c.short)
	}
	w.WriteString(`
first steps:
  cmreach demo                                  see it work, on a network of its own
  cmreach check -p push pc1.example.com         check one client
  cmreach check -p push -t clients.txt --role management-point=mp1.example.com
  cmreach COMMAND --help                        all flags of a command

exit codes: 0 every required path is open; 1 one is blocked, closed or answered
by something else; 2 bad usage, nothing was sent; 3 none of 1, but some stayed
undecided; 4 this machine could not do the test; 5 another run has the state
file; 130 interrupted.
`)
	return w.String()
}

func (p *program) version(args []string) (int, error) {
	fs := p.flagSet("version", "")
	if err := parse(fs, args); err != nil {
		return 0, err
	}
	if fs.NArg() > 0 {
		return 0, usage(fmt.Errorf("version takes no arguments, but got %q: leave it away", fs.Arg(0)))
	}
	return 0, p.print("cmreach " + version + "\n")
}
