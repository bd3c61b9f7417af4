package report_test

import (
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"io"
	"strings"
	"testing"
)

// The first lines have the answer, and the next step says what to do.
func TestAnswerFirst(t *testing.T) {
	done := &record.End{Finished: runStart}
	for _, tt := range []struct {
		name   string
		states []verdict.State
		end    *record.End
		first  string
		other  string
		next   string
	}{
		{"nothing", nil, done, "NOTHING CHECKED: no host was checked.", "", "Look at the target list"},
		{"ready", []verdict.State{verdict.Open}, done, "READY: every required path that can be tested from here is open.", "Ready 1,", "Nothing is left to do"},
		{"blocked", []verdict.State{verdict.Open, verdict.Blocked, verdict.Down, verdict.Error}, done, "NOT READY: 1 of 4 hosts cannot be reached as required.", "Ready 1, not ready 1, not decided 1, error 1,", "Mend cause 1"},
		{"error", []verdict.State{verdict.Error, verdict.Down}, done, "NO ANSWER: this machine could not do the test for 1 of 2 hosts.", "", "Mend this machine"},
		{"down", []verdict.State{verdict.Open, verdict.Down}, done, "NOT DECIDED: nothing is known to be blocked, but 1 of 2 hosts did not show it.", "", "See to cause 1"},
		{"untested", []verdict.State{verdict.Untested}, done, "NOT TESTED: no required path starts here", "", "Run the check where these paths start, too"},
		{"interrupted, with names of several addresses", []verdict.State{verdict.Open}, &record.End{Interrupted: true, Hosts: 12, Targets: 8, Planned: 9}, "NOT DECIDED: the run did not", "INTERRUPTED: 8 of 9 hosts planned, at 12 addresses, were checked;", "must be checked again"},
		{"interrupted", []verdict.State{verdict.Open}, &record.End{Interrupted: true, Hosts: 1, Planned: 9}, "NOT DECIDED: the run did not come to its end; nothing wrong was found at 1 host", "INTERRUPTED: 1 of 9 hosts planned were checked", "must be checked again"},
		{"ended early", []verdict.State{verdict.Open}, &record.End{Err: "no such device"}, "NOT DECIDED: the run did not come to its end; nothing wrong was found at 1 host", "ENDED EARLY: no such device", "must be checked again"},
		{"cut", []verdict.State{verdict.Open}, nil, "NOT DECIDED: the run did not come to its end; nothing wrong was found at 1 host", "INCOMPLETE: the record has no end", "must be checked again"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var hosts [][]verdict.Finding
			for i, s := range tt.states {
				f := oddFinding("pc-"+string(rune('a'+i)), s)
				f.Reason = s.String() + ".x"
				hosts = append(hosts, []verdict.Finding{f})
			}
			out := render(t, plainText, load(t, oddRun(t, hosts, "x", tt.end), report.Options{}))
			if !strings.HasPrefix(out, tt.first) {
				t.Errorf("begins with %q, want %q", out[:min(len(out), 100)], tt.first)
			}
			_, step, _ := strings.Cut(out, "NEXT STEP\n")
			step, _, _ = strings.Cut(step, "HOW SURE")
			if !strings.Contains(strings.Join(strings.Fields(step), " "), tt.next) {
				t.Errorf("next step %q, want %q", step, tt.next)
			}
			if !strings.Contains(out, tt.other) {
				t.Errorf("%q is missing in\n%s", tt.other, out)
			}
		})
	}
}

// detailOf is what the short text says between the profiles and how sure it is.
func detailOf(t fataler, out string) []string {
	_, rest, ok := strings.Cut(out, "\nBY PROFILE\n")
	if !ok {
		t.Fatalf("no profiles in\n%s", out)
	}
	_, rest, _ = strings.Cut(rest, "\n\n")
	rest, _, ok = strings.Cut("\n"+rest, "\nHOW SURE\n")
	if !ok {
		t.Fatalf("no confidence in\n%s", out)
	}
	var lines []string
	for l := range strings.Lines(rest) {
		if strings.HasPrefix(l, "  ") {
			lines = append(lines, l)
		}
	}
	return lines
}

