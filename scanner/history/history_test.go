package history

import (
	"bytes"
	"cmreach/scanner/verdict"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

var day = time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)

// letters are the results of the tables.
var letters = map[byte]verdict.State{
	'o': verdict.Open, 's': verdict.Blocked, 'x': verdict.Blocked, 'c': verdict.Closed, 'd': verdict.Down,
	'n': verdict.Unresolved, '?': verdict.Inconclusive, 'u': verdict.Untested, 'e': verdict.Error,
}

func finding(host string, addr string, letter byte) verdict.Finding {
	f := verdict.Finding{
		Profile: "push", Requirement: "push/smb", Host: host, Required: true, State: letters[letter],
		Reason: letters[letter].String() + ".because", Message: "it is " + letters[letter].String(),
	}
	if addr != "" {
		f.Addr = netip.MustParseAddr(addr)
	}
	if letter == 's' {
		f.SatisfiedBy = "push/smb-other"
	}
	return f
}

// stored is the memory after a while on the disk.
func stored(t testing.TB, m *Memory) *Memory {
	t.Helper()
	var b bytes.Buffer
	if err := m.Write(&b); err != nil {
		t.Fatal(err)
	}
	again, err := Read(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatalf("%v of\n%s", err, b.String())
	}
	return again
}

// words says what a run said of the only path.
func words(c *Changes) string {
	var out []string
	list := func(word string, items []Item) {
		for _, it := range items {
			switch {
			case it.Steady:
				word = "steady-" + map[string]string{"broken": "broken", "recovered": "good"}[word]
			case word == "flapping" && c.NewlyFlapping > 0:
				word = "flap-begins"
			}
			out = append(out, word)
		}
	}
	list("added", c.Added)
	list("broken", c.Broken)
	list("recovered", c.Recovered)
	list("still", c.Still)
	list("flapping", c.Flapping)
	list("gone", c.Gone)
	s := strings.Join(out, "+")
	if s == "" {
		s = "-"
	}
	if !c.Changed() && !c.Silent() {
		s += "!"
	}
	return s
}

func TestTransitions(t *testing.T) {
	table, err := os.ReadFile("../../testdata/history/transitions.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(table)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		n++
		t.Run(line, func(t *testing.T) {
			cell := strings.Split(line, "|")
			confirm, err := ParseConfirm(strings.TrimSpace(cell[0]))
			if err != nil {
				t.Fatal(err)
			}
			results, want := strings.Fields(cell[1]), strings.Fields(cell[2])
			if len(results) != len(want) {
				t.Fatalf("%d results and %d answers", len(results), len(want))
			}
			m := New()
			for i, r := range results {
				c := m.Compare(Info{Started: day.Add(time.Duration(i) * time.Hour), Confirm: confirm}, verdict.DefaultFail)
				if r[0] != ',' && r[0] != '.' {
					c.Add([]verdict.Finding{finding("pc-1", "198.18.1.1", r[0])})
				}
				ch := c.End(r[0] != ',')
				if got := words(&ch); got != want[i] {
					t.Errorf("run %d: %s, want %s", i+1, got, want[i])
				}
				m = stored(t, m)
			}
		})
	}
	if n < 40 {
		t.Errorf("%d lines only", n)
	}
}

func TestItems(t *testing.T) {
	m := New()
	run := func(hour int, findings ...verdict.Finding) Changes {
		c := m.Compare(Info{Started: day.Add(time.Duration(hour) * time.Hour)}, verdict.DefaultFail)
		for _, f := range findings {
			c.Add([]verdict.Finding{f})
		}
		ch := c.End(true)
		m = stored(t, m)
		return ch
	}
	show := func(it Item) string {
		return fmt.Sprintf("%s %s %s was %s (%s) %s since %d", it.Host, it.Addr, it.State, it.Was, it.Reason, it.Message, it.Since.Hour())
	}
	run(0, finding("pc-1", "198.18.1.1", 'o'))
	// The same computer, written otherwise and at another address.
	ch := run(1, finding("PC-1.", "198.18.1.9", 'x'))
	if len(ch.Broken) != 1 || len(ch.Added)+len(ch.Gone) != 0 {
		t.Fatalf("%+v", ch)
	}
	if got, want := show(ch.Broken[0]), "PC-1. 198.18.1.9 blocked was open (blocked.because) it is blocked since 7"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	ch = run(2, finding("pc-1", "198.18.1.9", 'd'))
	if got, want := show(ch.Still[0]), "pc-1 198.18.1.9 down was blocked (down.because) it is down since 7"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	ch = run(3, finding("pc-1", "198.18.1.9", '?'))
	want := "pc-1 198.18.1.9 down was unknown (inconclusive.because) not seen this time, inconclusive: it is inconclusive since 7"
	if got := show(ch.Still[0]); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	ch = run(4, finding("pc-1", "198.18.1.9", 'o'))
	if got, want := show(ch.Recovered[0]), "pc-1 198.18.1.9 open was down (open.because)  since 10"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if ch = run(5); len(ch.Gone) != 1 || ch.Gone[0].Was != verdict.Open || ch.Gone[0].State != verdict.StateUnknown {
		t.Errorf("%+v", ch.Gone)
	}
}

