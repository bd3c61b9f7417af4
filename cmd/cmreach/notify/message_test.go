package notify

import (
	"cmreach/scanner/cause"
	"cmreach/scanner/history"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// sections of a text that are held against what is wanted.
func checkText(t *testing.T, m *Message, want string) {
	t.Helper()
	if got := m.text(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// The comparison of two records names both, and is bounded as the changes are.
func TestDiffMessage(t *testing.T) {
	m := message(0)
	m.Changes, m.Run.Causes = nil, nil
	m.Records = []report.DiffRun{
		{File: "monday.jsonl", Scanner: "CM1", Started: time.Unix(1e9-86400, 0), Complete: true}, {File: "tuesday.jsonl", Started: time.Unix(1e9, 0)},
	}
	m.Diff = &report.DiffReport{Exit: verdict.ExitFailed}
	for range 25 {
		m.Diff.Worse = append(m.Diff.Worse, history.Item{Requirement: "push/smb", Host: "pc1", State: verdict.Blocked, Was: verdict.Open, Message: "r1 rejects it"})
	}
	m.Diff.Gone = []history.Item{{Requirement: "push/smb", Host: "pc2", Was: verdict.Open}}
	m.Diff.Added = []history.Item{{Requirement: "push/smb", Host: "pc3", State: verdict.Open}}
	m.Diff.Counts = history.DiffCounts{Worse: 25, WorseRequired: 25, Gone: 1, Added: 1, Unchanged: 9, StillBroken: 2}
	checkText(t, m, `25 worse, 1 no longer checked, 1 newly checked at PS1 (push) from CM1

Worse (25)
`+strings.Repeat("  push/smb to pc1: blocked: r1 rejects it\n", 20)+`  and 5 more

In the old record alone: nothing is known of them (1)
  push/smb to pc2: was open

In the new record alone (1)
  push/smb to pc3: open

How all of it stands now
  NOT DECIDED
  broken in both: 2 paths

Of the recorded runs
  old: monday.jsonl: by CM1, 2001-09-08 01:46:40 UTC
  new: tuesday.jsonl: by an unknown machine, 2001-09-09 01:46:40 UTC, incomplete

To see more
  cmreach report -v run.jsonl
`)
	var d struct {
		Diff struct {
			Counts      history.DiffCounts
			Worse, Gone []history.Item
			Unclear     []history.Item
		}
		Records []report.DiffRun
	}
	body := webhookBody(m)
	if err := json.Unmarshal(body, &d); err != nil || d.Diff.Counts.Worse != 25 || len(d.Diff.Worse) != 20 || len(d.Diff.Gone) != 1 || d.Diff.Unclear == nil || len(d.Records) != 2 {
		t.Errorf("%v: %s", err, body)
	}
	if !m.bad() || !strings.Contains(syslogMessage(m), " changes - ") {
		t.Error(syslogMessage(m))
	}
	m.Diff.Counts = history.DiffCounts{Better: 1}
	if m.bad() || m.headline() != "1 better" {
		t.Errorf("%v, %s", m.bad(), m.headline())
	}
}

// What could not be told before is told as such.
func TestToldLate(t *testing.T) {
	m := message(0)
	m.Run.Causes = nil
	c := m.Changes
	*c = history.Changes{Complete: true, Untold: 2, UntoldSince: time.Unix(1e9-7200, 0), Lost: "it is empty"}
	c.Recovered = []history.Item{{Requirement: "push/smb", Host: "pc1", State: verdict.Open, Steady: true}}
	c.Added = []history.Item{{Requirement: "push/smb", Host: "pc2", State: verdict.Open}}
	c.Counts = history.Counts{Recovered: 1, Added: 1}
	checkText(t, m, `1 recovered at PS1 (push) from CM1

Recovered (1)
  push/smb to pc1: open, steadily, after flapping

New in the plan (1)
  push/smb to pc2

The state file could not be read by an earlier run
  it is empty: what was known before that run is lost

Told late, since the run of 2001-09-08 23:46:40 UTC
  2 changes could not be told then, and are said above as it is now

How all of it stands now
  NOT DECIDED

To see more
  cmreach report -v run.jsonl
`)
	*c = history.Changes{Complete: true, UntoldSince: time.Unix(1e9-7200, 0), Lost: "it is empty"}
	if got := m.headline(); got != "NOT DECIDED" || !strings.Contains(m.text(), "this message could not be sent then") {
		t.Errorf("%s", m.text())
	}
}

// Of several profiles each cause has its own, and one that is in two of them
// stands once.
func TestCausesOfSeveralProfiles(t *testing.T) {
	m := message(1)
	m.Run.Header.Profiles = []string{"push", "gpo"}
	one := cause.Cause{ID: "c1", State: verdict.Blocked, Requirements: []string{"push/smb"}, Paths: 2, Hosts: 2, Message: "r1 rejects TCP 445 to 10.3.0.0/16: 2 paths", Advice: []string{"permit it"}}
	two := one
	two.ID, two.Requirements = "c2", []string{"gpo/smb"}
	three := one
	three.ID, three.Message = "c3", "r1 rejects TCP 135 to 10.3.0.0/16: 2 paths"
	m.Run.Causes = []cause.Cause{one, two, three}
	want := []string{
		"1. r1 rejects TCP 445 to 10.3.0.0/16: 4 paths (push, gpo)", "   do: permit it",
		"2. r1 rejects TCP 135 to 10.3.0.0/16: 2 paths (push)", "   do: permit it",
	}
	if got := m.causes().lines; strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q", got)
	}
}

// The name of a receiver in a file shows nothing of its URL, is the same for the
// same one, and another for another one.
func TestID(t *testing.T) {
	seen := map[string]string{}
	for _, u := range []string{
		"https://hooks.example.com/a", "https://hooks.example.com/b", "slack+https://hooks.example.com/a", "https://other.example.com/a",
		"smtp://u:pA55word@mx.example.com" + addresses, "smtp://mx.example.com" + addresses, "syslog:///dev/log", "syslog://h:514",
	} {
		id := receiver(t, u).ID()
		if other, twice := seen[id]; twice || len(id) != 20 || id[16] != '-' {
			t.Errorf("%s: %s, as %s", u, id, other)
		}
		seen[id] = u
	}
	a, b := receiver(t, "smtp://u:one@mx.example.com"+addresses), receiver(t, "smtp://u:two@mx.example.com"+addresses)
	if a.ID() != b.ID() {
		t.Error("a new password makes another receiver")
	}
	a, b = receiver(t, "https://hooks.example.com/a"), receiver(t, "https://hooks.example.com/b")
	if a.ID()[:16] != b.ID()[:16] {
		t.Error("the part before the dash is not of the server alone")
	}
}
