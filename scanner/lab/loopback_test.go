package lab

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// TestOneLoopbackAddress holds that the lab stands where there is one loopback
// address only, and says which servers it has no room for.
func TestOneLoopbackAddress(t *testing.T) {
	l, p, err := loopbackAt(t.Context(), netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	var have []string
	for _, hosts := range p.Roles {
		have = append(have, hosts...)
	}
	slices.Sort(have)
	want := []string{"app1.lab.test", "dc1.lab.test", "gc1.lab.test", "hra1.lab.test", "mp1.lab.test", "wsus1.lab.test"}
	if !slices.Equal(have, want) {
		t.Errorf("servers %v, want %v", have, want)
	}
	if last := p.Missing[len(p.Missing)-1]; !strings.HasSuffix(last, "without room for cm1, mp2, dp1, fsp1, files1, nps1") {
		t.Errorf("missing: %s", last)
	}
	for _, c := range p.Checks {
		for _, e := range c.Truth {
			if !slices.Contains(c.Rows, e.Row) {
				t.Errorf("%+v is no row of the check from the %s: %v", e, c.Vantage, c.Rows)
			}
		}
	}
	if slices.ContainsFunc(p.Faults, func(f string) bool { return strings.Contains(f, "mp2") }) {
		t.Errorf("a fault of a server that is not there: %q", p.Faults)
	}
}
