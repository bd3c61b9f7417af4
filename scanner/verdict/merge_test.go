package verdict_test

import (
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func opinion(run string, s verdict.State, evidence ...string) verdict.Opinion {
	f := required(s)
	f.Reason, f.Message, f.Evidence = s.String()+".test", "it is "+s.String(), evidence
	if s == verdict.Open {
		f.Assurance = scanner.AssuranceProtocol
	}
	return verdict.Opinion{Run: run, Finding: f}
}

func TestMerge(t *testing.T) {
	better := opinion("b", verdict.Open)
	better.Finding.Assurance = scanner.AssuranceIdentity
	for _, tt := range []struct {
		name     string
		in       []verdict.Opinion
		state    verdict.State
		message  string
		evidence []string
		conflict bool
	}{
		{"one", []verdict.Opinion{opinion("a", verdict.Down, "x")}, verdict.Down, "it is down", []string{"x"}, false},
		{
			"untested and proven",
			[]verdict.Opinion{opinion("a", verdict.Untested, "seen from a", "more"), opinion("b", verdict.Open, "x", "y")},
			verdict.Open, "it is open",
			[]string{"b: x", "b: y", "a: seen from a"},
			false,
		},
		{
			"untested and proven not to work",
			[]verdict.Opinion{opinion("a", verdict.Untested), opinion("b", verdict.Blocked, "x")},
			verdict.Blocked, "it is blocked",
			[]string{"b: x", "a: untested"},
			false,
		},
		{"untested twice", []verdict.Opinion{opinion("a", verdict.Untested, "x"), opinion("b", verdict.Untested)}, verdict.Untested, "it is untested", []string{"a: x", "b: untested"}, false},
		{
			"disagree",
			[]verdict.Opinion{opinion("a", verdict.Open, "x"), opinion("b", verdict.Blocked, "y")},
			verdict.Blocked,
			"it is blocked; the runs disagree: blocked from b, open from a",
			[]string{"the runs disagree: blocked from b, open from a", "b: y", "a: x"},
			true,
		},
		{"undecided and decided", []verdict.Opinion{opinion("a", verdict.Inconclusive, "x"), opinion("b", verdict.Open, "y")}, verdict.Open, "it is open", []string{"b: y", "a: x"}, false},
		{"error and decided", []verdict.Opinion{opinion("a", verdict.Error, "x"), opinion("b", verdict.Down, "y")}, verdict.Down, "it is down", []string{"b: y", "a: x"}, false},
		{"the better proof", []verdict.Opinion{opinion("a", verdict.Open, "x"), better}, verdict.Open, "it is open", []string{"b: open", "a: x"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := verdict.Merge(tt.in)
			if f.State != tt.state || f.Message != tt.message || f.Conflict != tt.conflict {
				t.Errorf("%s, %q, conflict %v", f.State, f.Message, f.Conflict)
			}
			if d := cmp.Diff(tt.evidence, f.Evidence); d != "" {
				t.Error(d)
			}
			if f.Assurance != slices.MaxFunc(tt.in, func(a, b verdict.Opinion) int {
				return int(a.Finding.Assurance) - int(b.Finding.Assurance)
			}).Finding.Assurance && tt.state == verdict.Open {
				t.Errorf("assurance %s", f.Assurance)
			}
		})
	}
}

// The order of the runs does not matter, a deciding finding is never lost, and
// a disagreement is never hidden.
func TestMergeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) verdict.Opinion {
			return opinion(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "run"), rapid.SampledFrom(verdict.States).Draw(t, "state"), "seen")
		}), 1, 6).Draw(t, "opinions")
		f := verdict.Merge(in)
		if d := cmp.Diff(f, verdict.Merge(rapid.Permutation(in).Draw(t, "shuffled")), cmpopts.EquateComparable(netip.Addr{})); d != "" {
			t.Fatal(d)
		}
		states := map[verdict.State]bool{}
		for _, o := range in {
			if verdict.Decided(o.Finding.State) {
				states[o.Finding.State] = true
			}
		}
		if f.Conflict != (len(states) > 1) || strings.Contains(f.Message, "disagree") != f.Conflict {
			t.Fatalf("%d deciding states, conflict %v, %q", len(states), f.Conflict, f.Message)
		}
		if len(states) > 0 && !states[f.State] || len(states) > 1 && f.State == verdict.Open {
			t.Fatalf("state %s of %v", f.State, states)
		}
	})
}

func TestCoverage(t *testing.T) {
	var cs verdict.Coverages
	manual := required(verdict.Untested)
	manual.Protocol = scanner.Manual
	conflict := required(verdict.Blocked)
	conflict.Conflict = true
	for _, host := range [][]verdict.Finding{
		{required(verdict.Open), required(verdict.Untested), manual, optional(verdict.Untested)},
		{conflict, required(verdict.Down), required(verdict.Error)},
		{anyOf("push/mp-http", verdict.Untested), anyOf("push/mp-https", verdict.Open)},
	} {
		verdict.Satisfy(host)
		cs.AddHost(host)
	}
	if d := cmp.Diff(verdict.Coverages{{Profile: "push", Required: 7, Proven: 4, ByHand: 1, Conflicts: 1}}, cs); d != "" {
		t.Error(d)
	}
	if p := cs[0].Percent(); p != 57.1 {
		t.Errorf("%v percent", p)
	}
	if p := (verdict.Coverage{Required: 100_000, Proven: 99_999}).Percent(); p != 99.9 {
		t.Errorf("%v percent", p)
	}
}
