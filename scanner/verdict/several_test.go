package verdict_test

import (
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"net/netip"
	"strings"
	"testing"
)

// TestEachPort: the finding of a row with several ports says what became of
// each, and judging leaves the row as it was. The rule for instances that need
// not exist shows in the list of ports alone.
func TestEachPort(t *testing.T) {
	r := row(t, "instances", scanner.RoleSiteServer)
	h := scanner.Host{Name: "gateway.lab.test", Addr: netip.MustParseAddr("198.18.1.5"), Rows: []*scanner.Requirement{r}}
	for _, s := range []string{"tcp 10124 answered", "tcp 10125 answered", "tcp 10126 silent tries=6", "tcp 10127 rejected icmp=3/13 by=198.18.0.1"} {
		h.Observations = append(h.Observations, parseSeen(t, h.Addr, s))
	}
	f := verdict.Judge(h, verdict.Context{Vantage: scanner.RoleSiteServer})[0]
	if !strings.HasSuffix(f.Message, "of the ports are open: 10124, 10125, blocked: 10127, inconclusive: 10126") {
		t.Errorf("message %q", f.Message)
	}
	if f.Port != 10124 || len(f.Ports) != 4 || len(f.Evidence) != 4 {
		t.Errorf("port %d, %d ports, evidence %q", f.Port, len(f.Ports), f.Evidence)
	}
	if p := f.Ports[2]; p.State != verdict.Inconclusive || p.Reason != "inconclusive.instance" {
		t.Errorf("the silent port: %+v", p)
	}
	if got := scanner.PortList(f.PortsLike()); got != "10127" {
		t.Errorf("the ports that are %s: %s", f.State, got)
	}
	if r.Port != 10124 || len(r.Ports) != 4 {
		t.Errorf("the row has changed: %+v", r)
	}
}
