package report_test

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/cause"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// lists writes the advice into memory.
func lists(t fataler, r *report.Run) map[string]string {
	names := report.AdviceFiles(r)
	bufs := make([]bytes.Buffer, len(names))
	ws := make([]io.Writer, len(names))
	for i := range bufs {
		ws[i] = &bufs[i]
	}
	if err := report.Advice(ws, r); err != nil {
		t.Fatalf("%v", err)
	}
	out := map[string]string{}
	for i, n := range names {
		out[n] = bufs[i].String()
	}
	return out
}

// The lists have the clients that the report counts, each once for a method, and
// the table says the same.
func TestAdviceIsWhatIsCounted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var hosts [][]verdict.Finding
		for i := range rapid.IntRange(0, 12).Draw(t, "hosts") {
			var h []verdict.Finding
			for _, row := range []string{"push/smb", "push/mp-http", "sup/sup-http", "gpo/client-smb"} {
				if !rapid.Bool().Draw(t, "has") {
					continue
				}
				f := oddFinding("x", rapid.SampledFrom(verdict.States).Draw(t, "state"))
				f.Host, f.Requirement = fmt.Sprintf("pc-%d", i), row
				f.Profile, _, _ = strings.Cut(row, "/")
				if strings.Contains(row, "http") {
					f.To = scanner.RoleManagementPoint
				}
				h = append(h, f)
			}
			if len(h) > 0 {
				hosts = append(hosts, h)
			}
		}
		run, err := report.Load(source(oddRun(t, hosts, "x", &record.End{})), report.Options{})
		if err != nil {
			t.Fatalf("%v", err)
		}
		files := lists(t, run)
		table, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(files["advice.csv"], "\ufeff"))).ReadAll()
		if err != nil {
			t.Fatalf("%v", err)
		}
		for _, m := range run.Methods() {
			for _, a := range cause.Answers {
				var named []string
				for _, line := range table[1:] {
					if line[1] == m.Name && line[2] == a.String() {
						named = append(named, line[0])
					}
				}
				listed := strings.Fields(files[m.Name+"-"+a.String()+".txt"])
				if !slices.Equal(listed, named) || len(listed) != m.Clients[a] {
					t.Fatalf("%s %s: list %v, table %v, counted %d", m.Name, a, listed, named, m.Clients[a])
				}
			}
		}
	})
}

// A name is one line of a list, and no formula in the table.
func TestAdviceOfHostileNames(t *testing.T) {
	var hosts [][]verdict.Finding
	names := []string{"=cmd|' /C calc'!A0", "pc\nADMIN", "pc\r\n", "a,b\"c", "\x1b[2J", "@x", "\u202etxt", ""}
	for _, n := range names {
		hosts = append(hosts, []verdict.Finding{oddFinding(n, verdict.Blocked)})
	}
	files := lists(t, load(t, oddRun(t, hosts, "x", &record.End{}), report.Options{}))
	if n := strings.Count(files["push-no.txt"], "\n"); n != len(names) || strings.ContainsAny(files["push-no.txt"], "\r\x1b\u202e") {
		t.Errorf("%d lines for %d names: %q", n, len(names), files["push-no.txt"])
	}
	table, err := csv.NewReader(strings.NewReader(files["advice.csv"])).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range table[1:] {
		if formula(line[0]) && !strings.HasPrefix(line[0], "'") {
			t.Errorf("the name %q", line[0])
		}
	}
}

func TestAdviceErrorsAreTold(t *testing.T) {
	run := load(t, runs()[0].record(t), report.Options{})
	n := len(report.AdviceFiles(run))
	for at := range n {
		ws := make([]io.Writer, n)
		for i := range ws {
			ws[i] = io.Discard
		}
		ws[at] = &full{}
		if err := report.Advice(ws, run); err == nil && report.AdviceFiles(run)[at] != "push-yes.txt" { // nobody is in it
			t.Errorf("%s: no error", report.AdviceFiles(run)[at])
		}
	}
	if report.Advice(nil, run) == nil {
		t.Error("no error without writers")
	}
	if err := report.Advice(make([]io.Writer, n), live(t, runs()[0].record(t), true, nil)); err == nil {
		t.Error("no error without a record")
	}
}

// What the run met is said in one line, in the words of the reader.
func TestHurdles(t *testing.T) {
	for _, tt := range []struct {
		h    record.Hurdles
		want string
	}{
		{record.Hurdles{}, ""},
		{record.Hurdles{LocalDoubt: 3}, ""},
		{record.Hurdles{Cuts: 2, Fastest: 8000, Carried: 1200.4}, "The network carried about 1200 packets/s, so the run slowed down from 8000 packets/s."},
		{record.Hurdles{Cuts: 1, Carried: 2.5}, "The network carried about 2.5 packets/s."},
		{record.Hurdles{Outage: 1, Retried: 1}, "1 packet was lost in outages, and what was silent then was asked again; 1 path answered only when asked again."},
		{record.Hurdles{Trouble: 1, TroubleCause: "no\nbuffer"}, `This machine had trouble once (no\x0abuffer).`},
		{record.Hurdles{Trouble: 7, Retried: 3}, "This machine had trouble 7 times; 3 paths answered only when asked again."},
	} {
		r := runs()[1]
		r.end.Hurdles = tt.h
		run := load(t, r.record(t), report.Options{})
		text := strings.Join(strings.Fields(render(t, plainText, run)), " ")
		if !strings.Contains(text, "(loss 0.0 %). "+tt.want) || strings.Contains(text, "%). NEXT") != (tt.want == "") {
			t.Errorf("%+v: %q is missing in %s", tt.h, tt.want, text)
		}
		md := strings.ReplaceAll(render(t, report.Markdown, run), `\`, "")
		if !strings.Contains(md, strings.ReplaceAll(tt.want, `\`, "")) {
			t.Errorf("%+v: md has\n%s", tt.h, md)
		}
	}
}

// Without clients there is no table of them.
func TestAdviceWithoutClients(t *testing.T) {
	r := runs()[1]
	r.machines = r.machines[len(r.machines)-1:]
	run := load(t, r.record(t), report.Options{})
	out := render(t, plainText, run)
	if !strings.Contains(out, "\nINSTALLATION METHODS\n  No client is among these hosts.\n") || strings.Contains(out, "undecided\n") {
		t.Errorf("got\n%s", out)
	}
	if files := lists(t, run); files["push-yes.txt"]+files["push-no.txt"]+files["push-not-proven.txt"]+files["push-undecided.txt"] != "" {
		t.Errorf("a client in %v", files)
	}
}
