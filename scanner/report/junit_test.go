package report_test

import (
	"bytes"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The elements of a report, as Go's own decoder reads them.
type (
	xmlSuites struct {
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Errors   int        `xml:"errors,attr"`
		Suites   []xmlSuite `xml:"testsuite"`
	}
	xmlSuite struct {
		Name      string    `xml:"name,attr"`
		ID        int       `xml:"id,attr"`
		Tests     int       `xml:"tests,attr"`
		Failures  int       `xml:"failures,attr"`
		Errors    int       `xml:"errors,attr"`
		Skipped   int       `xml:"skipped,attr"`
		Time      string    `xml:"time,attr"`
		Timestamp string    `xml:"timestamp,attr"`
		Hostname  string    `xml:"hostname,attr"`
		Cases     []xmlCase `xml:"testcase"`
		Out       string    `xml:"system-out"`
	}
	xmlCase struct {
		Class   string   `xml:"classname,attr"`
		Name    string   `xml:"name,attr"`
		Time    string   `xml:"time,attr"`
		Failure *xmlFate `xml:"failure"`
		Error   *xmlFate `xml:"error"`
		Skipped *xmlFate `xml:"skipped"`
	}
	xmlFate struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

func parseJUnit(t fataler, doc string) xmlSuites {
	var s xmlSuites
	if err := xml.Unmarshal([]byte(doc), &s); err != nil {
		t.Fatalf("not XML: %v\n%s", err, doc)
	}
	return s
}

// fataler is what rapid's and the standard T have in common.
type fataler interface {
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// anyRoot is the root of a report, whatever its attributes.
var anyRoot = regexp.MustCompile(`<testsuites[^>]*>`)

// bare is a report in the common dialect made one in the strict: these differ
// in the root alone.
func bare(doc string) string { return anyRoot.ReplaceAllLiteralString(doc, "<testsuites>") }

// validate checks reports in the common dialect against junit-10.xsd, and those
// with a bare root against windyroad's JUnit.xsd too.
func validate(t *testing.T, docs map[string]string) {
	t.Helper()
	lint, err := exec.LookPath("xmllint")
	if err != nil {
		if os.Getenv("CMREACH_REQUIRE") == "all" {
			t.Fatal("xmllint is required and not installed (Debian: libxml2-utils)")
		}
		t.Skip("xmllint is not installed (Debian: libxml2-utils): the JUnit report was not checked against its schemas")
	}
	for schema, shape := range map[string]func(string) string{"JUnit.xsd": bare, "junit-10.xsd": strings.Clone} {
		dir := t.TempDir()
		var files []string
		for name, doc := range docs {
			file := filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".xml")
			if err := os.WriteFile(file, []byte(shape(doc)), 0o600); err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
		args := append([]string{"--nonet", "--noout", "--schema", filepath.Join(testdata, "schemas", schema)}, files...)
		if out, err := exec.Command(lint, args...).CombinedOutput(); err != nil {
			t.Errorf("not valid by %s: %v\n%s", schema, err, out)
		}
	}
}

func TestJUnitIsValid(t *testing.T) {
	docs := map[string]string{}
	for _, r := range runs() {
		b := r.record(t)
		all, err := verdict.ParseFailOn([]string{"down", "unresolved", "inconclusive", "untested", "error"})
		if err != nil {
			t.Fatal(err)
		}
		limited, err := verdict.ParseFailOn([]string{"blocked>90%", "closed>0", "down>2", "error>50%"})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range report.Granularities {
			f := junitWith(t, g)
			docs[r.name+" "+g] = render(t, f, load(t, b, report.Options{}))
			docs[r.name+" fail-on "+g] = render(t, f, load(t, b, report.Options{Fail: all}))
			docs[r.name+" limits "+g] = render(t, f, load(t, b, report.Options{Fail: limited}))
			docs[r.name+" cut "+g] = render(t, f, load(t, b[:len(b)*2/3], report.Options{}))
		}
	}
	validate(t, docs)
}

// The validation must be able to fail.
func TestValidationSeesFaults(t *testing.T) {
	doc := render(t, report.JUnit, load(t, runs()[1].record(t), report.Options{}))
	lint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed")
	}
	for schema, fault := range map[string][2]string{
		"JUnit.xsd":    {`timestamp="2026-11-21T02:14:05"`, `timestamp="2026-11-21T02:14:05Z"`},
		"junit-10.xsd": {`<testsuites>`, `<testsuites skipped="1">`},
	} {
		doc := bare(doc)
		bad := strings.Replace(doc, fault[0], fault[1], 1)
		cmd := exec.Command(lint, "--nonet", "--noout", "--schema", filepath.Join(testdata, "schemas", schema), "-")
		cmd.Stdin = strings.NewReader(bad)
		if err := cmd.Run(); bad == doc || err == nil {
			t.Errorf("%s accepts %s", schema, fault[1])
		}
	}
}

// fate is the one element that a case has, if any.
func (c xmlCase) fate() (string, *xmlFate) {
	switch {
	case c.Failure != nil:
		return "failure", c.Failure
	case c.Error != nil:
		return "error", c.Error
	case c.Skipped != nil:
		return "skipped", c.Skipped
	default:
		return "passed", &xmlFate{}
	}
}

func TestJUnitCases(t *testing.T) {
	doc := render(t, report.JUnit, load(t, runs()[0].record(t), report.Options{}))
	got := map[string]string{}
	for _, c := range parseJUnit(t, doc).Suites[0].Cases {
		fate, f := c.fate()
		got[c.Class+" "+c.Name] = strings.TrimSpace(fate + " " + f.Type)
	}
	for name, want := range map[string]string{
		"cmreach.push.smb pc-0000 [198.18.2.10] tcp/445":             "passed",
		"cmreach.push.icmp pc-0000 [198.18.2.10] echo":               "passed",
		"cmreach.push.smb pc-0100 [198.18.3.10] tcp/445":             "failure blocked.prohibited",
		"cmreach.push.rpc-dynamic pc-0200 [198.18.4.10] tcp/rpc":     "failure blocked.dynamic-rejected",
		"cmreach.push.epm-tcp pc-0031 [198.18.2.41] tcp/135":         "failure closed.reset",
		"cmreach.push.smb pc-0035 [198.18.2.45] tcp/445":             "failure wrong-host.name",
		"cmreach.push.smb pc-0036 [198.18.2.46] tcp/445":             "error error.local",
		"cmreach.push.icmp pc-0033 [198.18.2.43] echo":               "skipped",
		"cmreach.push.icmp pc-gone [no address] echo":                "skipped",
		"cmreach.push.rpc-dynamic pc-0032 [198.18.2.42] tcp/rpc":     "skipped",
		"cmreach.push.epm-udp pc-0000 [198.18.2.10] udp/135":         "skipped",
		"cmreach.push.mp-http mp1.corp.example [198.18.0.80] tcp/80": "skipped",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
}

func TestJUnitFailOn(t *testing.T) {
	set, err := verdict.ParseFailOn([]string{"down", "untested"})
	if err != nil {
		t.Fatal(err)
	}
	doc := render(t, report.JUnit, load(t, runs()[0].record(t), report.Options{Fail: set}))
	for _, want := range []string{`type="down.silent"`, `type="untested.vantage"`} {
		if !strings.Contains(doc, want) {
			t.Errorf("no failure with %s", want)
		}
	}
	if strings.Contains(doc, `type="unresolved.no-address"`) {
		t.Error("a state that was not named became a failure")
	}
}

func TestJUnitOfNothing(t *testing.T) {
	docs := map[string]string{}
	for name, profiles := range map[string][]string{"a profile": {"push"}, "two": {"push", "gpo"}, "none": nil} {
		var b bytes.Buffer
		w := record.NewWriter(&b)
		if err := errors.Join(w.WriteHeader(record.Header{Profiles: profiles}), w.WriteEnd(record.End{})); err != nil {
			t.Fatal(err)
		}
		doc := render(t, report.JUnit, load(t, b.Bytes(), report.Options{}))
		docs[name] = doc
		suites := parseJUnit(t, doc).Suites
		if len(suites) != max(len(profiles), 1) {
			t.Errorf("%s: %d suites", name, len(suites))
		}
		for i, s := range suites {
			if s.ID != i || s.Tests != 1 || s.Skipped != 1 || len(s.Cases) != 1 || s.Cases[0].Skipped == nil || s.Hostname != "localhost" {
				t.Errorf("%s: suite %+v", name, s)
			}
		}
	}
	validate(t, docs)
}

// Every byte, control characters and overrides of the writing direction, in
// every text: the report stays valid, and shows nothing that acts.
func TestUntrustedText(t *testing.T) {
	var every []byte
	for i := range 256 {
		every = append(every, byte(i))
	}
	texts := map[string]string{
		"bytes": string(every), "empty": "", "spaces": "  a  ", "ansi": "\x1b[2J\x1b]0;title\x07", "cdata": "]]>", "markup": `<a b="c">&amp;'`,
		"bidi": "pc\u202e1\u2066", "not characters": "\ufffe\uffff\U0010ffff", "lines": "a\r\nb\u2028c\u0085d", "long": strings.Repeat("x", 20000),
		"marks": "a" + strings.Repeat("\u0301", 50), "surrogate": "\xed\xa0\x80",
	}
	docs := map[string]string{}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			var hosts [][]verdict.Finding
			for _, s := range verdict.States {
				hosts = append(hosts, []verdict.Finding{oddFinding(text, s)})
			}
			run := load(t, oddRun(t, hosts, text, &record.End{Interrupted: true, Err: text, Finished: runStart}), report.Options{})
			doc := render(t, report.JUnit, run)
			docs[name] = doc
			for _, g := range []string{"host", "cause"} {
				other := render(t, junitWith(t, g), run)
				docs[name+" "+g] = other
				if r := acting(other); r != 0 || strings.Contains(other, "CDATA") {
					t.Errorf("%s: %U is in the report, or CDATA", g, r)
				}
				counted(t, other)
			}
			suites := parseJUnit(t, doc)
			if n := len(suites.Suites[0].Cases); n != len(verdict.States) {
				t.Errorf("%d cases, want %d", n, len(verdict.States))
			}
			if strings.Contains(doc, "CDATA") || strings.ContainsRune(doc, '\ufffd') && name != "bytes" && name != "surrogate" {
				t.Error("CDATA, or a character that was lost")
			}
			shown := render(t, plainText, run) + render(t, verboseText, run)
			for _, text := range []string{doc, shown} {
				if r := acting(text); r != 0 {
					t.Errorf("%U is in the report", r)
				}
			}
			if !json.Valid([]byte(render(t, report.JSON, run))) {
				t.Error("the JSON report is none")
			}
		})
	}
	validate(t, docs)
}

