package lab_test

import (
	"cmreach/scanner"
	"cmreach/scanner/lab"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
)

func prefix(s string) netip.Prefix     { return netip.MustParsePrefix(s) }
func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// faulty is a network with every kind of fault, in both families.
func faulty() *lab.Network {
	clients := []netip.Prefix{prefix("198.19.1.0/24"), prefix("fd00:198:1001::/64")}
	tcp := func(port uint16, do lab.Action) lab.Filter {
		return lab.Filter{Protocol: scanner.TCP, First: port, Do: do}
	}
	subnet := lab.Filter{To: prefix("198.19.1.64/26"), Protocol: scanner.TCP, First: 445, Do: lab.RejectProhibited}
	return &lab.Network{
		Domain: "lab.test",
		Routers: []lab.Router{
			{Name: "r1", Filters: []lab.Filter{tcp(4000, lab.RejectPort)}},
			{
				Name: "r2", Behind: "r1",
				Filters: []lab.Filter{
					subnet, tcp(3389, lab.Drop), tcp(2701, lab.RejectReset), tcp(10123, lab.RejectProhibited), tcp(8530, lab.RejectPort),
					tcp(8531, lab.RejectHost), tcp(636, lab.RejectNet),
					{Protocol: scanner.TCP, First: 49152, Last: 65535, Do: lab.RejectProhibited},
					{Protocol: scanner.UDP, First: 9, Do: lab.Drop},
					{Protocol: scanner.UDP, First: 25536, Do: lab.RejectProhibited},
				},
				Routes: []lab.Route{
					{To: prefix("198.19.200.0/24"), Kind: lab.RouteLoop},
					{To: prefix("198.19.201.0/24"), Kind: lab.RouteUnreachable},
					{To: prefix("198.19.202.0/24"), Kind: lab.RouteProhibit},
					{To: prefix("198.19.203.0/24"), Kind: lab.RouteBlackhole},
					{To: prefix("198.19.1.7/32"), Kind: lab.RouteUnreachable},
					{To: prefix("fd00:198:1200::/64"), Kind: lab.RouteLoop},
					{To: prefix("fd00:198:1202::/64"), Kind: lab.RouteProhibit},
				},
			},
		},
		Fleets: []lab.Fleet{
			{
				Name: "clients", Behind: "r2", Prefixes: clients,
				Off:    []netip.Prefix{prefix("198.19.1.9/32"), prefix("fd00:198:1001::9/128")},
				Listen: []lab.Listen{{Port: 445, Service: lab.Mute()}, {Port: 3389, Service: lab.Mute()}, {Protocol: scanner.UDP, Port: 500, Service: echo()}},
			},
			{
				Name: "stealth", Behind: "r2", Prefixes: []netip.Prefix{prefix("198.19.3.0/24")},
				Filters: lab.Stealth(prefix("198.19.3.0/24"), 135, 445),
				Listen:  []lab.Listen{{Port: 445, Service: lab.Mute()}, {Addr: netip.MustParseAddr("198.19.3.5"), Port: 135, Service: lab.Mute()}},
			},
		},
	}
}

// echo answers a datagram with itself and the address that it was sent to.
func echo() lab.Service {
	return lab.Service{Packet: func(b []byte, h lab.Host) []byte { return append([]byte(h.Addr.String()+" "), b...) }}
}

