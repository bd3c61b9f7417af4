package history

import (
	"bytes"
	"cmreach/scanner/verdict"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a receiver is told when it cannot always be told: results of the runs as
// in testdata/history/transitions.txt, whether each notification arrives (y, n),
// and what it says, - where there is none.
func TestUntold(t *testing.T) {
	for _, line := range []string{
		"o x x x    | y n y y  | added broken broken -",
		"o x x x    | y n n y  | added broken broken broken",
		"o x o o    | y n y y  | added broken recovered -",
		"o x o o    | y n n y  | added broken recovered recovered",
		"o x o x x  | y n n n y | added broken recovered broken broken",
		"o x ? ? o  | y n n y y | added broken broken broken recovered",
		"o x d d    | y n n y  | added broken broken broken",
		"x o o      | n y y    | added+broken recovered -", // the first run tells what is broken alone
		"x x o      | n y y    | added+broken broken recovered",
		"o , x x    | y y n y  | added - broken broken",
		"o x , x    | y n n y  | added broken broken broken", // not reached: it stands
		"o x . .    | y n n y  | added broken gone gone",
		"o x . o o  | y n n n y | added broken gone added added",
		"o x . x x  | y n n n y | added broken gone added+broken added+broken",
		"o . o . .  | y n n n y | added gone added gone gone",
		"o x o x o o o | y y y y n n y | added broken recovered broken flap-begins flap-begins flap-begins",
		"o x o x o o o o o o | y y y y n n n n y y | added broken recovered broken flap-begins flap-begins flap-begins steady-good recovered -",
	} {
		t.Run(line, func(t *testing.T) {
			cell := strings.Split(line, "|")
			results, arrives, want := strings.Fields(cell[0]), strings.Fields(cell[1]), strings.Fields(cell[2])
			m := New()
			for i, r := range results {
				m.Tell([]string{"a-1"})
				c := m.Compare(Info{Started: day.Add(time.Duration(i) * time.Hour)}, verdict.DefaultFail)
				if r[0] != ',' && r[0] != '.' {
					c.Add([]verdict.Finding{finding("pc-1", "198.18.1.1", r[0])})
				}
				run := c.End(r[0] != ',')
				ch := m.For(0, &run)
				got := "-"
				if ch.Changed() {
					ch.Still, ch.Counts.Still = nil, 0
					if ch.NewlyFlapping == 0 {
						ch.Flapping = nil
					}
					got = strings.TrimSuffix(words(ch), "!")
				}
				if got != want[i] {
					t.Errorf("run %d: %s, want %s: %+v", i+1, got, want[i], ch)
				}
				if ch.Changed() {
					m.Told(0, arrives[i] == "y")
				}
				m = stored(t, m)
			}
			if len(m.untold) > 0 || m.waits() {
				t.Errorf("still to be told: %v", m.untold)
			}
		})
	}
}

// waiting is a memory of which one receiver missed two runs and another one of
// them: what broke, what recovered, what came and what went.
func waiting(t testing.TB) *Memory {
	t.Helper()
	m := New()
	for i, results := range []string{"oxd?so.", "xoxo,o.", "xo.o,.o"} {
		m.Tell([]string{"aaaa-111", "aaaa-222", "bbbb-333"})
		c := m.Compare(Info{Started: day.Add(time.Duration(i) * time.Hour), Vantage: "site-server", Version: "dev"}, verdict.DefaultFail)
		if i == 0 {
			m.Lose("it is empty", "state.bad")
		}
		for j := range results {
			if results[j] != ',' && results[j] != '.' {
				c.Add([]verdict.Finding{finding(fmt.Sprintf("pc-%d\"é", j), "", results[j])})
			}
		}
		c.End(true)
		m.Told(0, true)
		m.Told(1, i == 1)
		m.Told(2, false)
		m = stored(t, m)
	}
	return m
}

// Each receiver gets what it missed, and its counts are right.
func TestEachReceiver(t *testing.T) {
	m := waiting(t)
	m.Tell([]string{"aaaa-111", "aaaa-222", "bbbb-333"})
	c := m.Compare(Info{Started: day.Add(9 * time.Hour)}, verdict.DefaultFail)
	for j, r := range "xo.o.." {
		if r != '.' {
			c.Add([]verdict.Finding{finding(fmt.Sprintf("pc-%d\"é", j), "", byte(r))})
		}
	}
	run := c.End(true)
	hosts := func(list []Item) string {
		var out []string
		for _, it := range list {
			out = append(out, it.Host[3:4]+it.Was.String())
		}
		return strings.Join(out, " ")
	}
	show := func(ch *Changes) string {
		return fmt.Sprintf("broken %s, recovered %s, still %s, gone %s, added %s, %+v, %d untold", hosts(ch.Broken), hosts(ch.Recovered), hosts(ch.Still),
			hosts(ch.Gone), hosts(ch.Added), ch.Counts, ch.Untold)
	}
	for i, want := range []string{
		"broken , recovered , still 0unknown, gone 6open, added , {Broken:0 Recovered:0 Still:1 Flapping:0 Gone:1 Added:0}, 0 untold",
		"broken , recovered , still 0unknown, gone 2blocked 5open 6open, added , {Broken:0 Recovered:0 Still:1 Flapping:0 Gone:3 Added:0}, 3 untold",
		"broken 0open, recovered 1blocked, still , gone 2blocked 4unknown 5open 6open, added , {Broken:1 Recovered:1 Still:0 Flapping:0 Gone:4 Added:0}, 6 untold",
	} {
		if got := show(m.For(i, &run)); got != want {
			t.Errorf("receiver %d:\n%s\nwant\n%s", i, got, want)
		}
	}
	if got := m.For(2, &run); got.Lost != "it is empty" || !got.UntoldSince.Equal(day) || !m.For(1, &run).UntoldSince.Equal(day.Add(2*time.Hour)) {
		t.Errorf("%+v", got)
	}
	if len(run.Still) != 1 || run.Untold != 0 {
		t.Errorf("the run itself was changed: %+v", run)
	}
}

// A receiver that is named no more is forgotten; one with another key is the
// same one, and the order does not matter.
func TestReceiversChange(t *testing.T) {
	missed := func(m *Memory) string {
		var out []string
		for i, r := range m.receivers {
			n := 0
			for _, u := range m.untold {
				n += int(u.who() >> i & 1)
			}
			out = append(out, fmt.Sprintf("%s:%d", r.id, n))
		}
		return strings.Join(out, " ")
	}
	for _, c := range []struct{ ids, want string }{
		{"aaaa-111 aaaa-222 bbbb-333", "aaaa-111:0 aaaa-222:3 bbbb-333:6"},
		{"bbbb-333 aaaa-222", "bbbb-333:6 aaaa-222:3"},
		{"bbbb-999 aaaa-222 cccc-1", "bbbb-999:6 aaaa-222:3 cccc-1:0"},
		{"aaaa-222", "aaaa-222:3"},
		{"cccc-1", "cccc-1:0"},
		{"", ""},
	} {
		m := waiting(t)
		m.Tell(strings.Fields(c.ids))
		if got := missed(m); got != c.want {
			t.Errorf("%s: %s, want %s", c.ids, got, c.want)
		}
		m.Compare(Info{Started: day.Add(99 * time.Hour)}, verdict.DefaultFail).End(true)
		stored(t, m)
	}
}

// What is remembered for those who were not told is bounded; of the rest, the
// number is right.
func TestUntoldIsBounded(t *testing.T) {
	m := New()
	m.Tell([]string{"a-1", "b-2"})
	const paths = MostUntold + 10
	for i, letter := range "ox" {
		c := m.Compare(Info{Started: day.Add(time.Duration(i) * time.Hour)}, verdict.DefaultFail)
		for j := range paths {
			c.Add([]verdict.Finding{finding(fmt.Sprint("pc-", j), "", byte(letter))})
		}
		c.End(true)
		m.Told(0, letter == 'o')
		m.Told(1, true)
	}
	m = stored(t, m)
	m.Tell([]string{"a-1", "b-2"})
	c := m.Compare(Info{Started: day.Add(5 * time.Hour)}, verdict.DefaultFail)
	for j := range paths {
		c.Add([]verdict.Finding{finding(fmt.Sprint("pc-", j), "", 'x')})
	}
	run := c.End(true)
	if ch := m.For(0, &run); ch.Untold != paths || ch.Counts.Broken != MostUntold || ch.Counts.Still != 10 || len(ch.Broken) != Samples {
		t.Errorf("%d untold, %+v, %d named", ch.Untold, ch.Counts, len(ch.Broken))
	}
	if ch := m.For(1, &run); ch.Changed() || ch.Counts.Still != paths {
		t.Errorf("%+v", ch.Counts)
	}
}

// A file without anything untold is one that older programs read.
func TestFormats(t *testing.T) {
	m := waiting(t)
	for _, want := range []string{`{"cmreach_state":2,`, `{"cmreach_state":1,`} {
		var b bytes.Buffer
		if err := m.Write(&b); err != nil || !strings.HasPrefix(b.String(), want) || strings.Contains(b.String(), "receivers") != (want[17] == '2') {
			t.Errorf("%v, not %s:\n%s", err, want, b.String())
		}
		for i := range m.receivers {
			m.Told(i, true)
		}
	}
}

// Lines that no program writes, with a right sum, are refused.
func TestUntoldThatCannotBe(t *testing.T) {
	for name, spoil := range map[string]func(*Memory){
		"nobody":          func(m *Memory) { m.untold[pathKey{"pc-9", 0}] = &untold{name: "pc-9"} },
		"in the plan":     func(m *Memory) { m.untold[pathKey{`pc-0"é`, 0}].gone = 4 },
		"not in the plan": func(m *Memory) { m.untold[pathKey{"pc-9", 0}] = &untold{name: "pc-9", turned: 4} },
		"no receiver":     func(m *Memory) { m.untold[pathKey{`pc-0"é`, 0}].turned = 8 },
		"knows it all":    func(m *Memory) { m.untold[pathKey{`pc-0"é`, 0}].turned = 1 },
		"no row":          func(m *Memory) { m.untold[pathKey{"pc-9", 7}] = &untold{name: "pc-9", gone: 4} },
		"no name":         func(m *Memory) { m.untold[pathKey{"", 0}] = &untold{gone: 4} },
		"twice":           func(m *Memory) { m.untold[pathKey{"x", 0}] = &untold{name: `PC-2"é`, gone: 4} },
		"no id":           func(m *Memory) { m.receivers[0].id = "" },
		"misses nothing":  func(m *Memory) { m.receivers[0].more = 1 },
		"many":            func(m *Memory) { m.receivers = append(m.receivers, slices.Repeat(m.receivers, 11)...) },
	} {
		m := waiting(t)
		spoil(m)
		var b bytes.Buffer
		if err := m.Write(&b); err != nil {
			t.Fatal(err)
		}
		var d *DamagedError
		if _, err := Read(bytes.NewReader(b.Bytes())); !errors.As(err, &d) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
