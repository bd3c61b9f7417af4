package report_test

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// oddRun makes a record whose texts are what the caller wants. Findings are
// free inventions: reports must be right for whatever Judge may say.
func oddRun(t fataler, hosts [][]verdict.Finding, text string, end *record.End) []byte {
	rows := []*scanner.Requirement{}
	ids := map[string]*scanner.Requirement{}
	for _, h := range hosts {
		for _, f := range h {
			if ids[f.Requirement] == nil {
				ids[f.Requirement] = &scanner.Requirement{ID: f.Requirement, Profile: f.Profile, Protocol: f.Protocol, Port: f.Port}
				rows = append(rows, ids[f.Requirement])
			}
		}
	}
	var b bytes.Buffer
	w := record.NewWriter(&b)
	err := w.WriteHeader(record.Header{
		Started: runStart, Scanner: text, Version: text, Vantage: siteServer, Site: text, Profiles: []string{"push", "gpo"}, Rows: rows,
		Notes: []string{text}, Engine: text, Depth: text, Rate: text,
	})
	for _, h := range hosts {
		host := scanner.Host{Name: h[0].Host, Addr: h[0].Addr}
		for _, f := range h {
			host.Rows = append(host.Rows, ids[f.Requirement])
			host.Observations = append(host.Observations, scanner.Observation{
				Protocol: f.Protocol, Port: f.Port, Outcome: scanner.Garbled, Err: text, Took: time.Duration(1<<63 - 1),
				Details: []scanner.Detail{{Key: text, Value: text}},
			})
		}
		err = errors.Join(err, record.WriteHost(w, host, h))
	}
	if end != nil {
		err = errors.Join(err, w.WriteEnd(*end))
	} else {
		err = errors.Join(err, w.Flush())
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	return b.Bytes()
}

func oddFinding(text string, s verdict.State) verdict.Finding {
	return verdict.Finding{
		Profile: "push", Requirement: "push/smb", From: siteServer, To: scanner.RoleClient, Host: text,
		Addr: netip.MustParseAddr("198.18.1.1"), Protocol: scanner.TCP, Port: 445, Required: true, State: s,
		Reason: text, Message: text, Evidence: []string{text, text}, Fix: text,
	}
}

// The counts of all formats agree with each other and with what is listed.
func TestCountsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var hosts [][]verdict.Finding
		for i := range rapid.IntRange(0, 12).Draw(t, "hosts") {
			var h []verdict.Finding
			for _, row := range []string{"push/smb", "push/mp-http", "push/mp-https", "gpo/smb"} {
				if !rapid.Bool().Draw(t, "has") {
					continue
				}
				f := oddFinding(rapid.String().Draw(t, "text"), rapid.SampledFrom(verdict.States).Draw(t, "state"))
				f.Host, f.Requirement = fmt.Sprintf("pc-%d", i), row
				f.Profile, _, _ = strings.Cut(row, "/")
				f.Required = rapid.Bool().Draw(t, "required")
				f.AnyOf = rapid.SampledFrom([]string{"", "mp"}).Draw(t, "group")
				h = append(h, f)
			}
			if len(h) > 0 {
				hosts = append(hosts, h)
			}
		}
		fail := verdict.FailOn{States: verdict.DefaultFail}
		if rapid.Bool().Draw(t, "fail on more") {
			fail.States = fail.States.With(rapid.SampledFrom(verdict.States[1:]).Draw(t, "fail"))
		}
		if rapid.Bool().Draw(t, "limits") {
			fail = limits(t)
		}
		run, err := report.Load(source(oddRun(t, hosts, "x", &record.End{})), report.Options{Fail: fail})
		if err != nil {
			t.Fatalf("%v", err)
		}
		seen := [4]int{} // passed, failure, error, skipped
		var b strings.Builder
		if err := errors.Join(report.JUnit(&b, run)); err != nil {
			t.Fatalf("%v", err)
		}
		for _, s := range parseJUnit(t, b.String()).Suites {
			own := map[string]int{}
			for _, c := range s.Cases {
				fate, f := c.fate()
				own[fate]++
				if len(f.Message) >= 200*4 || strings.ContainsAny(f.Message, "\n\r") {
					t.Errorf("message %q", f.Message)
				}
			}
			if s.Tests != len(s.Cases) || s.Failures != own["failure"] || s.Errors != own["error"] || s.Skipped != own["skipped"] {
				t.Errorf("suite %s counts %+v, has %v", s.Name, s, own)
			}
			if len(s.Cases) == 1 && s.Cases[0].Name == "no target" {
				continue
			}
			for i, fate := range []string{"passed", "failure", "error", "skipped"} {
				seen[i] += own[fate]
			}
		}
		agree(t, run, seen)
		inOtherShapes(t, run, seen)
		peopleAgree(t, run)
		agreeHTML(t, run)
	})
}