// acting finds a character that does something to a terminal.
func acting(s string) rune {
	for _, r := range s {
		if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return r
		}
	}
	return 0
}

// Two cases must not have one name, whatever the record says.
func TestJUnitNamesAreUnique(t *testing.T) {
	var hosts [][]verdict.Finding
	for _, name := range []string{"pc", "pc", " pc ", "pc\x00", `pc\x00`, strings.Repeat("x", 400), strings.Repeat("x", 401)} {
		hosts = append(hosts, []verdict.Finding{oddFinding(name, verdict.Open)})
	}
	b := oddRun(t, hosts, "", &record.End{})
	seen := map[string]bool{}
	for _, c := range parseJUnit(t, render(t, report.JUnit, load(t, b, report.Options{}))).Suites[0].Cases {
		if seen[c.Name] || len(c.Name) > 320 {
			t.Errorf("the name %q is there twice, or long", c.Name)
		}
		seen[c.Name] = true
	}
	if len(seen) != len(hosts) {
		t.Errorf("%d names for %d cases", len(seen), len(hosts))
	}
}

func TestTimesAndDates(t *testing.T) {
	b := oddRun(t, [][]verdict.Finding{{oddFinding("pc", verdict.Open)}}, "x", &record.End{Finished: runStart.Add(-time.Hour)})
	old := strings.Replace(string(b), "2026-11-21T02:14:05Z", "0000-01-01T00:00:00Z", 1)
	doc := render(t, report.JUnit, load(t, []byte(old), report.Options{}))
	validate(t, map[string]string{"a time that cannot be": doc})
	s := parseJUnit(t, doc).Suites[0]
	for _, v := range []string{s.Time, s.Cases[0].Time} {
		if f, err := strconv.ParseFloat(v, 64); err != nil || f < 0 || strings.ContainsAny(v, "eE+-") {
			t.Errorf("time %q", v)
		}
	}
}
