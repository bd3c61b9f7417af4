package verdict_test

import (
	"cmreach/scanner/verdict"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func required(s verdict.State) verdict.Finding {
	return verdict.Finding{Profile: "push", Requirement: "push/smb", Required: true, State: s}
}

func optional(s verdict.State) verdict.Finding {
	f := required(s)
	f.Required = false
	return f
}

func anyOf(row string, s verdict.State) verdict.Finding {
	f := required(s)
	f.Requirement, f.AnyOf = row, "mp"
	return f
}

func TestExit(t *testing.T) {
	type fs = []verdict.Finding
	for _, tt := range []struct {
		name   string
		hosts  []fs
		failOn string
		want   int
	}{
		{"nothing", nil, "", 0},
		{"open", []fs{{required(verdict.Open)}}, "", 0},
		{"blocked", []fs{{required(verdict.Blocked)}}, "", 1},
		{"closed", []fs{{required(verdict.Closed)}}, "", 1},
		{"wrong service", []fs{{required(verdict.WrongService)}}, "", 1},
		{"wrong host", []fs{{required(verdict.WrongHost)}}, "", 1},
		{"down", []fs{{required(verdict.Open)}, {required(verdict.Down)}}, "", 3},
		{"unresolved", []fs{{required(verdict.Unresolved)}}, "", 3},
		{"inconclusive", []fs{{required(verdict.Inconclusive)}}, "", 3},
		{"not known is not open", []fs{{required(verdict.StateUnknown)}}, "", 3},
		{"untested", []fs{{required(verdict.Untested)}}, "", 3},
		{"untested beside open", []fs{{required(verdict.Untested), required(verdict.Open)}}, "", 0},
		{"error", []fs{{required(verdict.Error)}}, "", 4},
		{"1 before 3 and 4", []fs{{required(verdict.Error), required(verdict.Down), required(verdict.Blocked)}}, "", 1},
		{"4 before 3", []fs{{required(verdict.Down)}, {required(verdict.Error)}}, "", 4},
		{"informational", []fs{{optional(verdict.Blocked), optional(verdict.Error), optional(verdict.Down)}}, "down,error", 0},
		{"fail on down", []fs{{required(verdict.Down)}}, "down", 1},
		{"fail on untested", []fs{{required(verdict.Untested)}}, "down,untested", 1},
		{"fail on error", []fs{{required(verdict.Error)}}, "error", 1},
		{"fail on another", []fs{{required(verdict.Down)}}, "untested", 3},
		{"fail on adds", []fs{{required(verdict.Blocked)}}, "down", 1},
		{"group passes", []fs{{anyOf("push/mp-http", verdict.Blocked), anyOf("push/mp-https", verdict.Open)}}, "", 0},
		{"group passes with error", []fs{{anyOf("push/mp-http", verdict.Open), anyOf("push/mp-https", verdict.Error)}}, "error", 0},
		{"group fails", []fs{{anyOf("push/mp-http", verdict.Blocked), anyOf("push/mp-https", verdict.Closed)}}, "", 1},
		{"group of another host", []fs{{anyOf("push/mp-http", verdict.Blocked)}, {anyOf("push/mp-https", verdict.Open)}}, "", 1},
		{"group does not cover others", []fs{{anyOf("push/mp-http", verdict.Open), required(verdict.Closed)}}, "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fail := verdict.FailOn{States: verdict.DefaultFail}
			if tt.failOn != "" {
				var err error
				if fail, err = verdict.ParseFailOn(strings.Split(tt.failOn, ",")); err != nil {
					t.Fatal(err)
				}
			}
			tally := verdict.NewTally(fail.States, fail.Limits...)
			for _, h := range tt.hosts {
				tally.AddHost(h)
			}
			if got := tally.Exit(); got != tt.want {
				t.Errorf("exit %d, want %d (%s)", got, tt.want, tally)
			}
		})
	}
}

func TestGroupsOfTwoProfilesAreApart(t *testing.T) {
	other := anyOf("gpo/mp", verdict.Open)
	other.Profile = "gpo"
	tally := verdict.NewTally(verdict.DefaultFail)
	tally.AddHost([]verdict.Finding{anyOf("push/mp-http", verdict.Blocked), other})
	if tally.Exit() != 1 {
		t.Error("an open path of another profile satisfied the group")
	}
}