// agreeProm reads the metrics of a run.
func agreeProm(t fataler, run *report.Run) map[string]float64 {
	var b strings.Builder
	if err := report.Prom(&b, run, false); err != nil {
		t.Fatalf("%v", err)
	}
	series := promSeries(t, b.String())
	if int(series["cmreach_exit_code"]) != run.Exit() {
		t.Errorf("the metrics have exit code %v, want %d", series["cmreach_exit_code"], run.Exit())
	}
	return series
}

// byStateOf reads counts by state out of a sentence such as "1 of 3 open, 2
// blocked; 1 need not be open".
func byStateOf(t fataler, s string) (c verdict.Counts, total int) {
	open := 0
	if n, err := fmt.Sscanf(s, "%d of %d open", &open, &total); n != 2 || err != nil {
		t.Fatalf("no number of paths in %q", s)
	}
	c[verdict.Open] = open
	s, _, _ = strings.Cut(s, ";")
	_, s, more := strings.Cut(s, ", ")
	if !more {
		return c, total
	}
	for part := range strings.SplitSeq(s, ", ") {
		var n int
		var word string
		if _, err := fmt.Sscanf(part, "%d %s", &n, &word); err != nil {
			t.Fatalf("%q of %q: %v", part, s, err)
		}
		st, err := verdict.ParseState(word)
		if err != nil {
			t.Fatalf("%v", err)
		}
		c[st] = n
	}
	return c, total
}

// peopleAgree compares what text, csv and md count with the JSON report.
func peopleAgree(t fataler, run *report.Run) {
	var plain, table, summary, document strings.Builder
	if err := errors.Join(
		report.Text(&plain, run, report.TextOptions{}), report.CSV(&table, run), report.Markdown(&summary, run), report.JSON(&document, run),
	); err != nil {
		t.Fatalf("%v", err)
	}
	var doc struct {
		Summary struct {
			Paths    int
			States   map[string]int
			Profiles []struct {
				Name   string
				Paths  int
				States map[string]int
			}
		}
		Advice struct{ Methods []map[string]any }
	}
	if err := json.Unmarshal([]byte(document.String()), &doc); err != nil {
		t.Fatalf("%v", err)
	}
	_, rows := readCSV(t, table.String())
	listed := map[string]int{}
	for _, row := range rows {
		listed[row["state"]]++
	}
	for word, n := range doc.Summary.States {
		if listed[word] != n {
			t.Errorf("csv has %d %s, json %d", listed[word], word, n)
		}
	}
	_, profiles, _ := strings.Cut(plain.String(), "BY PROFILE\n")
	profiles, _, _ = strings.Cut(profiles, "\n\n")
	profiles = strings.Join(strings.Fields(profiles), " ") + " "
	for _, p := range doc.Summary.Profiles {
		at := strings.Index(" "+profiles, " "+p.Name+" ")
		if at < 0 {
			t.Fatalf("text has no %s:\n%s", p.Name, profiles)
		}
		line := strings.TrimLeft(profiles[at+len(p.Name):], "ABCDEFGHIJKLMNOPQRSTUVWXYZ ")
		states, total := byStateOf(t, trimProfile(line))
		cells := strings.Split(lineWith(summary.String(), "| "+p.Name+" | "), " | ")
		if total != p.Paths || cells[2] != fmt.Sprint(p.Paths) {
			t.Errorf("%s: text has %d paths, md %s, json %d", p.Name, total, cells[2], p.Paths)
		}
		for i, s := range verdict.States {
			if n := p.States[s.String()]; states[s] != n || cells[3+i] != fmt.Sprint(n) {
				t.Errorf("%s %s: text has %d, md %s, json %d", p.Name, s, states[s], cells[3+i], n)
			}
		}
	}
	if n := summary.Len(); n >= 60_000 {
		t.Errorf("%d bytes of md", n)
	}
	if len(run.Tally.Profiles) == 0 {
		return
	}
	if d := detailOf(t, plain.String()); len(d) > 20 {
		t.Errorf("%d lines of detail in\n%s", len(d), plain.String())
	}
	methodsAgree(t, doc.Advice.Methods, plain.String(), summary.String())
}

// trimProfile cuts off the profile that follows.
func trimProfile(s string) string {
	for i, w := range strings.Fields(s) {
		if w == "push" || w == "gpo" {
			return strings.Join(strings.Fields(s)[:i], " ")
		}
	}
	return strings.TrimSpace(s)
}

// lineWith is the line that begins so.
func lineWith(s, begin string) string {
	for l := range strings.Lines(s) {
		if strings.HasPrefix(l, begin) {
			return strings.TrimSpace(l)
		}
	}
	return ""
}

// methodsAgree compares the advice by method.
func methodsAgree(t fataler, methods []map[string]any, plain, summary string) {
	for _, m := range methods {
		if m["checked"] != true {
			continue
		}
		var want []string
		for _, key := range []string{"yes", "not_proven", "no", "undecided"} {
			want = append(want, fmt.Sprint(m[key]))
		}
		_, table, _ := strings.Cut(plain, "FOR HOW MANY CLIENTS\n")
		line := strings.Fields(lineWith(table, fmt.Sprintf("  %-6s ", m["method"])))
		_, table, _ = strings.Cut(summary, "| method |")
		cells := strings.Split(lineWith(table, fmt.Sprintf("| %s |", m["method"])), " | ")
		if !slices.Equal(line[1:], want) || !slices.Equal(cells[1:5], want) {
			t.Errorf("%s: text %q, md %q, json %q", m["method"], line, cells, want)
		}
	}
}

