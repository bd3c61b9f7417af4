package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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
	prog := filepath.Join(dir, "cmreach")
	if runtime.GOOS == "windows" {
		prog += ".exe"
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", prog, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), prog, "demo")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, &errs, &out)
	}
	if n := strings.Count(out.String(), "all as planted"); n != 2 || strings.Contains(out.String(), "DIFFERENT") {
		t.Errorf("%d checks as planted:\n%s", n, &out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "cmreach-demo", "report.json"))
	if err != nil || !json.Valid(text) {
		t.Errorf("report.json: %v", err)
	}
	for _, name := range []string{"run.jsonl", "junit.xml"} {
		if info, err := os.Stat(filepath.Join(dir, "cmreach-demo", name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