func TestParseFailOn(t *testing.T) {
	set, err := verdict.ParseFailOn(nil)
	if err != nil || set.States != verdict.DefaultFail || set.Limits != nil {
		t.Errorf("no words: %v, %v", set, err)
	}
	_, err = verdict.ParseFailOn([]string{"dwon", "open", " down "})
	if err == nil || !strings.Contains(err.Error(), `unknown state "dwon"`) || !strings.Contains(err.Error(), "an open path is no failure") {
		t.Errorf("error %v, want both mistakes", err)
	}
}

func TestHostClass(t *testing.T) {
	for _, tt := range []struct {
		name string
		fs   []verdict.Finding
		want verdict.Class
	}{
		{"ready", []verdict.Finding{required(verdict.Open), required(verdict.Untested), optional(verdict.Blocked)}, verdict.ClassPassed},
		{"failed", []verdict.Finding{required(verdict.Down), required(verdict.Error), required(verdict.Closed)}, verdict.ClassFailed},
		{"error", []verdict.Finding{required(verdict.Down), required(verdict.Error)}, verdict.ClassError},
		{"undecided", []verdict.Finding{required(verdict.Open), required(verdict.Down)}, verdict.ClassUndecided},
		{"untested", []verdict.Finding{required(verdict.Untested)}, verdict.ClassUntested},
		{"optional", []verdict.Finding{optional(verdict.Open)}, verdict.ClassOptional},
	} {
		if got := verdict.NewTally(verdict.DefaultFail).HostClass(tt.fs); got != tt.want {
			t.Errorf("%s: class %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestCountsInJSON(t *testing.T) {
	var c verdict.Counts
	c[verdict.Blocked] = 2
	b, err := json.Marshal(c)
	const want = `{"open":0,"blocked":2,"closed":0,"wrong-service":0,"wrong-host":0,"down":0,"unresolved":0,"inconclusive":0,"untested":0,"error":0}`
	if err != nil || string(b) != want {
		t.Errorf("%s, %v", b, err)
	}
}

// Whatever is counted, every finding is in one class and one state, every host
// in one class, and the order does not matter.
func TestTallyAddsUp(t *testing.T) {
	states := append([]verdict.State{verdict.StateUnknown, verdict.Error + 1}, verdict.States...)
	rapid.Check(t, func(t *rapid.T) {
		finding := rapid.Custom(func(t *rapid.T) verdict.Finding {
			return verdict.Finding{
				Profile:     rapid.SampledFrom([]string{"push", "gpo"}).Draw(t, "profile"),
				Requirement: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "row"),
				AnyOf:       rapid.SampledFrom([]string{"", "g"}).Draw(t, "group"),
				Required:    rapid.Bool().Draw(t, "required"),
				State:       rapid.SampledFrom(states).Draw(t, "state"),
			}
		})
		hosts := rapid.SliceOf(rapid.SliceOf(finding)).Draw(t, "hosts")
		fail := verdict.StateSet(rapid.Uint16().Draw(t, "fail"))
		a, b := verdict.NewTally(fail), verdict.NewTally(fail)
		n := 0
		for i, h := range hosts {
			a.AddHost(h)
			b.AddHost(hosts[len(hosts)-1-i])
			n += len(h)
		}
		sum := func(c []int) (s int) {
			for _, v := range c {
				s += v
			}
			return s
		}
		parts := 0
		for _, p := range a.Profiles {
			parts += p.Total()
		}
		for name, got := range map[string]int{
			"states": a.All.Total(), "classes": sum(a.All.Classes[:]), "profiles": parts,
			"needs": a.Required.Total() + a.Informational.Total(),
		} {
			if got != n {
				t.Errorf("%s add up to %d of %d findings", name, got, n)
			}
		}
		if a.Hosts != len(hosts) || sum(a.HostsBy[:]) != len(hosts) {
			t.Errorf("%d hosts, by class %v, want %d", a.Hosts, a.HostsBy, len(hosts))
		}
		if a.Exit() != b.Exit() || a.All.Classes != b.All.Classes || a.HostsBy != b.HostsBy {
			t.Error("the order of the hosts matters")
		}
		if (a.HostsBy[verdict.ClassFailed] > 0) != (a.Exit() == verdict.ExitFailed) {
			t.Errorf("exit %d with %d failed hosts", a.Exit(), a.HostsBy[verdict.ClassFailed])
		}
	})
}