// agree compares the JUnit counts with the tally, the JSON report and the causes.
func agree(t fataler, run *report.Run, junit [4]int) {
	var b strings.Builder
	if err := report.JSON(&b, run); err != nil {
		t.Fatalf("%v", err)
	}
	var doc struct {
		Schema  string
		Summary struct {
			Exit    int
			Paths   int
			Hosts   map[string]int
			Classes map[string]int
			States  map[string]int
		}
		Findings []verdict.Finding
		Causes   []struct{ Paths int }
	}
	if err := json.Unmarshal([]byte(b.String()), &doc); err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	c := doc.Summary.Classes
	rest := c["undecided"] + c["untested"] + c["tolerated"] + c["satisfied"] + c["optional"]
	if junit != [4]int{c["passed"], c["failed"], c["error"], rest} {
		t.Errorf("JUnit has %v, JSON %v", junit, c)
	}
	own := verdict.NewTally(run.Tally.Fail, run.Tally.Limits...)
	var states verdict.Counts
	for h, err := range run.Hosts() {
		if err != nil {
			t.Fatalf("%v", err)
		}
		own.AddHost(h.Findings)
	}
	own.Settle()
	for _, f := range doc.Findings {
		states[f.State]++
	}
	if own.All.Classes != run.Tally.All.Classes || states != run.Tally.All.States || own.Exit() != doc.Summary.Exit {
		t.Errorf("tally %v, states listed %v", run.Tally.All, states)
	}
	if doc.Schema != "cmreach/1" || doc.Summary.Paths != len(doc.Findings) || doc.Summary.States["open"] != states[verdict.Open] {
		t.Errorf("summary %+v for %d findings", doc.Summary, len(doc.Findings))
	}
	prom := agreeProm(t, run)
	for _, s := range verdict.States {
		if got := sumOf(prom, "cmreach_paths", `state="`+s.String()+`"`); got != states[s] {
			t.Errorf("the metrics have %d paths that are %s, want %d", got, s, states[s])
		}
	}
	for class, n := range doc.Summary.Hosts {
		if got := sumOf(prom, "cmreach_hosts", `class="`+class+`"`); class != "total" && got != n {
			t.Errorf("the metrics have %d hosts that are %s, want %d", got, class, n)
		}
	}
	explained := 0
	for _, c := range doc.Causes {
		explained += c.Paths
	}
	if want := c["failed"] + c["error"] + c["undecided"] + c["untested"] + c["tolerated"]; explained != want {
		t.Errorf("the causes explain %d paths of %d", explained, want)
	}
}

// limits draws what --fail-on may say.
func limits(t *rapid.T) verdict.FailOn {
	var words []string
	for _, s := range verdict.States[1:] {
		if form := rapid.SampledFrom([]string{"", "", "%s>0", "%s>%d", "%s>%d%%"}).Draw(t, "form"); form == "%s>0" {
			words = append(words, s.String()+">0")
		} else if form != "" {
			words = append(words, fmt.Sprintf(form, s, rapid.IntRange(0, 50).Draw(t, "most")))
		}
	}
	fail, err := verdict.ParseFailOn(words)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return fail
}

// inOtherShapes holds the other granularities, and the parts, against the path
// by path report.
func inOtherShapes(t *rapid.T, run *report.Run, paths [4]int) {
	hosts := counted(t, renderTo(t, junitWith(t, "host"), run))
	causes := counted(t, renderTo(t, junitWith(t, "cause"), run))
	for name, got := range map[string]map[string]int{"hosts": hosts, "causes": causes} {
		if (got["failure"] > 0) != (paths[1] > 0) || got["error"] > 0 && paths[2] == 0 {
			t.Errorf("%s: %v for the paths %v", name, got, paths)
		}
	}
	parts := [4]int{}
	_, err := report.JUnitParts(run, report.JUnitOptions{}, func(_ string, write func(io.Writer) error) error {
		var b strings.Builder
		err := write(&b)
		for i, fate := range []string{"passed", "failure", "error", "skipped"} {
			parts[i] += counted(t, b.String())[fate]
		}
		return err
	})
	whole := counted(t, renderTo(t, report.JUnit, run))
	if err != nil || parts != [4]int{whole["passed"], whole["failure"], whole["error"], whole["skipped"]} {
		t.Errorf("parts %v of %v, %v", parts, whole, err)
	}
}

func renderTo(t fataler, f func(io.Writer, *report.Run) error, r *report.Run) string {
	var b strings.Builder
	if err := f(&b, r); err != nil {
		t.Fatalf("%v", err)
	}
	return b.String()
}
