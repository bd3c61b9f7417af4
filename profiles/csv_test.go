package profiles

import (
	"cmreach/scanner"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const csvFolder = "../testdata/profiles/csv/"

// readCSV reads one file of the test data.
func readCSV(t *testing.T, name string) (*Targets, error) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return ReadTargets(TargetOptions{Sources: []Source{{Name: filepath.Base(name), Text: f}}})
}

// wanted is what stands beside a file of the test data.
func wanted(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(strings.TrimSuffix(name, ".csv") + ".want")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func csvFiles(t *testing.T, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(csvFolder + folder + "/*.csv")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	return files
}

func TestClientLists(t *testing.T) {
	for _, name := range csvFiles(t, "good") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			targets, err := readCSV(t, name)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for h := range targets.all() {
				b.WriteString(h.name)
				for i, d := range h.row.tags() {
					b.WriteString(map[bool]string{true: " | ", false: " "}[i == 0] + d.Key + "=" + d.Value)
				}
				b.WriteString("\n")
			}
			if d := cmp.Diff(wanted(t, name), b.String()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestBadClientLists(t *testing.T) {
	for _, name := range csvFiles(t, "bad") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			_, err := readCSV(t, name)
			if err == nil {
				t.Fatal("no error")
			}
			if d := cmp.Diff(wanted(t, name), err.Error()+"\n"); d != "" {
				t.Error(d)
			}
		})
	}
}

// A family leaves out the addresses of the other where a computer has both, and
// refuses a computer that has the other only.
func TestClientListFamily(t *testing.T) {
	read := func(text string, f Family) (*Targets, error) {
		return ReadTargets(TargetOptions{Family: f, Sources: []Source{{Name: "c.csv", Text: strings.NewReader(text)}}})
	}
	const both = "IPAddress,SiteCode\n\"198.18.1.1,fd00:198::1\",PS1\n"
	for f, want := range map[Family]string{IPv4Only: "198.18.1.1", IPv6Only: "fd00:198::1"} {
		got, err := read(both, f)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{want}, hostNames(got)); d != "" {
			t.Error(d)
		}
	}
	_, err := read("SiteCode,IPAddress\nPS1,fd00:198::1\n", IPv4Only)
	want := "c.csv:2:5: fd00:198::1 is IPv6, and -4 asks for IPv4 only; leave -4 or the address away"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The tags reach the engine's targets, those of a server that is a target too.
func TestPlanCarriesTags(t *testing.T) {
	text := "Name,SiteCode\nmp1,PS1\npc1,PS2\n"
	targets, err := ReadTargets(TargetOptions{Args: []string{"pc0"}, Sources: []Source{{Name: "c.csv", Text: strings.NewReader(text)}}})
	if err != nil {
		t.Fatal(err)
	}
	list, err := Load([]string{"push"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := NewPlan(Options{Profiles: list, Targets: targets, Roles: []string{"management-point=MP1"}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]scanner.Detail{}
	for target := range plan.Targets() {
		got[strings.ToLower(target.Name)] = target.Tags
	}
	want := map[string][]scanner.Detail{"mp1": {{Key: "SiteCode", Value: "PS1"}}, "pc0": nil, "pc1": {{Key: "SiteCode", Value: "PS2"}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// 70,000 computers with many columns cost the text and little more.
func TestLongClientList(t *testing.T) {
	const rows, columns = 70_000, 40
	var b strings.Builder
	b.WriteString(`"Name"`)
	for i := range columns {
		fmt.Fprintf(&b, `,"Column%d"`, i)
	}
	for i := range rows {
		fmt.Fprintf(&b, "\n\"PC-%05d\"", i)
		b.WriteString(strings.Repeat(`,"a value"`, columns))
	}
	text := b.String()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	targets, err := ReadTargets(TargetOptions{Sources: []Source{{Name: "c.csv", Text: strings.NewReader(text)}}})
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if targets.Len() != rows {
		t.Errorf("%d targets", targets.Len())
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > int64(3*len(text)) {
		t.Errorf("%d bytes are held for a list of %d bytes", grown, len(text))
	}
	runtime.KeepAlive(targets)
}

// Tags are bounded, whatever the list holds.
func TestTagsAreBounded(t *testing.T) {
	var head, row strings.Builder
	head.WriteString("Name")
	row.WriteString("pc1")
	for i := range 500 {
		fmt.Fprintf(&head, ",C%d%s", i, strings.Repeat("ü", 500))
		row.WriteString("," + strings.Repeat("ä", 5000))
	}
	targets, err := ReadTargets(TargetOptions{Sources: []Source{{Name: "c.csv", Text: strings.NewReader(head.String() + "\n" + row.String() + "\n")}}})
	if err != nil {
		t.Fatal(err)
	}
	for h := range targets.all() {
		tags := h.row.tags()
		if len(tags) != maxTags || len([]rune(tags[0].Key)) != maxTagKey || len([]rune(tags[0].Value)) != maxTagText {
			t.Errorf("%d tags, %q", len(tags), tags[0])
		}
	}
}

func FuzzReadTargets(f *testing.F) {
	for _, folder := range []string{"good", "bad"} {
		files, err := filepath.Glob(csvFolder + folder + "/*.csv")
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		targets, err := ReadTargets(TargetOptions{Sources: []Source{{Name: "f", Text: strings.NewReader(string(b))}}})
		if (err == nil) != (targets != nil) {
			t.Fatalf("targets %v, error %v", targets, err)
		}
		if err != nil {
			return
		}
		n := 0
		for h := range targets.all() {
			if h.name == "" || len(h.row.tags()) > maxTags {
				t.Errorf("host %+v", h)
			}
			n++
		}
		if n != targets.Len() {
			t.Errorf("%d hosts, %d counted", n, targets.Len())
		}
	})
}
