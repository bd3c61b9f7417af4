package main

import (
	"bytes"
	"cmreach/probes"
	"cmreach/profiles"
	"cmreach/scanner"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestProbesAgree holds the words of the profiles to the probes that there are.
func TestProbesAgree(t *testing.T) {
	var have []string
	byName := probes.ByName()
	for _, p := range probes.All() {
		have = append(have, p.Name)
		if summary, _, _ := strings.Cut(p.Doc, "\n"); strings.TrimSpace(summary) == "" {
			t.Errorf("the probe %s has no summary: %q", p.Name, p.Doc)
		}
		if (p.Talk == nil) == (p.Decode == nil) || (p.Decode == nil) != (p.Request == nil) {
			t.Errorf("the probe %s neither talks nor decodes, or does both", p.Name)
		}
		if byName[p.Name].Doc != p.Doc {
			t.Errorf("two probes have the name %s", p.Name)
		}
	}
	if want := profiles.Probes(); !slices.Equal(slices.Sorted(slices.Values(have)), slices.Sorted(slices.Values(want))) {
		t.Errorf("probes %v, profiles know %v", have, want)
	}
}

// TestRowsNameProbes holds every row of every built-in profile to a probe of
// its own protocol.
func TestRowsNameProbes(t *testing.T) {
	list, err := profiles.Load(profiles.Names(), nil)
	if err != nil {
		t.Fatal(err)
	}
	known := probes.ByName()
	rows := 0
	for _, pr := range list {
		for _, r := range pr.Rows {
			rows++
			names := []string{r.Probe}
			if r.Probe == "" && r.Protocol != scanner.ICMP {
				continue // a port alone, or an item to check by hand
			}
			if r.Via != "" {
				names = append(names, r.ViaProbe)
			}
			for _, name := range names {
				p, ok := known[name]
				if r.Protocol == scanner.ICMP {
					ok = name == ""
				} else if ok {
					ok = p.Protocol == r.Protocol
				}
				if !ok {
					t.Errorf("%s/%s, %s: probe %q", pr.Name, r.ID, r.Protocol, name)
				}
			}
		}
	}
	if rows < 8 {
		t.Errorf("%d rows", rows)
	}
}

// TestDocumentsOfProfiles holds the machine's form of a profile to its rows.
func TestDocumentsOfProfiles(t *testing.T) {
	list, err := profiles.Load([]string{"push"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	doc := newProfileDocument(list[0])
	want := map[string]uint16{"push/icmp": 0, "push/smb": 445, "push/epm-tcp": 135, "push/rpc-dynamic": 0, "push/epm-udp": 135, "push/mp-http": 80, "push/mp-https": 443, "push/fsp-http": 80, "push/dp-http": 80, "push/dp-https": 443}
	for _, r := range doc.Rows {
		if port, ok := want[r.ID]; !ok || port != r.Port {
			t.Errorf("%s has port %d", r.ID, r.Port)
		}
		delete(want, r.ID)
		if r.ID == "push/rpc-dynamic" && (r.Via != 135 || !slices.Equal(r.Extra, []uint16{24158})) {
			t.Errorf("via %d, extra %v", r.Via, r.Extra)
		}
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

// TestHelpFits holds the help of every command to a screen's width, and to
// name every flag.
func TestHelpFits(t *testing.T) {
	for _, c := range commands() {
		var out, errs bytes.Buffer
		p := &program{args: []string{c.name, "--help"}, stdin: strings.NewReader(""), stdout: &out, stderr: &errs, ctx: t.Context()}
		if code := p.run(); code != 0 || errs.Len() > 0 {
			t.Errorf("%s --help: exit code %d, %s", c.name, code, &errs)
		}
		for line := range strings.Lines(out.String()) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > 80 {
				t.Errorf("%s --help: %d columns: %s", c.name, n, line)
			}
			if strings.Contains(line, " string ") || strings.Contains(line, " int ") {
				t.Errorf("%s --help: a value without a name: %s", c.name, line)
			}
		}
	}
}

// TestNoPanicOnFlags gives every flag of every command values that mean
// nothing, where nothing could be sent.
func TestNoPanicOnFlags(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"check", "plan", "report", "profiles", "explain"} {
		fs := pflag.NewFlagSet(name, pflag.ContinueOnError)
		var s selection
		s.register(fs)
		fs.StringP("output", "o", "", "")
		fs.VisitAll(func(f *pflag.Flag) {
			for _, v := range []string{"", "=", ",", "-", "--", "\x00", "a=b=c", strings.Repeat("x", 5000), "𐍈", "999999999999999999999"} {
				var out, errs bytes.Buffer
				args := []string{name, "--" + f.Name + "=" + v, filepath.Join(dir, "no/such/thing")}
				p := &program{args: args, stdin: strings.NewReader(""), stdout: &out, stderr: &errs, ctx: t.Context()}
				if code := p.run(); code != exitUsage {
					t.Errorf("%.80q: exit code %d, %s%s", args, code, &out, &errs)
				}
				if out.Len() > 0 || !strings.HasPrefix(errs.String(), "cmreach: ") {
					t.Errorf("%.80q: %.100q, %.100q", args, &out, &errs)
				}
			}
		})
	}
}

// TestReplaceKeepsTheOldFile: a report that breaks off leaves what was there.
func TestReplaceKeepsTheOldFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "report.json")
	if err := os.WriteFile(name, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the record cannot be read")
	err := replace(name, func(w io.Writer) error {
		if _, err := w.Write([]byte("half of the new")); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), name) {
		t.Errorf("error %v", err)
	}
	if text, err := os.ReadFile(name); err != nil || string(text) != "old" {
		t.Errorf("%q, %v", text, err)
	}
	if err := replace(name, func(w io.Writer) error { _, err := w.Write([]byte("new")); return err }); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(name); err != nil || string(text) != "new" {
		t.Errorf("%q, %v", text, err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("files left: %v, %v", left, err)
	}
}
