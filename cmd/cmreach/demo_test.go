package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDemo runs the demonstration as it is delivered: in namespaces where they
// are to be had, else on loopback addresses. It starts itself anew, so it is
// no test binary that is run.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("left out by -short: a demonstration takes a while")
	}
	dir := t.TempDir()
	prog := builtProgram(t)
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), prog, "demo")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, &errs, &out)
	}
	if n := strings.Count(out.String(), "all as planted"); n != 3 || strings.Contains(out.String(), "DIFFERENT") {
		t.Errorf("%d checks as planted:\n%s", n, &out)
	}
	if n := strings.Count(out.String(), "\n"); n > 70 {
		t.Errorf("%d lines are more than anybody reads:\n%s", n, &out)
	}
	at := func(name string) string { return filepath.Join(dir, "cmreach-demo", name) }
	if text, err := os.ReadFile(at("report.json")); err != nil || !json.Valid(text) {
		t.Errorf("report.json: %v", err)
	}
	for _, name := range []string{"run.jsonl", "run-client.jsonl", "run-system-health-validator.jsonl", "merged.jsonl", "junit.xml", "report.txt", "merged.txt", "merged.html"} {
		if info, err := os.Stat(at(name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), prog, "site", "check", at("site.yaml")).CombinedOutput(); err != nil {
		t.Errorf("site check: %v\n%s", err, out)
	}
	namespaces := !strings.Contains(errs.String(), "no network namespaces")
	covered(t, at("merged.json"), namespaces)
}

// covered computes from the findings of a merged report how much of each profile
// is proven, and holds the figures of the report, and the hundred per cent that
// the vantages together are to reach, against it.
func covered(t *testing.T, name string, all bool) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	type figures struct {
		Profile          string
		Required, Proven int
		ByHand           int `json:"by_hand"`
		Percent          float64
		Conflicts        int
	}
	var doc struct {
		Summary  struct{ Coverage []figures }
		Findings []struct {
			Profile, Requirement, Protocol, State string
			Required                              bool
			SatisfiedBy                           string `json:"satisfied_by"`
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	proven := []string{"open", "blocked", "closed", "wrong-service", "wrong-host"}
	want := map[string]figures{}
	rows := map[string]bool{}
	for _, f := range doc.Findings {
		w := want[f.Profile]
		switch {
		case !f.Required:
		case f.Protocol == "manual":
			w.ByHand++
		default:
			w.Required++
			rows[f.Requirement] = true
			if slices.Contains(proven, f.State) || f.SatisfiedBy != "" {
				w.Proven++
			} else if all {
				t.Errorf("%s is %s", f.Requirement, f.State)
			}
		}
		want[f.Profile] = w
	}
	if len(doc.Summary.Coverage) != 4 || len(want) != 4 {
		t.Errorf("coverage of %d profiles, findings of %d: want push, gpo, sup and nap", len(doc.Summary.Coverage), len(want))
	}
	for _, c := range doc.Summary.Coverage {
		w := want[c.Profile]
		if c.Required != w.Required || c.Proven != w.Proven || c.ByHand != w.ByHand || c.Conflicts != 0 || c.Required == 0 {
			t.Errorf("the report says %+v, its findings %+v", c, w)
		}
		if all && c.Percent != 100 {
			t.Errorf("%s: %v %%", c.Profile, c.Percent)
		}
	}
	if all && len(rows) != 30 {
		t.Errorf("%d required rows, want 30: %v", len(rows), slices.Sorted(maps.Keys(rows)))
	}
}

// TestDemoLoopbackCoverage holds that the demonstration on loopback says what it
// leaves out, and what no packet can test with the command for it.
func TestDemoLoopbackCoverage(t *testing.T) {
	if testing.Short() {
		t.Skip("left out by -short: a demonstration takes a while")
	}
	var out, errs bytes.Buffer
	dir := t.TempDir()
	p := &program{args: []string{"demo", "--loopback", "-q", "--dir", dir}, stdout: &out, stderr: &errs, ctx: t.Context()}
	if code := p.run(); code != 0 {
		t.Fatalf("exit code %d\n%s\n%s", code, &errs, &out)
	}
	covered(t, filepath.Join(dir, "merged.json"), false)
	for _, want := range []string{
		"by hand, nap/ipsec-filter: list the filters", "netsh advfirewall consec show rule", "left out: nap/dhcp: needs UDP port 68",
	} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), want) {
			t.Errorf("%q is missing:\n%s", want, &out)
		}
	}
}
