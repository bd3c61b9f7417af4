package verdict_test

import (
	"cmreach/scanner/verdict"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// hostsOf are hosts with one required path each: so many of each state.
func hostsOf(counts map[verdict.State]int) [][]verdict.Finding {
	var out [][]verdict.Finding
	for _, s := range verdict.States {
		for range counts[s] {
			out = append(out, []verdict.Finding{required(s)})
		}
	}
	return out
}

func tallyOf(t testing.TB, failOn string, hosts [][]verdict.Finding) *verdict.Tally {
	t.Helper()
	fail, err := verdict.ParseFailOn(strings.Split(failOn, ","))
	if err != nil {
		t.Fatal(err)
	}
	tally := verdict.NewTally(fail.States, fail.Limits...)
	for _, h := range hosts {
		tally.AddHost(h)
	}
	return tally
}

func TestLimits(t *testing.T) {
	type counts = map[verdict.State]int
	const open, blocked, down, untested, failed = verdict.Open, verdict.Blocked, verdict.Down, verdict.Untested, verdict.Error
	for _, tt := range []struct {
		failOn string
		counts counts
		exit   int
		says   string
	}{
		{"blocked>2%", counts{open: 98, blocked: 2}, 0, "tolerated: 2.0 % of the required paths are blocked (2 of 100), --fail-on blocked>2%"},
		{"blocked>2%", counts{open: 97, blocked: 3}, 1, "more than is tolerated: 3.0 % of the required paths are blocked (3 of 100), --fail-on blocked>2%"},
		{"blocked>2%", counts{open: 97, blocked: 2, down: 1}, 3, ""},
		{"blocked>2%", counts{open: 97, blocked: 2, verdict.Closed: 1}, 1, ""},
		{"blocked>2%,down>30%", counts{open: 68, blocked: 2, down: 30}, 0, ""},
		{"blocked>2%,down>30%", counts{open: 67, blocked: 2, down: 31}, 1, ""},
		// a third of the paths starts elsewhere, and cannot be tested: they make no share smaller
		{"blocked>2%", counts{open: 98, blocked: 2, untested: 50}, 0, "tolerated: 2.0 % of the required paths are blocked (2 of 100), --fail-on blocked>2%"},
		{"blocked>2%", counts{open: 96, blocked: 3, untested: 50, failed: 1}, 1, "(3 of 99)"},
		{"error>1%", counts{open: 99, failed: 1, untested: 50}, 0, "(1 of 100)"},
		{"error>1%", counts{open: 98, failed: 2}, 1, ""},
		{"untested>50%", counts{open: 1, untested: 1}, 0, ""},
		{"untested>49.9999%", counts{open: 1, untested: 1}, 1, "50.0 %"},
		{"untested>100%", counts{untested: 3}, 0, ""},
		{"blocked>0", counts{open: 5}, 0, ""},
		{"blocked>0", counts{open: 5, blocked: 1}, 1, ""},
		{"blocked>1", counts{open: 5, blocked: 1}, 0, "tolerated: 1 required path is blocked, --fail-on blocked>1"},
		{"blocked>1", counts{open: 5, blocked: 2}, 1, "more than is tolerated: 2 required paths are blocked, --fail-on blocked>1"},
		{"blocked>0.1%", counts{open: 999, blocked: 1}, 0, ""},
		{"blocked>0.0999%", counts{open: 999, blocked: 1}, 1, ""},
		{" down > 30 % ", counts{open: 7, down: 3}, 0, "--fail-on down>30%"},
		{"down>5%", nil, 0, "0.0 %"},
	} {
		t.Run(tt.failOn+fmt.Sprint(tt.counts), func(t *testing.T) {
			tally := tallyOf(t, tt.failOn, hostsOf(tt.counts))
			before := tally.Exit()
			tally.Settle()
			if got := tally.Exit(); got != tt.exit || before != tt.exit {
				t.Errorf("exit %d, before all was counted %d, want %d", got, before, tt.exit)
			}
			if m := tally.Measures(); !strings.Contains(m[0].String(), tt.says) {
				t.Errorf("%q, want %q", m[0], tt.says)
			}
		})
	}
}

// Paths that nothing hangs on are no part of a share.
func TestLimitsCountWhatIsDemanded(t *testing.T) {
	hosts := [][]verdict.Finding{
		{optional(verdict.Blocked), required(verdict.Open)},
		{anyOf("push/mp-http", verdict.Blocked), anyOf("push/mp-https", verdict.Open)},
		{required(verdict.Blocked)},
	}
	tally := tallyOf(t, "blocked>33.4%", hosts)
	tally.Settle()
	if m := tally.Measures()[0]; m.Paths != 1 || m.Of != 3 || tally.Exit() != 0 {
		t.Errorf("%+v, exit %d", m, tally.Exit())
	}
	if c := tally.HostsBy; c[verdict.ClassTolerated] != 1 || c[verdict.ClassPassed] != 2 {
		t.Errorf("hosts by class %v", c)
	}
	tally = tallyOf(t, "blocked>33%", hosts)
	tally.Settle()
	if c := tally.HostsBy; c[verdict.ClassFailed] != 1 || tally.Exit() != 1 {
		t.Errorf("hosts by class %v, exit %d", c, tally.Exit())
	}
}

func TestMistakesInLimits(t *testing.T) {
	for words, want := range map[string]string{
		"blocked>":                `"" is no limit`,
		"blocked>%":               `"%" is no limit`,
		"blocked>=2%":             `"=2%" is no limit`,
		"blocked>-1":              `"-1" is no limit`,
		"blocked>2.5":             `"2.5" is no limit`,
		"blocked>2.12345%":        `"2.12345%" is no limit`,
		"blocked>2.%":             `"2.%" is no limit`,
		"blocked>.5%":             `".5%" is no limit`,
		"blocked>2.-5%":           `"2.-5%" is no limit`,
		"blocked>101%":            `"101%" is more than all`,
		"blocked>100.0001%":       `more than all`,
		"blocked>99999999999":     `is no limit`,
		"blokced>2%":              `unknown state "blokced"`,
		"open>2%":                 "an open path is no failure",
		"down,down>2%":            "down has two limits",
		"down>2%,down":            "down has two limits",
		"down>2%,down>3%":         "down has two limits",
		"blocked>,open>1,dwon>2%": "an open path is no failure",
	} {
		_, err := verdict.ParseFailOn(strings.Split(words, ","))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", words, err, want)
		}
	}
	f, err := verdict.ParseFailOn([]string{"down", "down", "blocked>2%", "blocked>2%"})
	if err != nil || len(f.Limits) != 1 || !f.States.Has(verdict.Down) || f.States.Has(verdict.Blocked) || !f.States.Has(verdict.Closed) {
		t.Errorf("%+v, %v", f, err)
	}
}

