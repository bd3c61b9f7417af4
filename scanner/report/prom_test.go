package report_test

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func prom(w io.Writer, r *report.Run) error      { return report.Prom(w, r, false) }
func promHosts(w io.Writer, r *report.Run) error { return report.Prom(w, r, true) }

// promSeries reads the exposition format strictly: name, labels, number. It
// returns the numbers by series; two of the same name and labels are an error.
func promSeries(t fataler, text string) map[string]float64 {
	out := map[string]float64{}
	typed := map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(name, " ")
			if kind != "gauge" || typed[name] {
				t.Errorf("type %q", line)
			}
			typed[name] = true
			continue
		}
		if strings.HasPrefix(line, "# HELP ") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		if at < 0 {
			t.Fatalf("no sample: %q", line)
		}
		v, err := strconv.ParseFloat(line[at+1:], 64)
		name, _, _ := strings.Cut(line[:at], "{")
		if _, twice := out[line[:at]]; err != nil || twice || !typed[name] {
			t.Errorf("twice, not typed or no number: %q", line)
		}
		out[line[:at]] = v
	}
	return out
}

// sumOf adds the series of a name that have all these labels.
func sumOf(series map[string]float64, name string, labels ...string) int {
	sum := 0.0
	for k, v := range series {
		has := strings.HasPrefix(k, name+"{")
		for _, l := range labels {
			has = has && (strings.Contains(k, "{"+l) || strings.Contains(k, ","+l))
		}
		if has {
			sum += v
		}
	}
	return int(sum)
}