func TestFaultsOnTheWire(t *testing.T) {
	start(t, faulty())
	tests := []struct {
		to   string
		want seen
	}{
		{"198.19.1.1:445", "open"},
		{"198.19.1.255:445", "open"},
		{"198.19.1.0:445", "open"},
		{"[fd00:198:1001::1]:445", "open"},
		{"[fd00:198:1001:0:ffff::1]:445", "open"},
		{"198.19.1.1:81", "refused"},
		{"[fd00:198:1001::1]:81", "refused"},
		{"198.19.1.64:445", "icmp 3/13 by 198.18.101.2"},
		{"198.19.1.63:445", "open"},
		{"198.19.1.128:445", "open"},
		{"198.19.1.1:4000", "icmp 3/3 by 198.18.100.1"},
		{"[fd00:198:1001::1]:4000", "icmp 1/4 by fd00:198:100::1"},
		{"198.19.1.1:3389", "silent"},
		{"[fd00:198:1001::1]:3389", "silent"},
		{"198.19.1.1:2701", "refused"},
		{"[fd00:198:1001::1]:2701", "refused"},
		{"198.19.1.1:10123", "icmp 3/13 by 198.18.101.2"},
		{"[fd00:198:1001::1]:10123", "icmp 1/1 by fd00:198:101::2"},
		{"198.19.1.1:8530", "icmp 3/3 by 198.18.101.2"},
		{"[fd00:198:1001::1]:8530", "icmp 1/4 by fd00:198:101::2"},
		{"198.19.1.1:8531", "icmp 3/1 by 198.18.101.2"},
		{"[fd00:198:1001::1]:8531", "icmp 1/3 by fd00:198:101::2"},
		{"198.19.1.1:636", "icmp 3/0 by 198.18.101.2"},
		{"[fd00:198:1001::1]:636", "icmp 1/0 by fd00:198:101::2"},
		{"198.19.1.1:49151", "refused"},
		{"198.19.1.1:49152", "icmp 3/13 by 198.18.101.2"},
		{"198.19.1.1:65535", "icmp 3/13 by 198.18.101.2"},
		{"198.19.1.9:445", "silent"},
		{"[fd00:198:1001::9]:445", "silent"},
		{"198.19.1.7:445", "icmp 3/1 by 198.18.101.2"},
		{"198.19.3.5:445", "open"},
		{"198.19.3.5:135", "open"},
		{"198.19.3.6:135", "refused"},
		{"198.19.3.5:80", "silent"},
		{"198.19.200.1:445", "icmp 11/0 by 198.18.101.2"},
		{"198.19.201.1:445", "icmp 3/1 by 198.18.101.2"},
		{"198.19.202.1:445", "icmp 3/13 by 198.18.101.2"},
		{"198.19.203.1:445", "silent"},
		{"198.19.250.1:445", "icmp 3/0 by 198.18.100.1"}, // no route
		{"[fd00:198:1202::1]:445", "icmp 1/1 by fd00:198:101::2"},
		{"[fd00:198:1250::1]:445", "icmp 1/0 by fd00:198:100::1"},
	}
	for _, tt := range tests {
		t.Run(tt.to, func(t *testing.T) {
			t.Parallel()
			if got := connect(addrPort(tt.to)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	for to, want := range map[string]seen{
		"198.19.1.1:500": "open", "[fd00:198:1001::1]:500": "open", "198.19.1.1:9": "silent",
		"198.19.1.1:25536": "icmp 3/13 by 198.18.101.2", "198.19.1.1:25537": "icmp 3/3 by 198.19.1.1",
	} {
		t.Run("udp "+to, func(t *testing.T) {
			t.Parallel()
			if got := datagram(addrPort(to)); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestRejectionsAreNotRationed(t *testing.T) {
	start(t, faulty())
	for i := range 30 {
		if got := connect(addrPort("198.19.1.1:10123")); got != "icmp 3/13 by 198.18.101.2" {
			t.Fatalf("attempt %d: %q", i, got)
		}
	}
}

func TestManyAddresses(t *testing.T) {
	n := &lab.Network{
		Domain:  "lab.test",
		Routers: []lab.Router{{Name: "r1"}},
		Fleets: []lab.Fleet{{
			Name: "fleet", Behind: "r1", Prefixes: []netip.Prefix{prefix("198.19.0.0/16")},
			Listen: []lab.Listen{{Port: 445, Service: nameTeller()}},
		}},
	}
	n.Fleets[0].Host = n.HostByAddr
	start(t, n)
	var g errgroup.Group
	g.SetLimit(128)
	for i := range 4096 {
		g.Go(func() error {
			a := netip.AddrFrom4([4]byte{198, 19, byte(i >> 4), byte(i<<4 | i>>8)})
			got, err := readAll(t.Context(), netip.AddrPortFrom(a, 445))
			if want := fmt.Sprintf("PC-%X", a.AsSlice()); err != nil || got != want {
				return fmt.Errorf("%v: %q, %w, want %q", a, got, err, want)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestLoss(t *testing.T) {
	l := start(t, faulty())
	lose := []lab.Filter{{To: prefix("198.19.1.0/24"), Do: lab.Lose, Percent: 100}}
	if err := l.SetFilters("r1", lose); err != nil {
		t.Fatal(err)
	}
	if got := connect(addrPort("198.19.1.1:445")); got != "silent" {
		t.Errorf("all lost: %q", got)
	}
	if got := connect(addrPort("198.19.3.5:445")); got != "open" {
		t.Errorf("another prefix: %q", got)
	}
	lose[0].Percent = 50
	if err := l.SetFilters("r1", lose); err != nil {
		t.Fatal(err)
	}
	// Both ways: a quarter of the datagrams is answered. 400 of them give 100,
	// and less than 40 or more than 180 are not seen in the life of the universe.
	answered := burst(t, addrPort("198.19.1.1:500"), 400)
	if answered < 40 || answered > 180 {
		t.Errorf("%d of 400 answered, want about 100", answered)
	}
	if err := l.SetFilters("r1", nil); err != nil {
		t.Fatal(err)
	}
	if got := connect(addrPort("198.19.1.1:445")); got != "open" {
		t.Errorf("none lost: %q", got)
	}
}

func TestTeardown(t *testing.T) {
	if unavailable != "" {
		skip(t, unavailable)
	}
	before := goleak.IgnoreCurrent()
	l := start(t, faulty())
	if devices(t) != 2 || namespaceFiles(t) == 0 {
		t.Fatalf("%d devices, %d namespaces: no lab", devices(t), namespaceFiles(t))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if d, n := devices(t), namespaceFiles(t); d != 1 || n != 0 {
		t.Errorf("%d devices and %d namespaces are left, want lo alone", d, n)
	}
	goleak.VerifyNone(t, before)
	again, err := lab.Start(t.Context(), faulty())
	if err != nil {
		t.Fatalf("start again: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

// devices counts the network devices that are up.
func devices(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/net/dev")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		if name, _, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && (name == "lo" || strings.HasPrefix(name, "down")) {
			n++
		}
	}
	return n
}

// namespaceFiles counts the descriptors of this process that hold a namespace.
func namespaceFiles(t *testing.T) int {
	t.Helper()
	ds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, d := range ds {
		if to, err := os.Readlink("/proc/self/fd/" + d.Name()); err == nil && strings.HasPrefix(to, "net:[") {
			n++
		}
	}
	return n
}

func TestInRunsInTheNode(t *testing.T) {
	l := start(t, faulty())
	for node, want := range map[string]string{"": "198.18.100.10/24", "r2": "198.18.101.2/24", "stealth": "198.18.103.2/24"} {
		err := l.In(node, func() error {
			here, err := os.Readlink("/proc/thread-self/ns/net")
			if err != nil {
				return err
			}
			child := exec.CommandContext(t.Context(), "/proc/self/exe")
			child.Env = append(os.Environ(), partEnv+"=where")
			if b, err := child.CombinedOutput(); err != nil || !strings.HasPrefix(string(b), here) {
				return fmt.Errorf("a child lives in %s, %w, want %s", b, err, here)
			}
			if list, err := net.InterfaceAddrs(); err != nil || !strings.Contains(fmt.Sprint(list), want) {
				return fmt.Errorf("addresses %v, %w, want %s", list, err, want)
			}
			return nil
		})
		if err != nil {
			t.Errorf("node %q: %v", node, err)
		}
	}
	if err := l.In("nobody", func() error { return nil }); err == nil {
		t.Error("there is no such node")
	}
}

func TestStartRefusesANetworkInUse(t *testing.T) {
	start(t, faulty())
	if l, err := lab.Start(t.Context(), faulty()); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second lab in the same namespace: %v, %v", l, err)
	}
}
