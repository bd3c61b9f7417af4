package report_test

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"strings"
	"testing"
)

// The brief text of the recorded run: the answer, each cause in one sentence
// with the first thing to do, and what is left to others.
func TestBrief(t *testing.T) {
	run := load(t, runs()[0].record(t), report.Options{})
	var out bytes.Buffer
	if err := report.Brief(&out, run, nil, report.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if first, _, _ := strings.Cut(text, "\n"); !strings.HasPrefix(first, "NOT READY: ") {
		t.Errorf("begins with %q", first)
	}
	sentences := 0
	for _, c := range run.Causes {
		if c.State != verdict.Untested {
			sentences++
		}
	}
	for _, want := range []string{"\n  1. ", "\n     do: ", " start elsewhere and are left to other vantages.\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if got := strings.Count(text, " do: "); got == 0 || got > sentences {
		t.Errorf("%d times what to do, for %d causes", got, sentences)
	}
	for line := range strings.Lines(text) {
		if len([]rune(line)) > 81 {
			t.Errorf("a long line: %q", line)
		}
	}
	out.Reset()
	if err := report.Brief(&out, run, run, report.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.Contains(text, " do: ") || !strings.Contains(text, " as above.") {
		t.Errorf("what was shown is shown again:\n%s", text)
	}
}

// What no packet can test is no matter of another vantage.
func TestByHand(t *testing.T) {
	f := oddFinding("pc-a", verdict.Untested)
	f.Reason, f.Protocol, f.Port = "untested.manual", scanner.Manual, 0
	f.Message, f.Fix = "to be checked by hand: the program", "look at the firewall of the client"
	out := render(t, plainText, load(t, oddRun(t, [][]verdict.Finding{{f}}, "x", &record.End{Finished: runStart}), report.Options{}))
	for _, want := range []string{"WHAT MUST BE CHECKED BY HAND", "is to be checked by hand: the program", "seen:  no packet can test it", "do:    look at the firewall of the client", "Check by hand what cause 1 says"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if strings.Contains(out, "ELSEWHERE") || strings.Contains(out, "--vantage") {
		t.Errorf("another vantage is asked for:\n%s", out)
	}
}
