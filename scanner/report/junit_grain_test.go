package report_test

import (
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"io"
	"maps"
	"strings"
	"testing"
)

// junitWith renders JUnit in a granularity.
func junitWith(t fataler, word string) func(io.Writer, *report.Run) error {
	g, err := report.ParseGranularity(word)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return func(w io.Writer, r *report.Run) error {
		_, err := report.JUnitFile(w, r, report.JUnitOptions{Granularity: g})
		return err
	}
}

// counted reads a report, holds its counts against its cases, and gives the
// number of cases of each fate.
func counted(t fataler, doc string) map[string]int {
	all := map[string]int{}
	root := parseJUnit(t, doc)
	seen := map[string]bool{}
	for _, s := range root.Suites {
		own := map[string]int{}
		for _, c := range s.Cases {
			fate, f := c.fate()
			own[fate]++
			if seen[c.Class+"\x00"+c.Name] {
				t.Errorf("%s %s is there twice", c.Class, c.Name)
			}
			seen[c.Class+"\x00"+c.Name] = true
			if (fate == "failure" || fate == "error") && f.Type == "" {
				t.Errorf("%s %s has no type", c.Class, c.Name)
			}
		}
		if s.Tests != len(s.Cases) || s.Failures != own["failure"] || s.Errors != own["error"] || s.Skipped != own["skipped"] {
			t.Errorf("suite %s counts %d, %d, %d, %d and has %v", s.Name, s.Tests, s.Failures, s.Errors, s.Skipped, own)
		}
		for k, n := range own {
			all[k] += n
		}
	}
	if n := len(seen); root.Name != "cmreach" || root.Tests != n || root.Failures != all["failure"] || root.Errors != all["error"] {
		t.Errorf("the root counts %d, %d, %d of %d cases: %v", root.Tests, root.Failures, root.Errors, n, all)
	}
	return all
}

func TestJUnitGranularity(t *testing.T) {
	run := load(t, runs()[0].record(t), report.Options{})
	for word, want := range map[string]map[string]int{
		"check": {"passed": 233, "failure": 40, "error": 1, "skipped": 88},
		"host":  {"passed": 30, "failure": 37, "error": 1, "skipped": 5},
		"cause": {"failure": 9, "error": 1, "skipped": 9},
	} {
		got := counted(t, render(t, junitWith(t, word), run))
		if !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", word, got, want)
		}
	}
	by := run.Tally.HostsBy
	if by[verdict.ClassFailed] != 37 || by[verdict.ClassError] != 1 {
		t.Errorf("hosts by class %v", by)
	}
	if auto := render(t, report.JUnit, run); auto != render(t, junitWith(t, "check"), run) {
		t.Error("a small run is not told path by path")
	}
}

func TestJUnitHostCases(t *testing.T) {
	cases := map[string]xmlCase{}
	for _, c := range parseJUnit(t, render(t, junitWith(t, "host"), load(t, runs()[0].record(t), report.Options{}))).Suites[0].Cases {
		if c.Class != "cmreach.push.host" {
			t.Errorf("class %s", c.Class)
		}
		cases[c.Name] = c
	}
	for name, want := range map[string][]string{
		"pc-0000 [198.18.2.10]":          {"passed"},
		"pc-0100 [198.18.3.10]":          {"failure", "blocked.prohibited", "not ready; ", "blocked: smb", "smb tcp/445: blocked (blocked.prohibited): 198.18.1.2 rejects", "to do: On 198.18.1.2: permit TCP 445", "to do: On the client"},
		"pc-0036 [198.18.2.46]":          {"error", "error.local", "this machine could not do the test; "},
		"pc-0033 [198.18.2.43]":          {"skipped", "not decided; ", "down: "},
		"pc-gone [no address]":           {"skipped", "unresolved: "},
		"mp1.corp.example [198.18.0.80]": {"skipped", "to be tested from elsewhere; "},
	} {
		c, ok := cases[name]
		fate, f := c.fate()
		if !ok || fate != want[0] {
			t.Errorf("%s: %s, there: %v, want %s", name, fate, ok, want[0])
			continue
		}
		for _, w := range want[1:] {
			if !strings.Contains(f.Type+"\n"+f.Message+"\n"+f.Text, w) {
				t.Errorf("%s: no %q in %+v", name, w, f)
			}
		}
	}
}

// Above its limit a state fails; at or below it, it is skipped and says why.
func TestJUnitTolerates(t *testing.T) {
	b := runs()[0].record(t)
	for failOn, want := range map[string]string{
		"blocked>50%": "skipped", "blocked>1%": "failure", "blocked>500": "skipped", "blocked>5": "failure",
	} {
		fail, err := verdict.ParseFailOn([]string{failOn})
		if err != nil {
			t.Fatal(err)
		}
		run := load(t, b, report.Options{Fail: fail})
		for _, word := range []string{"check", "host", "cause"} {
			found := false
			counted(t, render(t, junitWith(t, word), run))
			for _, c := range parseJUnit(t, render(t, junitWith(t, word), run)).Suites[0].Cases {
				fate, f := c.fate()
				if !strings.Contains(c.Name, "pc-0100 ") && !strings.HasPrefix(c.Name, "blocked.prohibited") || !strings.Contains(f.Message, "blocked") {
					continue
				}
				found = true
				if fate != want || fate == "skipped" && !strings.Contains(f.Message, "tolerated") {
					t.Errorf("--fail-on %s, %s: %s is %s: %s", failOn, word, c.Name, fate, f.Message)
				}
			}
			if !found {
				t.Errorf("--fail-on %s, %s: no case", failOn, word)
			}
		}
		for name, text := range map[string]string{"text": render(t, plainText, run), "json": render(t, report.JSON, run)} {
			if !strings.Contains(strings.Join(strings.Fields(text), " "), "--fail-on "+failOn) {
				t.Errorf("%s: no word of %s", name, failOn)
			}
		}
	}
}

// What is tolerated alone leaves the run ready.
func TestToleratedIsReady(t *testing.T) {
	var hosts [][]verdict.Finding
	for i := range 50 {
		f := oddFinding("pc-"+string(rune('a'+i)), verdict.Open)
		if i == 7 {
			f.State = verdict.Blocked
		}
		hosts = append(hosts, []verdict.Finding{f})
	}
	fail, err := verdict.ParseFailOn([]string{"blocked>2%"})
	if err != nil {
		t.Fatal(err)
	}
	run := load(t, oddRun(t, hosts, "x", &record.End{}), report.Options{Fail: fail})
	text := render(t, plainText, run)
	const words = "Tolerated: 2.0 % of the required paths are blocked (1 of 50), --fail-on blocked>2%."
	if run.Exit() != 0 || !strings.HasPrefix(text, "READY: ") || !strings.Contains(strings.Join(strings.Fields(text), " "), words) {
		t.Errorf("exit %d\n%s", run.Exit(), text)
	}
	agree(t, run, [4]int{49, 0, 0, 1})
}

func TestJUnitDialects(t *testing.T) {
	for _, r := range runs() {
		run := load(t, r.record(t), report.Options{})
		strict := render(t, func(w io.Writer, r *report.Run) error {
			_, err := report.JUnitFile(w, r, report.JUnitOptions{Dialect: report.JUnitStrict})
			return err
		}, run)
		common := render(t, report.JUnit, run)
		if strict == common || strict != bare(common) || !strings.Contains(strict, "\n<testsuites>\n") {
			t.Errorf("%s: the dialects differ in more than the root", r.name)
		}
	}
}
