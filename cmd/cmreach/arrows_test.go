package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// arrows says which packages of ours each package may import; those under
// probes/wire import none.
var arrows = map[string][]string{
	"scanner":          {},
	"scanner/jsontext": {},
	"scanner/verdict":  {"scanner", "scanner/jsontext"},
	"scanner/cause":    {"scanner", "scanner/verdict"},
	"scanner/record":   {"scanner", "scanner/jsontext"},
	"scanner/history":  {"scanner", "scanner/verdict"},
	"scanner/report":   {"scanner", "scanner/verdict", "scanner/cause", "scanner/record", "scanner/history"},
	"scanner/lab":      {"scanner", "probes/wire/*"},
	"probes":           {"scanner", "probes/wire/*", "probes/socket"},
	"probes/socket":    {"scanner", "probes/wire/*"},
	"probes/probetest": {"scanner"},
	"probes/listener":  {"probes/wire/*"},
	"profiles":         {"scanner"},

	"cmd/cmreach/schedule": {},
	"cmd/cmreach/notify":   {"scanner/verdict", "scanner/cause", "scanner/history", "scanner/record", "scanner/report"},
}

// pure are the packages that may know addresses but no sockets, no clock and no log.
var pure = []string{"scanner/verdict", "scanner/cause", "scanner/history", "scanner/report"}

// list runs "go list" with a template for every package of the module.
func list(t *testing.T, template string) map[string][]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.ImportPath}}:"+template, "cmreach/...")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	m := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		pkg, imports, _ := strings.Cut(strings.TrimSpace(line), ":")
		m[strings.TrimPrefix(pkg, "cmreach/")] = strings.Fields(imports)
	}
	return m
}

func allowed(pkg, imported string) bool {
	for _, a := range arrows[pkg] {
		if a == imported || strings.HasSuffix(a, "/*") && strings.HasPrefix(imported, strings.TrimSuffix(a, "*")) {
			return true
		}
	}
	return false
}

func TestArrows(t *testing.T) {
	imports := list(t, `{{join .Imports " "}}`)
	if len(imports) < 12 {
		t.Fatalf("go list found %d packages only", len(imports))
	}
	for pkg, deps := range imports {
		_, known := arrows[pkg]
		wire := strings.HasPrefix(pkg, "probes/wire/")
		if !known && !wire && pkg != "cmd/cmreach" {
			t.Errorf("%s has no place in the table of arrows", pkg)
		}
		for _, d := range deps {
			ours, isOurs := strings.CutPrefix(d, "cmreach/")
			switch {
			case pkg == "cmd/cmreach":
			case isOurs && wire && !strings.HasPrefix(ours, "probes/wire/"):
				t.Errorf("%s imports %s", pkg, d)
			case isOurs && !wire && !allowed(pkg, ours):
				t.Errorf("%s imports %s", pkg, d)
			case pkg == "scanner" && strings.Contains(d, "."):
				t.Errorf("scanner imports %s, which is not of the standard library", d)
			case strings.HasPrefix(d, "go.uber.org/zap") || d == "log" || d == "log/slog":
				t.Errorf("%s logs by %s: only cmd does", pkg, d)
			case slices.Contains(pure, pkg) && (d == "net" || d == "os" || strings.HasPrefix(d, "net/") && d != "net/netip"):
				t.Errorf("%s imports %s", pkg, d)
			}
		}
	}
}

// The pure packages read no clock: what they say follows from the record.
func TestNoClockInPurePackages(t *testing.T) {
	dirs := list(t, `{{.Dir}}`)
	for _, pkg := range pure {
		out, err := exec.CommandContext(t.Context(), "grep", "-n", `time\.\(Now\|Since\|Until\|After\)(`, "-r", "--include=*.go", "--exclude=*_test.go", dirs[pkg][0]).CombinedOutput()
		if err == nil {
			t.Errorf("%s reads the clock:\n%s", pkg, out)
		}
	}
}
