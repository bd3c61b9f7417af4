package profiles_test

import (
	"cmreach/profiles"
	"cmreach/scanner"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The ports that a listener holds for the rows to which no service need answer.
func TestFarEndPorts(t *testing.T) {
	list, err := profiles.Load([]string{"wake-up-proxy", "pxe", "nap", "remote-control", "client-notification"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	held, err := profiles.FarEndPorts(profiles.Options{Profiles: list, Ports: []string{"wol=7"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range held {
		got = append(got, fmt.Sprintf("%s %d: %s", h.Protocol, h.Port, strings.Join(h.Rows, " ")))
	}
	want := []string{
		"udp 7: wake-up-proxy/wol-udp",
		"udp 67: pxe/dhcp-udp nap/dhcp",
		"udp 69: pxe/tftp-udp",
		"udp 500: nap/ike",
		"udp 547: pxe/dhcpv6-udp",
		"udp 4011: pxe/binl-udp",
		"udp 4500: nap/ike-natt",
		"udp 25536: wake-up-proxy/proxy-udp",
		"tcp 2701: remote-control/control-tcp",
		"tcp 10123: client-notification/notify-tcp",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := profiles.FarEndPorts(profiles.Options{Profiles: list, Ports: []string{"wool=7"}}); err == nil {
		t.Error("an unknown port is accepted")
	}
}

// A plan asks listeners only when it is told to, and then for the rows that
// need it; a packet that is sent beside the service's own is counted.
func TestPlanAsksFarEnd(t *testing.T) {
	list, err := profiles.Load([]string{"pxe", "push", "remote-control"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	plan := func(f *profiles.FarEnd) *profiles.Plan {
		targets, err := profiles.ReadTargets(profiles.TargetOptions{Args: []string{"198.18.1.5"}, Max: 1})
		if err != nil {
			t.Fatal(err)
		}
		p, err := profiles.NewPlan(profiles.Options{
			Profiles: list, Targets: targets, Roles: []string{"pxe-server=198.18.1.6"}, Only: []string{"smb", "control-tcp", "tftp-udp", "dhcpv6-udp"}, FarEnd: f,
		})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, c := range []struct {
		name                 string
		farEnd               *profiles.FarEnd
		want                 []string // row, question, control
		packets, conversions int
	}{
		{"no key", nil, []string{"pxe/tftp-udp  0", "pxe/dhcpv6-udp  0", "push/smb  0", "remote-control/control-tcp  0"}, 4, 1},
		{"key", &profiles.FarEnd{}, []string{"pxe/tftp-udp far-end 0", "pxe/dhcpv6-udp far-end 0", "push/smb  0", "remote-control/control-tcp far-end-tcp 0"}, 5, 2},
		{"control", &profiles.FarEnd{Control: 7000}, []string{"pxe/tftp-udp far-end 7000", "pxe/dhcpv6-udp far-end 7000", "push/smb  0", "remote-control/control-tcp far-end-tcp 7000"}, 7, 4},
	} {
		p := plan(c.farEnd)
		var got []string
		for _, r := range p.Rows {
			got = append(got, fmt.Sprintf("%s %s %d", r.ID, r.FarEnd, r.Control))
			if (r.Control != 0) != (r.ControlProbe != "") {
				t.Errorf("%s: control port %d, probe %q", r.ID, r.Control, r.ControlProbe)
			}
		}
		est := p.Estimate(0, 1, 0)
		if diff := cmp.Diff(c.want, got); diff != "" || est.PacketsBest != c.packets || est.Conversations != c.conversions {
			t.Errorf("%s: %d packets, %d conversations (-want +got)\n%s", c.name, est.PacketsBest, est.Conversations, diff)
		}
	}
}

// A listener for everything fits into what an answer can name.
func TestFarEndPortsOfAll(t *testing.T) {
	list, err := profiles.Load([]string{"all"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	held, err := profiles.FarEndPorts(profiles.Options{Profiles: list})
	const most = 39 // beacon.MaxPorts, and the control port
	if err != nil || len(held) < 15 || len(held) > most {
		t.Errorf("%v: %d ports: %v", err, len(held), held)
	}
	if !slices.ContainsFunc(held, func(h profiles.Held) bool { return h.Protocol == scanner.TCP && h.Port == 2701 }) {
		t.Error("no TCP 2701")
	}
}
