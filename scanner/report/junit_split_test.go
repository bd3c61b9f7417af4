package report_test

import (
	"bytes"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
)

// partsOf are the files of a report, by name.
func partsOf(t *testing.T, run *report.Run, o report.JUnitOptions) (map[string]string, report.JUnitSize) {
	t.Helper()
	files := map[string]string{}
	size, err := report.JUnitParts(run, o, func(name string, write func(io.Writer) error) error {
		var b strings.Builder
		err := write(&b)
		if _, twice := files[name]; twice {
			t.Errorf("%s is written twice", name)
		}
		files[name] = b.String()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	for _, doc := range files {
		n += int64(len(doc))
	}
	if size.Bytes != n || size.Files != len(files) {
		t.Errorf("%+v, want %d bytes in %d files", size, n, len(files))
	}
	return files, size
}

func TestJUnitParts(t *testing.T) {
	docs := map[string]string{}
	for _, r := range runs() {
		b := r.record(t)
		for name, run := range map[string]*report.Run{r.name: load(t, b, report.Options{}), r.name + " cut": load(t, b[:len(b)*2/3], report.Options{})} {
			files, size := partsOf(t, run, report.JUnitOptions{})
			one := counted(t, render(t, report.JUnit, run))
			sum, timed := map[string]int{}, 0
			for file, doc := range files {
				for fate, n := range counted(t, doc) {
					sum[fate] += n
				}
				if !strings.Contains(strings.SplitN(doc, "\n", 3)[1], `time="0.000"`) {
					timed++
				}
				docs[name+" "+file] = doc
				if size.Elements < strings.Count(doc, "<testcase ") {
					t.Errorf("%d elements", size.Elements)
				}
			}
			for fate, n := range one {
				if sum[fate] != n {
					t.Errorf("%s: %v in parts, %v in one", name, sum, one)
				}
			}
			if timed > 1 {
				t.Errorf("%s: %d files have the time of the run", name, timed)
			}
		}
	}
	validate(t, docs)
}

// Whatever a profile is called, its files have names of their own that every
// system can bear, and its suites too.
func TestJUnitPartsOfOddProfiles(t *testing.T) {
	odd := []string{"push", "PUSH", "a.b", "a/b", "../../etc/x", "", " ", "\x00\xff", "é", "run", strings.Repeat("x", 300), strings.Repeat("x", 301), "con", "push-0001"}
	var b bytes.Buffer
	w := record.NewWriter(&b)
	if err := errors.Join(w.WriteHeader(record.Header{Profiles: odd}), w.WriteEnd(record.End{Interrupted: true})); err != nil {
		t.Fatal(err)
	}
	files, _ := partsOf(t, load(t, b.Bytes(), report.Options{}), report.JUnitOptions{})
	if len(files) != len(odd)+1 {
		t.Errorf("%d files for %d profiles", len(files), len(odd))
	}
	fits := regexp.MustCompile(`^TEST-[a-z0-9_-]{1,100}-[0-9]{4}\.xml$`)
	suites := map[string]bool{}
	for name, doc := range files {
		for _, s := range parseJUnit(t, doc).Suites {
			if !fits.MatchString(name) || suites[s.Name] || s.ID != 0 {
				t.Errorf("file %s, suite %s, id %d", name, s.Name, s.ID)
			}
			suites[s.Name] = true
		}
	}
	validate(t, files)
}

func TestJUnitPartsTellErrors(t *testing.T) {
	bad := errors.New("disk full")
	_, err := report.JUnitParts(load(t, runs()[0].record(t), report.Options{}), report.JUnitOptions{}, func(string, func(io.Writer) error) error { return bad })
	if !errors.Is(err, bad) {
		t.Errorf("error %v", err)
	}
}

// Above what a reader takes, the flag that helps is named.
func TestJUnitExcess(t *testing.T) {
	for _, tt := range []struct {
		size   report.JUnitSize
		folder bool
		want   string
	}{
		{report.JUnitSize{Files: 1, Cases: 50_000, Elements: 200_000, Bytes: 20_000_000}, false, ""},
		{report.JUnitSize{Files: 1, Cases: 50_001}, false, "-o junit=DIR/"},
		{report.JUnitSize{Files: 1, Elements: 200_001}, false, "-o junit=DIR/"},
		{report.JUnitSize{Files: 1, Bytes: 31_400_000, Cases: 7}, false, "31.4 MB and 7 cases in one file"},
		{report.JUnitSize{Files: 9, Cases: 400_000, Bytes: 90_000_000}, true, ""},
		{report.JUnitSize{Files: 9, Cases: 400_000, Bytes: 90_000_001}, true, "--junit-granularity host or cause"},
		{report.JUnitSize{Files: 9, Cases: 500_001, Bytes: 1}, true, "500001 cases in 9 files"},
	} {
		if got := tt.size.Excess(tt.folder); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%+v: %q, want %q", tt.size, got, tt.want)
		}
	}
}
