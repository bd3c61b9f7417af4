package report_test

import (
	"cmreach/scanner/cause"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"io"
	"strings"
	"testing"
)

// A limit of --fail-on changes the exit code, and not for which clients a
// method works: the lists agree with the counts, and with those without it.
func TestAdviceIsNotTolerant(t *testing.T) {
	b := runs()[0].record(t)
	fail, err := verdict.ParseFailOn([]string{"blocked>90%", "closed>90%", "wrong-host>90%"})
	if err != nil {
		t.Fatal(err)
	}
	strict, limited := load(t, b, report.Options{}), load(t, b, report.Options{Fail: fail})
	for name, run := range map[string]*report.Run{"strict": strict, "limited": limited} {
		var ws []io.Writer
		lists := map[string]*strings.Builder{}
		for _, f := range report.AdviceFiles(run) {
			lists[f] = &strings.Builder{}
			ws = append(ws, lists[f])
		}
		if err := report.Advice(ws, run); err != nil {
			t.Fatal(err)
		}
		no := strings.Count(lists["push-no.txt"].String(), "\n")
		for i, m := range run.Methods() {
			if m.Name == "push" && (m.Clients[cause.AnswerNo] != no || no == 0 || m.Clients != strict.Methods()[i].Clients) {
				t.Errorf("%s: %d clients in the list, counts %v, strict %v", name, no, m.Clients, strict.Methods()[i].Clients)
			}
		}
	}
}
