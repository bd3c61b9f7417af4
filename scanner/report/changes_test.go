package report_test

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/history"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// yesterday is a memory of the mixed run as it was when some of it was better,
// some worse, and another host in the plan.
func yesterday(t testing.TB, h record.Header) *history.Memory {
	t.Helper()
	m := history.New()
	in := history.Info{Started: h.Started.Add(-24 * time.Hour), Vantage: h.Vantage, Site: h.Site}
	c := m.Compare(in, verdict.DefaultFail)
	run := load(t, runs()[0].record(t), report.Options{})
	n := 0
	for host, err := range run.Hosts() {
		if err != nil {
			t.Fatal(err)
		}
		for i := range host.Findings {
			f := &host.Findings[i]
			switch n++; {
			case f.State == verdict.Open && n%9 == 0:
				f.State, f.Reason = verdict.Closed, "closed.reset"
			case f.State != verdict.Open && n%2 == 0:
				f.State, f.Reason = verdict.Open, "open.answer"
			}
		}
		c.Add(host.Findings)
	}
	c.Add([]verdict.Finding{{Requirement: "push/smb", Host: "pc-old\x1b[31m\n", Required: true, State: verdict.Blocked}})
	c.End(true)
	return m
}

func compared(t testing.TB, o report.Options) report.Options {
	o.Compare = func(h record.Header) *history.Comparison {
		return yesterday(t, h).Compare(history.Info{Started: h.Started, Vantage: h.Vantage, Site: h.Site}, verdict.DefaultFail)
	}
	return o
}

func onlyChanges(format string) func(io.Writer, *report.Run) error {
	return func(w io.Writer, r *report.Run) error {
		return report.WriteChanges(w, format, r, report.TextOptions{})
	}
}

func TestGoldensOfChanges(t *testing.T) {
	run := load(t, runs()[0].record(t), compared(t, report.Options{}))
	whole, alone := render(t, plainText, run), render(t, onlyChanges("text"), run)
	golden(t, "golden/push-changes.txt", []byte(alone))
	golden(t, "golden/push-changes.json", []byte(render(t, onlyChanges("json"), run)))
	first, _, _ := strings.Cut(alone, "\ncmreach ")
	if !strings.HasPrefix(whole, first) {
		t.Errorf("the report does not begin with what changed:\n%.500s", whole)
	}
	if strings.ContainsAny(alone, "\x1b\t") || !strings.Contains(alone, `pc-old\x1b[31m\x0a`) {
		t.Error("a name is not cleaned")
	}
	if render(t, report.JUnit, run) != render(t, report.JUnit, load(t, runs()[0].record(t), report.Options{})) {
		t.Error("JUnit is another one")
	}
	n := run.Changes.Counts
	if n.Broken == 0 || n.Recovered == 0 || n.Still == 0 || n.Gone != 1 || n.Added != 0 {
		t.Errorf("%+v", n)
	}
}

// What changed in a run that goes on is what changed by its record.
func TestLiveChangesAreThoseOfTheRecord(t *testing.T) {
	rec := runs()[0].record(t)
	brief := func(h record.Header, host scanner.Host) []verdict.Finding {
		return verdict.Judge(host, verdict.Context{Vantage: h.Vantage, Brief: true})
	}
	for _, format := range []string{"text", "json"} {
		a := render(t, onlyChanges(format), load(t, rec, compared(t, report.Options{Judge: judge})))
		b := render(t, onlyChanges(format), load(t, rec, compared(t, report.Options{Judge: brief})))
		if d := cmp.Diff(a, b); d != "" {
			t.Errorf("%s (-whole +brief):\n%s", format, d)
		}
	}
}

// diffOf compares yesterday with the mixed run, roughly.
func diffOf(t testing.TB) *report.DiffReport {
	t.Helper()
	d := history.NewDiffer(verdict.DefaultFail)
	run := load(t, runs()[0].record(t), report.Options{})
	n, hosts := 0, 0
	for host, err := range run.Hosts() {
		if err != nil {
			t.Fatal(err)
		}
		hosts++
		d.New(host.Findings)
		for i := range host.Findings {
			f := &host.Findings[i]
			n++
			f.State = []verdict.State{verdict.Open, f.State, f.State, verdict.Inconclusive, f.State, verdict.Blocked, f.State}[n%7]
		}
		if hosts%9 != 0 {
			d.Old(host.Findings)
		}
	}
	d.Old([]verdict.Finding{{Requirement: "push/smb", Host: "pc-old\x1b[31m\n<&]]>", Required: true, State: verdict.Blocked}})
	at := func(hour int) time.Time { return time.Date(2026, 11, 21, hour, 0, 0, 0, time.UTC) }
	return &report.DiffReport{
		Old: report.DiffRun{File: "old.jsonl", Scanner: "SRV01", Started: at(1), Complete: true},
		New: report.DiffRun{File: "new.jsonl", Scanner: "SRV01", Started: at(2), Complete: true}, Exit: 1, Diff: d.Diff(true, true),
	}
}

func TestGoldensOfADiff(t *testing.T) {
	d := diffOf(t)
	write := func(format string, o report.TextOptions) []byte {
		var b bytes.Buffer
		if err := report.WriteDiff(&b, format, d, o); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	text := write("text", report.TextOptions{})
	golden(t, "golden/push-diff.txt", text)
	golden(t, "golden/push-diff.v.txt", write("text", report.TextOptions{Verbose: true}))
	golden(t, "golden/push-diff.json", write("json", report.TextOptions{}))
	xml := write("junit", report.TextOptions{})
	golden(t, "golden/push-diff.xml", xml)
	if n := bytes.Count(text, []byte("\n")); n > 20 {
		t.Errorf("%d lines", n)
	}
	for _, l := range bytes.Split(text, []byte("\n")) {
		if len([]rune(string(l))) > 80 {
			t.Errorf("%d columns: %s", len([]rune(string(l))), l)
		}
	}
	c := d.Counts
	if got := bytes.Count(xml, []byte("<failure ")); got != c.WorseRequired || c.WorseRequired == 0 || c.WorseRequired > c.Worse {
		t.Errorf("%d failures, %+v", got, c)
	}
	if got, want := bytes.Count(xml, []byte("<skipped ")), c.Unclear+c.Gone+c.Added+c.Worse-c.WorseRequired; got != want {
		t.Errorf("%d skipped, want %d", got, want)
	}
	validate(t, map[string]string{"diff": string(xml)})
}