// The short text fills one screen, and the long one has every host.
func TestDetailIsShort(t *testing.T) {
	for _, r := range runs() {
		for _, width := range []int{60, 80, 120} {
			run := load(t, r.record(t), report.Options{})
			out := render(t, func(w io.Writer, r *report.Run) error {
				return report.Text(w, r, report.TextOptions{Width: width, Lists: strings.Repeat("long/", 30)})
			}, run)
			if n := len(detailOf(t, out)); width >= 80 && n > 20 {
				t.Errorf("%s, width %d: %d lines of detail in\n%s", r.name, width, n, out)
			}
		}
	}
	run := load(t, runs()[0].record(t), report.Options{})
	verbose := render(t, verboseText, run)
	for h, err := range run.Hosts() {
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(verbose, "\n  "+h.Name+" (") && h.Addr.IsValid() {
			t.Errorf("%s is not in the long table", h.Name)
		}
	}
	for _, c := range run.Causes {
		if !strings.Contains(strings.Join(strings.Fields(verbose), " "), c.Message) {
			t.Errorf("%q is not in the long text", c.Message)
		}
	}
}

// A few named parts of the network are listed, many are summed up.
func TestBoundariesInTheShortText(t *testing.T) {
	for _, n := range []int{1, 3, 30} { // and what lies in none
		run := load(t, runs()[2].record(t), report.Options{})
		for i := range n {
			name := "part " + string(rune('a'+i%26)) + string(rune('a'+i/26))
			run.Header.Boundaries = append(run.Header.Boundaries, name)
			part := verdict.Boundary{Name: name, Hosts: 1}
			part.HostsBy[verdict.ClassFailed] = 1
			run.Tally.Boundaries = append(run.Tally.Boundaries, part)
		}
		out := render(t, plainText, run)
		if d := detailOf(t, out); len(d) > 20 {
			t.Errorf("%d lines of detail in\n%s", len(d), out)
		}
		listed := strings.Contains(out, "\nBY BOUNDARY\n  part aa           1 host: ready 0, not ready 1\n")
		if listed != (n <= 3) || n == 30 && !strings.Contains(out, "\n  Hosts need work in 31 of 31: in none 6 of 8, part aa 1 of 1, ") {
			t.Errorf("%d parts:\n%s", n, out)
		}
	}
}

// One host has room for all its rows.
func TestOneHost(t *testing.T) {
	r := runs()[0]
	r.machines = r.machines[30:31]
	out := render(t, plainText, load(t, r.record(t), report.Options{}))
	for _, want := range []string{"1. 198.18.1.2 rejects TCP 445", "198.18.3.10: pc-0100\n", "do:    On 198.18.1.2: permit", "WHAT WORKS\n  push/icmp "} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

func TestFormats(t *testing.T) {
	run := load(t, runs()[1].record(t), report.Options{})
	for _, f := range report.Formats {
		if err := report.Write(io.Discard, f, run, report.TextOptions{}); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	if err := report.Write(io.Discard, "yaml", run, report.TextOptions{}); err == nil || !strings.Contains(err.Error(), "known: text, json, jsonl, junit, html, csv, md, prom") {
		t.Errorf("an unknown format: %v", err)
	}
}

// Breaking out of a walk leaves the run as it was.
func TestHostsCanBeLeft(t *testing.T) {
	run := load(t, runs()[0].record(t), report.Options{})
	for range run.Hosts() {
		break
	}
	n := 0
	for _, err := range run.Hosts() {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != run.Tally.Hosts {
		t.Errorf("%d hosts, want %d", n, run.Tally.Hosts)
	}
}

func TestColourOnlyWhenAsked(t *testing.T) {
	run := load(t, runs()[0].record(t), report.Options{})
	colored := render(t, func(w io.Writer, r *report.Run) error {
		return report.Text(w, r, report.TextOptions{Color: true})
	}, run)
	plain := render(t, plainText, run)
	if strings.Contains(plain, "\x1b") || !strings.Contains(colored, "\x1b[31mNOT READY\x1b[0m") {
		t.Error("colour where none was asked for, or none where it was")
	}
	bare := colored
	for _, code := range []string{"\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m"} {
		bare = strings.ReplaceAll(bare, code, "")
	}
	if bare != plain {
		t.Error("the text differs by more than its colours")
	}
}

func TestLinesFitTheScreen(t *testing.T) {
	for _, r := range runs() {
		run := load(t, r.record(t), report.Options{})
		for _, width := range []int{80, 60, 120} {
			for _, verbose := range []bool{false, true} {
				out := render(t, func(w io.Writer, r *report.Run) error {
					return report.Text(w, r, report.TextOptions{Width: width, Verbose: verbose})
				}, run)
				for line := range strings.Lines(out) {
					if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > width {
						t.Errorf("%s, width %d: line of %d columns: %q", r.name, width, n, line)
					}
				}
			}
		}
	}
}
