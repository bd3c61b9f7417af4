package report_test

import (
	"bytes"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the recorded runs and the goldens anew")

const testdata = "../../testdata"

// golden compares with a file, or writes it.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	path = filepath.Join(testdata, path)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s differs (go test ./scanner/report -update writes it anew; -file +now):\n%s", path, d)
	}
}

// fewer is how many of something a test takes: all, or some under the race
// detector, which looks at what goroutines do to one another; neither a browser
// nor a validator is under it. The test says so.
func fewer(t testing.TB, what string, all, some int) int {
	t.Helper()
	if !underRace {
		return all
	}
	t.Logf("under the race detector %d %s, else %d", some, what, all)
	return some
}

func source(b []byte) report.Source {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}

func load(t testing.TB, b []byte, o report.Options) *report.Run {
	t.Helper()
	r, err := report.Load(source(b), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// render writes a run in one format.
func render(t testing.TB, f func(io.Writer, *report.Run) error, r *report.Run) string {
	t.Helper()
	var b bytes.Buffer
	if err := f(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func plainText(w io.Writer, r *report.Run) error { return report.Text(w, r, report.TextOptions{}) }

func verboseText(w io.Writer, r *report.Run) error {
	return report.Text(w, r, report.TextOptions{Verbose: true})
}

func TestRecordedRuns(t *testing.T) {
	for _, r := range runs() {
		golden(t, "runs/"+r.name+".jsonl", r.record(t))
	}
}

func TestGoldens(t *testing.T) {
	for _, r := range runs() {
		t.Run(r.name, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join(testdata, "runs", r.name+".jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			run := load(t, b, report.Options{})
			golden(t, "golden/"+r.name+".txt", []byte(render(t, plainText, run)))
			golden(t, "golden/"+r.name+".json", []byte(render(t, report.JSON, run)))
			golden(t, "golden/"+r.name+".xml", []byte(render(t, report.JUnit, run)))
			golden(t, "golden/"+r.name+".prom", []byte(render(t, prom, run)))
			if r.name == "push-mixed" {
				golden(t, "golden/"+r.name+".host.xml", []byte(render(t, junitWith(t, "host"), run)))
				golden(t, "golden/"+r.name+".cause.xml", []byte(render(t, junitWith(t, "cause"), run)))
				fail, err := verdict.ParseFailOn([]string{"blocked>10%", "closed>1", "wrong-host>2%", "down>3%", "error>1"})
				if err != nil {
					t.Fatal(err)
				}
				golden(t, "golden/"+r.name+".limits.txt", []byte(render(t, plainText, load(t, b, report.Options{Fail: fail}))))
			}
			golden(t, "golden/"+r.name+".csv", []byte(render(t, report.CSV, run)))
			golden(t, "golden/"+r.name+".md", []byte(render(t, report.Markdown, run)))
			if r.name == "push-ready" {
				golden(t, "golden/"+r.name+".v.txt", []byte(render(t, verboseText, run)))
			}
		})
	}
}

// A run that was killed in the middle of a host.
func TestGoldenOfACutRecord(t *testing.T) {
	b := runs()[0].record(t)
	b = b[:bytes.Index(b, []byte(`{"observation":{"host":"pc-0103"`))+40]
	run := load(t, b, report.Options{})
	golden(t, "golden/push-cut.txt", []byte(render(t, plainText, run)))
	golden(t, "golden/push-cut.xml", []byte(render(t, report.JUnit, run)))
	if run.Truncated == nil || run.Truncated.LostHost != "pc-0103" || run.Truncated.Hosts != 33 || run.Complete() {
		t.Errorf("truncated: %+v", run.Truncated)
	}
	again := load(t, []byte(render(t, report.JSONL, run)), report.Options{})
	if again.Truncated == nil || again.Truncated.Hosts != 33 {
		t.Errorf("the copy of a cut record: %+v", again.Truncated)
	}
}

// Judging the record anew gives what the run itself said, in every format.
func TestReplayAgrees(t *testing.T) {
	for _, r := range runs() {
		b := r.record(t)
		recorded, judged := load(t, b, report.Options{}), load(t, b, report.Options{Judge: judge})
		for name, f := range map[string]func(io.Writer, *report.Run) error{
			"text": verboseText, "json": report.JSON, "jsonl": report.JSONL, "junit": report.JUnit, "html": report.HTML, "prom": promHosts,
		} {
			if d := cmp.Diff(render(t, f, recorded), render(t, f, judged)); d != "" {
				t.Errorf("%s of %s (-recorded +judged):\n%s", name, r.name, d)
			}
		}
	}
}

// The record that a report writes is a record, and reports the same.
func TestRecordOfARecord(t *testing.T) {
	for _, r := range runs() {
		first := load(t, r.record(t), report.Options{})
		copied := render(t, report.JSONL, first)
		if strings.Contains(copied, `{"progress":`) {
			t.Error("progress was kept")
		}
		if n := strings.Count(copied, `{"cause":`); n != len(first.Causes) {
			t.Errorf("%d causes in the record, want %d", n, len(first.Causes))
		}
		second := load(t, []byte(copied), report.Options{})
		if d := cmp.Diff(render(t, verboseText, first), render(t, verboseText, second)); d != "" {
			t.Errorf("%s (-first +second):\n%s", r.name, d)
		}
	}
}

func TestExitOfTheRuns(t *testing.T) {
	want := map[string]int{"push-mixed": 1, "push-ready": 0, "push-interrupted": 130}
	for _, r := range runs() {
		if got := load(t, r.record(t), report.Options{}).Exit(); got != want[r.name] {
			t.Errorf("%s: exit %d, want %d", r.name, got, want[r.name])
		}
	}
}

func TestErrorsOfTheRecordAreTold(t *testing.T) {
	_, err := report.Load(source([]byte(`{"header":{"schema":"cmreach/9","version":"9"}}`)), report.Options{})
	var v *record.VersionError
	if !errors.As(err, &v) {
		t.Errorf("error %v, want a VersionError", err)
	}
	_, err = report.Load(func() (io.ReadCloser, error) { return nil, os.ErrPermission }, report.Options{})
	if !errors.Is(err, os.ErrPermission) {
		t.Errorf("error %v, want the source's", err)
	}
	bad := strings.Replace(string(runs()[1].record(t)), `"state":"open"`, `"state":"nice"`, 1)
	_, err = report.Load(source([]byte(bad)), report.Options{})
	if err == nil || !strings.Contains(err.Error(), `a finding of host "pc-0000"`) {
		t.Errorf("error %v, want one that names the host", err)
	}
}

// full fails when so many bytes were written.
type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestWriteErrorsAreTold(t *testing.T) {
	run := load(t, runs()[2].record(t), report.Options{})
	for name, f := range map[string]func(io.Writer, *report.Run) error{
		"text": plainText, "verbose": verboseText, "json": report.JSON, "jsonl": report.JSONL, "junit": report.JUnit, "html": report.HTML, "prom": promHosts,
		"csv": report.CSV, "md": report.Markdown,
	} {
		for _, room := range []int{0, 1000} {
			if err := f(&full{room}, run); err == nil || !strings.Contains(err.Error(), "disk full") {
				t.Errorf("%s with room for %d bytes: error %v", name, room, err)
			}
		}
	}
}