// promtool runs Prometheus's own checker.
func promtool(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	tool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CMREACH_REQUIRE") == "all" {
			t.Fatal("promtool is required and not installed (Debian: prometheus)")
		}
		t.Skip("promtool is not installed (Debian: prometheus): the metrics were not checked by it")
	}
	cmd := exec.Command(tool, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// hostile are texts that a name or a banner may hold.
var hostile = []string{`a"b`, `back\slash`, "new\nline", "\x00\x1b[31m", "} 1\ncmreach_exit_code 0", "\xff\xfe", "{a=\"b\"}", "ﷺ\u202e", "\\x00\\x1b[31m"}

// boundaried is a record of hosts in so many boundaries, one of which has each
// of the hostile names.
func boundaried(t fataler, boundaries []string, hosts []verdict.Finding) []byte {
	row := pushRows()[1]
	var b bytes.Buffer
	w := record.NewWriter(&b)
	err := w.WriteHeader(record.Header{
		Started: runStart, Scanner: hostile[0], Version: hostile[1], Vantage: siteServer, Site: hostile[2], Engine: hostile[3],
		Rows: []*scanner.Requirement{row}, Boundaries: boundaries,
	})
	for _, f := range hosts {
		h := scanner.Host{Name: f.Host, Addr: f.Addr, Boundary: f.Boundary, Rows: []*scanner.Requirement{row}}
		err = errors.Join(err, record.WriteHost(w, h, []verdict.Finding{f}))
	}
	if err = errors.Join(err, w.WriteEnd(record.End{Finished: runStart.Add(time.Minute)})); err != nil {
		t.Fatalf("%v", err)
	}
	return b.Bytes()
}

func TestPromIsClean(t *testing.T) {
	docs := map[string]string{}
	for _, r := range runs() {
		b := r.record(t)
		docs[r.name] = render(t, prom, load(t, b, report.Options{}))
		docs[r.name+" hosts"] = render(t, promHosts, load(t, b, report.Options{}))
		docs[r.name+" cut"] = render(t, promHosts, load(t, b[:len(b)*2/3], report.Options{}))
	}
	var odd []verdict.Finding
	for i, text := range hostile {
		for range 2 {
			f := oddFinding(text, verdict.States[i%len(verdict.States)])
			f.Profile, f.Boundary = text, text
			odd = append(odd, f)
		}
	}
	docs["hostile"] = render(t, promHosts, load(t, boundaried(t, hostile, odd), report.Options{}))
	for name, doc := range docs {
		promSeries(t, doc)
		if strings.Contains(doc, "\x1b") || strings.Contains(doc, "\x00") {
			t.Errorf("%s: control characters", name)
		}
		if out, err := promtool(t, doc, "check", "metrics"); err != nil || out != "" {
			t.Errorf("%s: promtool: %v\n%s", name, err, out)
		}
	}
}

// The check must be able to fail.
func TestPromtoolSeesFaults(t *testing.T) {
	doc := render(t, prom, load(t, runs()[1].record(t), report.Options{}))
	for _, bad := range []string{doc + doc, strings.Replace(doc, `state="open"`, `state="op"en"`, 1), strings.Replace(doc, "# HELP cmreach_paths", "# HELP cmreach_path", 1)} {
		if out, err := promtool(t, bad, "check", "metrics"); err == nil && out == "" {
			t.Errorf("promtool accepts:\n%s", bad)
		}
	}
}

// Without --prom-hosts the series are as many for 3,000 hosts as for 3, and
// boundaries beyond the limit are counted together.
func TestPromCardinality(t *testing.T) {
	sizes := map[int]int{}
	var many []string
	for i := range 500 {
		many = append(many, fmt.Sprintf("part-%d", i))
	}
	few := fewer(t, "hosts", 3000, 500)
	for _, n := range []int{few, 2 * few} {
		var hosts []verdict.Finding
		for i := range n {
			f := oddFinding(fmt.Sprintf("pc-%d", i), verdict.States[i%4])
			f.Addr = netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
			f.Boundary = many[i%len(many)]
			hosts = append(hosts, f)
		}
		run := load(t, boundaried(t, many, hosts), report.Options{})
		series := promSeries(t, render(t, prom, run))
		sizes[n] = len(series)
		if got := sumOf(series, "cmreach_paths"); got != n {
			t.Errorf("%d paths, want %d", got, n)
		}
		if got := sumOf(series, "cmreach_hosts", `boundary="(others)"`); got != n*4/5 {
			t.Errorf("%d hosts in other boundaries, want %d", got, n*4/5)
		}
		if got := sumOf(promSeries(t, render(t, promHosts, run)), "cmreach_host", `host="pc-`); got != n {
			t.Errorf("%d series of hosts, want %d", got, n)
		}
	}
	if sizes[few] != sizes[2*few] || sizes[few] > 2000 {
		t.Errorf("series by hosts: %v", sizes)
	}
}

func TestPromTellsWhatIsMissing(t *testing.T) {
	stopped := promSeries(t, render(t, prom, load(t, runs()[2].record(t), report.Options{})))
	if stopped["cmreach_run_complete"] != 0 || stopped["cmreach_exit_code"] != 130 || stopped["cmreach_run_duration_seconds"] != 3 {
		t.Errorf("interrupted: %v", stopped)
	}
	b := runs()[1].record(t)
	cut := promSeries(t, render(t, prom, load(t, b[:len(b)*2/3], report.Options{})))
	if _, ok := cut["cmreach_run_timestamp_seconds"]; ok || cut["cmreach_run_complete"] != 0 {
		t.Errorf("cut: %v", cut)
	}
	whole := promSeries(t, render(t, prom, load(t, b, report.Options{})))
	if whole["cmreach_run_complete"] != 1 || whole["cmreach_run_timestamp_seconds"] != float64(runStart.UnixMilli()+1400)/1000 {
		t.Errorf("whole: %v", whole)
	}
}

// The alert rules of the README are those that promtool was shown.
func TestAlertRules(t *testing.T) {
	file := filepath.Join(testdata, "prom", "cmreach-alerts.yml")
	rules, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var indented strings.Builder
	for line := range strings.Lines(string(rules)) {
		indented.WriteString("    " + line)
	}
	if !strings.Contains(string(readme), indented.String()) {
		t.Errorf("README.md does not have the rules of %s, each line behind four blanks", file)
	}
	if out, err := promtool(t, "", "check", "rules", file); err != nil || !strings.Contains(out, "2 rules found") {
		t.Errorf("promtool: %v\n%s", err, out)
	}
	if out, err := promtool(t, "", "test", "rules", filepath.Join(testdata, "prom", "cmreach-alerts-test.yml")); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}