// The worst of several addresses decides about a name, in whatever order they come.
func TestSeveralAddresses(t *testing.T) {
	for _, order := range [][]string{{"198.18.1.1 o", "198.18.1.2 x", "198.18.1.3 ?"}, {"198.18.1.3 ?", "198.18.1.2 x", "198.18.1.1 o"}} {
		c := New().Compare(Info{Started: day}, verdict.DefaultFail)
		for _, o := range order {
			addr, letter, _ := strings.Cut(o, " ")
			c.Add([]verdict.Finding{finding("pc-1", addr, letter[0])})
		}
		ch := c.End(true)
		if ch.Paths != 1 || len(ch.Broken) != 1 || ch.Broken[0].Addr.String() != "198.18.1.2" {
			t.Errorf("%+v", ch)
		}
	}
}

// A run that was interrupted and then gone on with is one run: no result of it
// counts twice.
func TestGoneOnWith(t *testing.T) {
	m := New()
	in := Info{Started: day, Confirm: Confirm{2, 2}}
	c := m.Compare(in, verdict.DefaultFail)
	c.Add([]verdict.Finding{finding("pc-1", "", 'x')})
	c.End(false)
	m = stored(t, m)
	if err := m.Known(day); err != nil {
		t.Fatal(err)
	}
	c = m.Compare(in, verdict.DefaultFail)
	c.Add([]verdict.Finding{finding("pc-1", "", 'x')})
	c.Add([]verdict.Finding{finding("pc-2", "", 'x')})
	ch := c.End(true)
	if ch.Counts.Broken != 0 || ch.Unconfirmed != 2 || ch.Counts.Added != 1 {
		t.Errorf("%+v", ch)
	}
	m = stored(t, m)
	if m.Known(day) == nil || m.Known(day.Add(-time.Hour)) == nil || m.Known(day.Add(time.Hour)) != nil {
		t.Error("a run that is known is taken again")
	}
	in.Started = day.Add(time.Hour)
	c = m.Compare(in, verdict.DefaultFail)
	c.Add([]verdict.Finding{finding("pc-1", "", 'x')})
	c.Add([]verdict.Finding{finding("pc-2", "", 'x')})
	if ch := c.End(true); ch.Counts.Broken != 2 {
		t.Errorf("%+v", ch)
	}
}

func TestFits(t *testing.T) {
	m := New()
	if err := m.Fits(Info{Vantage: "client"}); err != nil {
		t.Error(err)
	}
	m.Compare(Info{Started: day, Vantage: "site-server", Site: "PS1"}, verdict.DefaultFail).End(true)
	for in, fits := range map[Info]bool{
		{Vantage: "site-server", Site: "PS1"}: true, {Vantage: "site-server"}: true,
		{Vantage: "client", Site: "PS1"}: false, {Vantage: "site-server", Site: "PS2"}: false,
	} {
		if err := m.Fits(in); (err == nil) != fits {
			t.Errorf("%+v: %v", in, err)
		}
	}
}