// Where every limit is passed, or none is there, the tally is what it is
// without limits; the order of the hosts does not matter; every finding and
// host has one class.
func TestLimitsAgreeWithoutLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		finding := rapid.Custom(func(t *rapid.T) verdict.Finding {
			f := required(rapid.SampledFrom(verdict.States).Draw(t, "state"))
			f.Requirement = rapid.SampledFrom([]string{"push/a", "push/b"}).Draw(t, "row")
			f.AnyOf = rapid.SampledFrom([]string{"", "g"}).Draw(t, "group")
			f.Required = rapid.Bool().Draw(t, "required")
			f.Boundary = rapid.SampledFrom([]string{"", "plant"}).Draw(t, "boundary")
			return f
		})
		hosts := rapid.SliceOf(rapid.SliceOfN(finding, 1, 4)).Draw(t, "hosts")
		fail := verdict.FailOn{States: verdict.DefaultFail}
		plain, none := fail.States, fail.States // with the states that have a limit, and without
		for _, s := range verdict.States[1:] {
			if !rapid.Bool().Draw(t, "limit") {
				continue
			}
			l := verdict.Limit{State: s, Most: rapid.Int64Range(0, 3).Draw(t, "most")}
			fail.Limits = append(fail.Limits, l)
			plain, none = plain.With(s), none&^(1<<s)
		}
		tally := func(set verdict.StateSet, limits []verdict.Limit, hosts [][]verdict.Finding) *verdict.Tally {
			a := verdict.NewTally(set, limits...)
			for _, h := range hosts {
				a.AddHost(h)
			}
			a.Settle()
			return a
		}
		a := tally(fail.States, fail.Limits, hosts)
		back := slices.Clone(hosts)
		slices.Reverse(back)
		if b := tally(fail.States, fail.Limits, back); a.Exit() != b.Exit() || a.All != b.All || a.HostsBy != b.HostsBy {
			t.Error("the order of the hosts matters")
		}
		strict := tally(plain, nil, hosts)
		tolerated := 0
		for _, m := range a.Measures() {
			if !m.Exceeded() {
				tolerated += m.Paths
			}
		}
		if n := a.All.Classes[verdict.ClassTolerated]; n != tolerated || n+a.All.Classes[verdict.ClassFailed] != strict.All.Classes[verdict.ClassFailed] {
			t.Errorf("%d tolerated and %d failed, want %d of %d", n, a.All.Classes[verdict.ClassFailed], tolerated, strict.All.Classes[verdict.ClassFailed])
		}
		if tolerated == 0 && (a.Exit() != strict.Exit() || a.HostsBy != strict.HostsBy) {
			t.Errorf("exit %d, hosts %v; strict %d, %v", a.Exit(), a.HostsBy, strict.Exit(), strict.HostsBy)
		}
		sum, inBoundaries := 0, 0
		for c, n := range a.HostsBy {
			sum += n
			for _, b := range a.Boundaries {
				inBoundaries += b.HostsBy[c]
			}
		}
		if sum != len(hosts) || inBoundaries != len(hosts) {
			t.Errorf("%d and %d of %d hosts are in classes", sum, inBoundaries, len(hosts))
		}
		own := [int(verdict.ClassOptional) + 1]int{}
		for _, h := range hosts {
			h = slices.Clone(h)
			verdict.Satisfy(h)
			for i := range h {
				own[a.Class(&h[i])]++
			}
		}
		if own != a.All.Classes {
			t.Errorf("classes %v one by one, %v together", own, a.All.Classes)
		}
	})
}

// What was understood is understood again from its own word, and is in range.
func FuzzParseFailOn(f *testing.F) {
	for _, s := range []string{"blocked>2%", "down > 30.5 %", "closed>7", "error>", "open>1", "wrong-host>100.0000%", "untested"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, word string) {
		got, err := verdict.ParseFailOn([]string{word})
		if err != nil || len(got.Limits) == 0 {
			return
		}
		l := got.Limits[0]
		again, err := verdict.ParseFailOn([]string{l.Word})
		if err != nil || len(again.Limits) != 1 || again.Limits[0] != l {
			t.Errorf("%q is %+v, and %q %+v, %v", word, l, l.Word, again, err)
		}
		if l.Most < 0 || l.Share && l.Most > 1_000_000 || got.States.Has(l.State) {
			t.Errorf("%q is %+v", word, got)
		}
	})
}
