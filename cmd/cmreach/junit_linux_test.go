package main

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/record"
	"cmreach/scanner/verdict"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// crowdRecord writes the record of so many hosts with four rows of each
// profile, and gives the number of its findings by what JUnit makes of them.
func crowdRecord(t testing.TB, name string, hosts int, profiles ...string) junitCounts {
	t.Helper()
	var rows []*scanner.Requirement
	for _, p := range profiles {
		for _, port := range []uint16{0, 135, 445, 2701} {
			r := &scanner.Requirement{
				ID: fmt.Sprintf("%s/row-%d", p, port), Profile: p, From: scanner.RoleSiteServer, To: scanner.RoleClient,
				Protocol: scanner.TCP, Port: port, Need: scanner.Required, Listener: scanner.ListenerNow, FromHere: true, Fix: "permit it",
			}
			if port == 0 {
				r.Protocol = scanner.ICMP
			}
			rows = append(rows, r)
		}
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	w := record.NewWriter(f)
	err = w.WriteHeader(record.Header{Rows: rows, Profiles: profiles, Vantage: scanner.RoleSiteServer, Targets: hosts, Started: crowdStart, Scanner: "test"})
	tally := verdict.NewTally(verdict.DefaultFail)
	for n := range hosts {
		h := scanner.Host{Addr: netip.AddrFrom4([4]byte{198, 18 + byte(n>>16), byte(n >> 8), byte(n)}), Rows: rows}
		h.Name = fmt.Sprintf("pc-%06d.branch.corp.example", n)
		for i, r := range rows[:4] {
			h.Observations = append(h.Observations, crowdObservation(h.Addr, r, (n*31+i*7)%20))
		}
		findings := verdict.Judge(h, verdict.Context{Vantage: scanner.RoleSiteServer})
		tally.AddHost(findings)
		err = errors.Join(err, record.WriteHost(w, h, findings))
	}
	err = errors.Join(err, w.WriteEnd(record.End{Hosts: hosts, Planned: hosts, Finished: crowdStart.Add(time.Minute)}))
	if err != nil {
		t.Fatal(err)
	}
	c := tally.All.Classes
	out := junitCounts{Tests: tally.All.Total(), Failures: c[verdict.ClassFailed], Errors: c[verdict.ClassError]}
	out.Skipped = out.Tests - out.Failures - out.Errors - c[verdict.ClassPassed]
	return out
}

var crowdStart = time.Date(2026, 11, 21, 2, 14, 5, 0, time.UTC)

// crowdObservation is what was seen of a row, by lot.
func crowdObservation(addr netip.Addr, r *scanner.Requirement, lot int) scanner.Observation {
	o := scanner.Observation{Protocol: r.Protocol, Port: r.Port, Outcome: scanner.Answered, From: addr, Sent: crowdStart, Took: time.Millisecond, Tries: 1}
	switch lot {
	case 0, 1:
		o.Outcome, o.From, o.ICMP = scanner.Rejected, netip.MustParseAddr("198.18.1.2"), scanner.ICMPError{Type: 3, Code: 13}
	case 2:
		o.Outcome = scanner.Refused
	case 3, 4:
		o.Outcome, o.From, o.Took, o.Tries = scanner.Silent, netip.Addr{}, 0, 3
	case 5:
		o.Outcome, o.From, o.Err = scanner.LocalError, netip.Addr{}, "too many open files <&>\x1b"
	}
	return o
}

// junitCounts are counts of cases.
type junitCounts struct{ Tests, Failures, Errors, Skipped int }

// junitFile reads a file as strictly as Go's decoder does, and holds its counts
// against its cases. It gives the counts and the names of its suites and cases.
func junitFile(t testing.TB, name string) (sum junitCounts, suites, cases []string) {
	t.Helper()
	type fate struct {
		Message string `xml:"message,attr"`
	}
	var doc struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Suites   []struct {
			Name string `xml:"name,attr"`
			junitAttrs
			Cases []struct {
				Class   string `xml:"classname,attr"`
				Name    string `xml:"name,attr"`
				Failure *fate  `xml:"failure"`
				Error   *fate  `xml:"error"`
				Skipped *fate  `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(b, &doc); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, s := range doc.Suites {
		own := junitCounts{Tests: len(s.Cases)}
		suites = append(suites, s.Name)
		for _, c := range s.Cases {
			cases = append(cases, c.Class+" "+c.Name)
			if c.Failure != nil {
				own.Failures++
			}
			if c.Error != nil {
				own.Errors++
			}
			if c.Skipped != nil {
				own.Skipped++
			}
		}
		if got := (junitCounts{s.Tests, s.Failures, s.Errors, s.Skipped}); got != own {
			t.Errorf("%s: suite %s counts %+v and has %+v", name, s.Name, got, own)
		}
		sum = junitCounts{sum.Tests + own.Tests, sum.Failures + own.Failures, sum.Errors + own.Errors, sum.Skipped + own.Skipped}
	}
	if doc.Tests != sum.Tests || doc.Failures != sum.Failures || doc.Errors != sum.Errors {
		t.Errorf("%s: the root counts %d, %d, %d; there are %+v", name, doc.Tests, doc.Failures, doc.Errors, sum)
	}
	return sum, suites, cases
}

// junitAttrs are the attributes of a suite that count.
type junitAttrs struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Skipped  int `xml:"skipped,attr"`
}

// A run of 200,000 paths is written in files that their readers can bear, and
// in little memory.
func TestJUnitOfManyPaths(t *testing.T) {
	if testing.Short() {
		leaveOut(t, "left out by -short")
	}
	const most, mostBytes, mostCases = 300 << 20, 20_000_000, 50_000
	prog := buildProgram(t)
	rec, dir := filepath.Join(t.TempDir(), "run.jsonl"), filepath.Join(t.TempDir(), "reports")
	hosts := fewer(t, "hosts", 50_000, 1500)
	want := crowdRecord(t, rec, hosts, "push")
	one := filepath.Join(t.TempDir(), "one.xml")
	cmd := prog.command(t, nil, "report", rec, "--junit-granularity", "check", "-o", "junit="+dir+"/", "-o", "junit="+one)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != verdict.ExitFailed {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	// The figure is never below that of the process that started it, which the
	// race detector makes big.
	if !ok || usage.Maxrss<<10 > most && !underRace {
		t.Errorf("%d MB of memory", usage.Maxrss>>10)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files)*mostCases < 4*hosts {
		t.Fatalf("files %v, %v", files, err)
	}
	var sum junitCounts
	seen := map[string]bool{}
	for i, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		n, suites, cases := junitFile(t, name)
		if info.Size() > mostBytes || n.Tests > mostCases || filepath.Base(name) != fmt.Sprintf("TEST-push-%04d.xml", i+1) {
			t.Errorf("%s: %d bytes, %d cases", name, info.Size(), n.Tests)
		}
		for _, s := range append(suites, cases...) {
			if seen[s] {
				t.Errorf("%s: %s is there twice", name, s)
			}
			seen[s] = true
		}
		sum = junitCounts{sum.Tests + n.Tests, sum.Failures + n.Failures, sum.Errors + n.Errors, sum.Skipped + n.Skipped}
	}
	if sum != want {
		t.Errorf("the files have %+v, the record %+v", sum, want)
	}
	told := strings.Count(errs.String(), "\n") == 1 && strings.Contains(errs.String(), "-o junit=DIR/ writes several files")
	if n, _, _ := junitFile(t, one); n != want || told != (4*hosts > mostCases) {
		t.Errorf("one file has %+v, want %+v; standard error: %s", n, want, errs.String())
	}
	t.Logf("%d files, %d MB of memory", len(files), usage.Maxrss>>10)
}

// Whenever the program is killed, each file is the old one or the new one.
func TestJUnitSurvivesKills(t *testing.T) {
	if testing.Short() {
		leaveOut(t, "left out by -short")
	}
	kills, tries := fewer(t, "kills", 100, 8), 1000
	prog := buildProgram(t)
	rec := filepath.Join(t.TempDir(), "run.jsonl")
	crowdRecord(t, rec, fewer(t, "hosts", 300, 60), "push", "gpo")
	args := func(dir, granularity string) []string {
		return []string{"report", rec, "--junit-granularity", granularity, "-o", "junit=" + filepath.Join(dir, "one.xml"), "-o", "junit=" + dir + "/"}
	}
	var took time.Duration
	whole := map[string][]map[string]string{} // by granularity: the files
	for _, g := range []string{"host", "check"} {
		dir := t.TempDir()
		began := time.Now()
		if err := prog.command(t, nil, args(dir, g)...).Run(); err == nil {
			t.Fatal("nothing failed")
		}
		took = time.Since(began)
		whole[g] = append(whole[g], filesOf(t, dir))
		for name := range whole[g][0] {
			junitFile(t, filepath.Join(dir, name))
		}
	}
	dir := t.TempDir()
	if err := prog.command(t, nil, args(dir, "host")...).Run(); err == nil {
		t.Fatal("nothing failed")
	}
	killed, changed := 0, 0
	for n := 0; n < tries && killed < kills; n++ {
		g := []string{"check", "host"}[n%2]
		cmd := prog.command(t, nil, args(dir, g)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(rand.N(took), func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		timer.Stop()
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			killed++
		}
		have := filesOf(t, dir)
		if want := slices.Sorted(maps.Keys(whole["host"][0])); !slices.Equal(slices.Sorted(maps.Keys(have)), want) {
			t.Fatalf("files %v, want %v", slices.Sorted(maps.Keys(have)), want)
		}
		news := 0
		for name, text := range have {
			switch text {
			case whole["host"][0][name]:
			case whole["check"][0][name]:
				news++
			default:
				t.Fatalf("%s is neither the old report nor the new one: %d bytes", name, len(text))
			}
		}
		if news > 0 && news < len(have) {
			changed++
		}
	}
	if killed == 0 {
		t.Error("no process was killed before its end")
	}
	t.Logf("%d processes were killed; after %d of these some of the files were new and some old", killed, changed)
}

// filesOf are the contents of the files of a folder, without temporary ones.
func filesOf(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path, ".cmreach-") {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, path))
		out[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The packages that read the reports back, in exact versions.
var junitReaders = []string{"junit2json@4.0.0", "test-results-parser@0.4.6", "junit-report-merger@9.0.4"}

// Programs of others count the same.
func TestJUnitIsReadByOthers(t *testing.T) {
	if testing.Short() {
		leaveOut(t, "left out by -short")
	}
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			leaveOut(t, tool+" is not installed (Debian: nodejs npm)")
		}
	}
	home := t.TempDir()
	npm := exec.CommandContext(t.Context(), "npm", append([]string{"install", "--prefix", home, "--ignore-scripts", "--no-audit", "--no-fund"}, junitReaders...)...)
	if out, err := npm.CombinedOutput(); err != nil {
		leaveOut(t, fmt.Sprintf("npm cannot install the readers: %v\n%s", err, out))
	}
	prog := buildProgram(t)
	rec := filepath.Join(t.TempDir(), "run.jsonl")
	want := crowdRecord(t, rec, fewer(t, "hosts", 700, 100), "push", "gpo")
	granularities := []string{"check", "host", "cause"}
	for _, granularity := range granularities[:fewer(t, "granularities", 3, 1)] {
		dir := filepath.Join(t.TempDir(), "reports")
		if out, err := prog.command(t, nil, "report", rec, "--junit-granularity", granularity, "-o", "junit="+dir+"/", "-o", "json="+os.DevNull).CombinedOutput(); err == nil {
			t.Fatalf("nothing failed\n%s", out)
		}
		files, err := filepath.Glob(filepath.Join(dir, "TEST-*.xml"))
		if err != nil || len(files) != 2 {
			t.Fatalf("files %v, %v", files, err)
		}
		var sum junitCounts
		for _, f := range files {
			n, _, _ := junitFile(t, f)
			sum = junitCounts{sum.Tests + n.Tests, sum.Failures + n.Failures, sum.Errors + n.Errors, sum.Skipped + n.Skipped}
		}
		if granularity == "check" && sum != want {
			t.Errorf("the files have %+v, the record %+v", sum, want)
		}
		var read map[string]junitCounts
		out, err := exec.CommandContext(t.Context(), "node", append([]string{"../../testdata/junit/read.mjs", home}, files...)...).Output()
		if err == nil {
			err = json.Unmarshal(out, &read)
		}
		if err != nil || len(read) != 4 {
			t.Fatalf("%v: %s", err, out)
		}
		for who, got := range read {
			if who == "root" || who == "parser" {
				got.Skipped = sum.Skipped // these do not tell
			}
			if got != sum {
				t.Errorf("%s, %s: %+v, want %+v", granularity, who, got, sum)
			}
		}
	}
}