func TestParseConfirm(t *testing.T) {
	for s, want := range map[string]Confirm{"1/1": {1, 1}, "3/5": {3, 5}, "16/16": {16, 16}} {
		if got, err := ParseConfirm(s); err != nil || got != want || got.String() != s {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "3", "/", "0/3", "4/3", "1/17", "-1/2", "a/b", "3/5/7", " 3/5"} {
		if got, err := ParseConfirm(s); err == nil {
			t.Errorf("%q: %v", s, got)
		}
	}
}

// sample is a memory with everything that a file can hold.
func sample(t testing.TB) []byte {
	t.Helper()
	m := New()
	for i, results := range []string{"oxd?s", "xoxo,", "oxoxo"} {
		c := m.Compare(Info{Started: day.Add(time.Duration(i) * time.Hour), Vantage: "site-server", Site: "PS1", Version: "dev", Confirm: Confirm{1, 2}}, verdict.DefaultFail)
		for j := range results {
			if results[j] != ',' {
				c.Add([]verdict.Finding{finding(fmt.Sprintf("pc-%d\"é", j), "", results[j])})
			}
		}
		c.End(i != 1)
	}
	var b bytes.Buffer
	if err := m.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A file that was cut anywhere, or changed anywhere, is noticed.
func TestDamageIsNoticed(t *testing.T) {
	var b bytes.Buffer
	if err := waiting(t).Write(&b); err != nil {
		t.Fatal(err)
	}
	for hosts, file := range map[int][]byte{5: sample(t), 4: b.Bytes()} {
		if m, err := Read(bytes.NewReader(file)); err != nil || len(m.hosts) != hosts {
			t.Fatalf("%v, %d hosts of\n%s", err, len(m.hosts), file)
		}
		testDamage(t, file)
	}
}

func testDamage(t *testing.T, b []byte) {
	t.Helper()
	var d *DamagedError
	for n := range len(b) - 1 { // without the last newline it is whole
		if _, err := Read(bytes.NewReader(b[:n])); !errors.As(err, &d) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
	}
	for i := range b {
		for _, flip := range []byte{1, 0x20, 0x80} {
			bad := bytes.Clone(b)
			bad[i] ^= flip
			m, err := Read(bytes.NewReader(bad))
			if err != nil {
				continue
			}
			var same bytes.Buffer // "End" is read as "end": no harm done
			if err := m.Write(&same); err != nil || !bytes.Equal(same.Bytes(), b) {
				t.Fatalf("bit %x of byte %d, %q: no error", flip, i, b[max(0, i-10):min(len(b), i+10)])
			}
		}
	}
	for _, more := range []string{"x", "\n", "{}\n"} {
		if _, err := Read(strings.NewReader(string(b) + more)); !errors.As(err, &d) {
			t.Errorf("%q behind the end: %v", more, err)
		}
	}
	if _, err := Read(bytes.NewReader(make([]byte, 4096))); !errors.As(err, &d) {
		t.Errorf("zero bytes: %v", err)
	}
}

func TestOtherFilesAreLeftAlone(t *testing.T) {
	for _, s := range []string{`{"header":{"schema":"cmreach/1"}}` + "\n", "pc-1\npc-2\n", "%PDF-1.4", strings.Repeat("x", 2*maxLine)} {
		if _, err := Read(strings.NewReader(s)); !errors.Is(err, ErrForeign) {
			t.Errorf("%.20q: %v", s, err)
		}
	}
	newer := `{"cmreach_state":3,"version":"9.1","colour":"red"}` + "\n"
	var v *VersionError
	if _, err := Read(strings.NewReader(newer)); !errors.As(err, &v) || v.Found != 3 || v.Writer != "9.1" {
		t.Errorf("%v", err)
	}
}

// Whatever is read is written again as it was.
func FuzzRead(f *testing.F) {
	f.Add(sample(f))
	var b bytes.Buffer
	if err := waiting(f).Write(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(magic + `1,"version":"","run":"2026-11-21T06:00:00Z","complete":true,"vantage":"","confirm":"1/1","rows":[]}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		again := stored(t, m)
		var x, y bytes.Buffer
		if err := errors.Join(m.Write(&x), again.Write(&y)); err != nil || x.String() != y.String() {
			t.Errorf("%v\n%s\n%s", err, x.String(), y.String())
		}
	})
}

// 20,000 hosts with 8 paths are a few megabytes, on the disk and in memory.
func TestSize(t *testing.T) {
	m := New()
	c := m.Compare(Info{Started: day}, verdict.DefaultFail)
	for i := range 20000 {
		list := make([]verdict.Finding, 8)
		for j := range list {
			list[j] = finding(fmt.Sprintf("pc-%05d.corp.example.com", i), "198.18.1.1", "ox"[i&j&1])
			list[j].Requirement = fmt.Sprintf("push/row-%d", j)
		}
		c.Add(list)
	}
	ch := c.End(true)
	if ch.Paths != 160000 || ch.Counts.Added != 160000 || len(ch.Added) != Samples || ch.Counts.Broken != 40000 {
		t.Errorf("%d paths, %+v, %d samples", ch.Paths, ch.Counts, len(ch.Added))
	}
	var b bytes.Buffer
	if err := m.Write(&b); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 8<<20 {
		t.Errorf("%d bytes", b.Len())
	}
	t.Logf("%d bytes", b.Len())
}
