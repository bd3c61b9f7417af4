package history

import (
	"cmreach/scanner/verdict"
	"fmt"
	"slices"
	"testing"
	"time"
)

// A list of targets that changes a little is no news by itself; a path that was
// broken and has gone is, and so is another list.
func TestPlanThatChanges(t *testing.T) {
	for _, c := range []struct {
		what    string
		gone    []int // of 40 hosts, of which the last one is broken
		added   string
		changed bool
	}{
		{"nothing", nil, "", false},
		{"one left", []int{3}, "", false},
		{"three left", []int{3, 4, 5}, "", false},
		{"four left: a tenth", []int{3, 4, 5, 6}, "", true},
		{"one left that was broken", []int{39}, "", true},
		{"two came and one left", []int{3}, "oo", false},
		{"one came and is broken", nil, "x", true},
		{"one came and gave no verdict", nil, "?", false},
		{"five came", nil, "ooooo", true},
	} {
		m := New()
		run := func(i int, gone []int, added string) Changes {
			cmp := m.Compare(Info{Started: day.Add(time.Duration(i) * time.Hour)}, verdict.DefaultFail)
			for h := range 40 {
				if !slices.Contains(gone, h) {
					cmp.Add([]verdict.Finding{finding(fmt.Sprint("pc-", h), "", "ox"[h/39])})
				}
			}
			for h := range added {
				cmp.Add([]verdict.Finding{finding(fmt.Sprint("new-", h), "", added[h])})
			}
			return cmp.End(true)
		}
		run(0, nil, "")
		m = stored(t, m)
		ch := run(1, c.gone, c.added)
		if ch.Changed() != c.changed || ch.Silent() == c.changed || ch.Counts.Gone != len(c.gone) || ch.Counts.Added != len(c.added) {
			t.Errorf("%s: changed %v, silent %v, %+v", c.what, ch.Changed(), ch.Silent(), ch.Counts)
		}
	}
}
