package cause_test

import (
	"cmreach/scanner"
	"cmreach/scanner/cause"
	"cmreach/scanner/verdict"
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

// One port is in the rows of several profiles: what stops it is one cause for
// people, if it stops the same hosts.
func TestFold(t *testing.T) {
	router := netip.MustParseAddr("198.18.0.1")
	finding := func(host int, row string, by netip.Addr) verdict.Finding {
		return verdict.Finding{
			Requirement: row, Host: fmt.Sprint("pc-", host), Addr: netip.AddrFrom4([4]byte{198, 19, 0, byte(host)}), Required: true,
			Protocol: scanner.TCP, Port: 445, State: verdict.Blocked, Reason: "blocked.prohibited", By: by, Message: "rejected",
		}
	}
	causes := func(rows map[string][]int, by netip.Addr) []cause.Cause {
		g := cause.NewGrouper()
		for h := range 10 {
			var all []verdict.Finding
			for row, hosts := range rows {
				if slices.Contains(hosts, h) {
					all = append(all, finding(h, row, by))
				}
			}
			g.AddHost(all)
		}
		return g.Causes()
	}
	for name, c := range map[string]struct {
		rows map[string][]int
		want []string
	}{
		"the same hosts": {
			map[string][]int{"push/smb": {1, 2, 3}, "gpo/smb": {1, 2, 3}, "sup/smb": {1, 2, 3}},
			[]string{"198.18.0.1 rejects TCP 445 (administratively prohibited) to 198.19.0.0/24: 9 paths [gpo push sup]"},
		},
		"others, as many": { // the samples and the networks are the same
			map[string][]int{"push/smb": {1, 2, 3, 4, 5, 6}, "gpo/smb": {1, 2, 3, 4, 5, 7}},
			[]string{
				"198.18.0.1 rejects TCP 445 (administratively prohibited) to 198.19.0.0/24: 6 paths [gpo]",
				"198.18.0.1 rejects TCP 445 (administratively prohibited) to 198.19.0.0/24: 6 paths [push]",
			},
		},
		"two of three": {
			map[string][]int{"a/smb": {1, 2, 3, 4, 5, 6}, "b/smb": {1, 2, 3, 4, 5, 7}, "c/smb": {1, 2, 3, 4, 5, 6}},
			[]string{
				"198.18.0.1 rejects TCP 445 (administratively prohibited) to 198.19.0.0/24: 12 paths [a c]",
				"198.18.0.1 rejects TCP 445 (administratively prohibited) to 198.19.0.0/24: 6 paths [b]",
			},
		},
		"together they break the most": {
			map[string][]int{"a/smb": {1, 2, 3, 4, 5, 6, 7}, "b/smb": {1, 2, 3, 4}, "c/smb": {1, 2, 3, 4}},
			[]string{
				"198.18.0.1 rejects TCP 445 (administratively prohibited) to 198.19.0.0/24: 8 paths [b c]",
				"198.18.0.1 rejects TCP 445 (administratively prohibited) to 198.19.0.0/24: 7 paths [a]",
			},
		},
	} {
		list := causes(c.rows, router)
		before := fmt.Sprint(list)
		out, into := cause.Fold(list)
		var got []string
		ids := map[string]bool{}
		for _, f := range out {
			got = append(got, fmt.Sprint(f.Message, " ", f.Profiles()))
			ids[f.ID] = true
			if len(f.Advice) == 0 || len(slices.Compact(slices.Sorted(slices.Values(f.Advice)))) != len(f.Advice) {
				t.Errorf("%s: advice %q", name, f.Advice)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
		for _, f := range list {
			if to, joined := into[f.ID]; joined == ids[f.ID] || joined && !ids[to] {
				t.Errorf("%s: %s is in %q", name, f.ID, to)
			}
		}
		if fmt.Sprint(list) != before {
			t.Errorf("%s: the list was changed", name)
		}
	}
	both := append(causes(map[string][]int{"push/smb": {1, 2}}, router), causes(map[string][]int{"gpo/smb": {1, 2}}, netip.MustParseAddr("198.18.0.2"))...)
	if out, _ := cause.Fold(both); len(out) != 2 {
		t.Errorf("two devices are one cause: %+v", out)
	}
}
