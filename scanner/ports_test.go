package scanner

import (
	"net/netip"
	"testing"
	"time"
)

func TestPortList(t *testing.T) {
	for want, ports := range map[string][]uint16{
		"": nil, "80": {80}, "80, 8080": {80, 8080}, "443, 444": {443, 444}, "10124-10126": {10124, 10125, 10126},
		"80, 10124-10126, 65534, 65535": {80, 10124, 10125, 10126, 65534, 65535}, "9, 8, 7": {9, 8, 7},
	} {
		if got := PortList(ports); got != want {
			t.Errorf("%v: %q, want %q", ports, got, want)
		}
	}
}

// Each port of a row with several is asked, once for all rows.
func TestEveryPortIsAsked(t *testing.T) {
	f := newFakeNet(answers(time.Millisecond))
	several := &Requirement{ID: "x/several", Protocol: TCP, Port: 445, Ports: []uint16{445, 446, 447}, Several: SeveralAll}
	hosts, last, _ := collect(t, f.config(), targets(1, rowSMB, several))
	for _, port := range several.Ports {
		if o := only(t, hosts[0], TCP, port, ""); o.Outcome != Answered {
			t.Errorf("%d: %+v", port, o)
		}
	}
	if last.Packets != 3 {
		t.Errorf("%d packets, want 3", last.Packets)
	}
}

// What a list says of a computer stays with it, also when its name has no address.
func TestTagsOfUnresolvedNames(t *testing.T) {
	f := newFakeNet(answers(time.Millisecond))
	f.names = map[string][]netip.Addr{"pc1": {addr(1)}}
	tags := []Detail{{Key: "SiteCode", Value: "PS1"}}
	hosts, _, _ := collect(t, f.config(), func(yield func(Target) bool) {
		_ = yield(Target{Name: "pc1", Rows: []*Requirement{rowSMB}, Tags: tags}) &&
			yield(Target{Name: "gone", Rows: []*Requirement{rowSMB}, Tags: tags})
	})
	if len(hosts) != 2 {
		t.Fatalf("%d hosts", len(hosts))
	}
	for _, h := range hosts {
		if len(h.Tags) != 1 {
			t.Errorf("%s has the tags %v", h.Name, h.Tags)
		}
	}
}
