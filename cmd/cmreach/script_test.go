package main

import (
	"cmreach/scanner/lab"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the command line as users meet it: see testdata/cli.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/cli",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		ContinueOnError:     true,
		Condition:           condition,
		Setup: func(env *testscript.Env) error {
			runs, err := filepath.Abs("../../testdata/runs")
			env.Setenv("RUNS", runs) // records, for reading
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"lab":     startLoopback,
			"names":   startNames,
			"wrong":   wrong,
			"finding": finding,
			"valid":   valid,
			"subst":   subst,
			"logged":  logged,
			"hook":    startHook,
			"bodies":  bodies,
		},
	})
}

// condition says whether this machine has what a script needs.
func condition(cond string) (bool, error) {
	switch cond {
	case "loopback-net": // all of 127.0.0.0/8, and not 127.0.0.1 alone
		return runtime.GOOS != "darwin", nil
	case "namespaces": // of users and networks, for a network without routes
		return runtime.GOOS == "linux" && exec.Command("unshare", "-rn", "true").Run() == nil, nil
	default:
		return false, fmt.Errorf("unknown condition %q", cond)
	}
}

// exits runs a command that must end with an exit code: "exits 2 cmreach check".
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// wrong runs "cmreach" with arguments that are a mistake: it must end with exit
// code 2, print nothing to standard output, and exactly the lines of the file
// to standard error: "wrong FILE check -o txt 127.0.0.1".
func wrong(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: wrong FILE [ARGUMENT...]")
	}
	exits(ts, false, append([]string{"2", "cmreach"}, args[1:]...))
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("standard output is not empty:\n%s", out)
	}
	var want strings.Builder
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		want.WriteString("cmreach: " + line)
	}
	if got := ts.ReadFile("stderr"); got != want.String() {
		ts.Fatalf("standard error:\n%s\nwant:\n%s", got, want.String())
	}
}

// startLoopback starts the loopback lab for the rest of the script. The
// environment gets SMB, EPM and HTTP, the ports, for --port; and PC1 to PC5 and
// MP1 and MP2, the addresses.
func startLoopback(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: lab")
	}
	l, plan, err := lab.Loopback(context.Background()) // until the end of the script
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	for name, port := range plan.Ports {
		ts.Setenv(strings.ToUpper(name), strconv.Itoa(int(port)))
	}
	for _, c := range plan.Checks {
		for _, e := range c.Truth {
			if e.Addr.IsValid() {
				name, _, _ := strings.Cut(e.Host, ".")
				name = strings.NewReplacer("-00", "").Replace(name)
				ts.Setenv(strings.ToUpper(name), e.Addr.String())
			}
		}
	}
}

// finding looks for a path in a report in JSON: "finding report.json ADDRESS
// ROW STATE REASON".
func finding(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 5 {
		ts.Fatalf("usage: finding FILE ADDRESS ROW STATE REASON")
	}
	var doc struct {
		Schema   string
		Findings []struct{ Addr, Requirement, State, Reason string }
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &doc))
	if doc.Schema != "cmreach/1" {
		ts.Fatalf("schema %q", doc.Schema)
	}
	for _, f := range doc.Findings {
		if f.Addr == args[1] && f.Requirement == args[2] {
			if is := f.State == args[3] && f.Reason == args[4]; is == neg {
				ts.Fatalf("%s %s is %s, %s", f.Addr, f.Requirement, f.State, f.Reason)
			}
			return
		}
	}
	if !neg {
		ts.Fatalf("no finding of %s at %s", args[2], args[1])
	}
}

// valid reads a whole file as json, jsonl or xml.
func valid(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: valid json|jsonl|xml FILE")
	}
	text := ts.ReadFile(args[1])
	switch args[0] {
	case "json":
		if !json.Valid([]byte(text)) {
			ts.Fatalf("%s is no JSON", args[1])
		}
	case "jsonl":
		n := 0
		for line := range strings.Lines(text) {
			if n++; !json.Valid([]byte(line)) || !strings.HasSuffix(line, "\n") {
				ts.Fatalf("%s:%d is no JSON", args[1], n)
			}
		}
		if n < 2 {
			ts.Fatalf("%s has %d lines", args[1], n)
		}
	case "xml":
		d := xml.NewDecoder(strings.NewReader(text))
		for {
			_, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			ts.Check(err)
		}
	default:
		ts.Fatalf("unknown format %q", args[0])
	}
}

// subst writes FROM to the file TO with every match of a regular expression
// replaced: for records of other versions.
func subst(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: subst EXPRESSION REPLACEMENT FROM TO")
	}
	re, err := regexp.Compile(args[0])
	ts.Check(err)
	text := re.ReplaceAllString(ts.ReadFile(args[2]), args[1])
	if text == ts.ReadFile(args[2]) {
		ts.Fatalf("%s has no %s", args[2], args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[3]), []byte(text), 0o644))
}
