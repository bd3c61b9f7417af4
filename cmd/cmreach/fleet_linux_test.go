package main

import (
	"bytes"
	"cmreach/scanner/lab"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The lab of the sweep: one kernel that answers for up to a million addresses,
// each port of each address in its own way, which is known beforehand. Between
// it and the program lies one link.
//
//	scanner 198.18.0.1 fd00:198::1 -- 198.18.0.2 fd00:198::2 fleet: 198.19.0.0/16, fd00:198:19::/64

const (
	fleetDevice   = "fleet0"   // of the scanner, to the fleet
	scannerDevice = "scanner0" // of the fleet, to the scanner
	fleetMAC      = "02:00:00:00:00:02"
)

// fleetPlan describes a fleet.
type fleetPlan struct {
	hosts    int // a power of two; with IPv4 at most 65,536
	v6       bool
	asked    []int // of fleetChecks, for which the program is run; nil: all
	living   int   // per cent of the hosts; the rest answers nothing. 0: all
	silent   bool  // nothing answers anything
	talks    bool  // the services are there, not just their ports; 80 of 100 paths are open, the rest is silent
	rationed bool  // ICMP errors are limited as the kernel's defaults are
	counted  bool  // the tries of the silent paths are kept
}

// fleet is a fleet that runs.
type fleet struct {
	fleetPlan
	scan, far *room
}

// startFleet builds the lab. It ends with the test; the kernel takes everything
// away when the threads in the namespaces have ended.
func startFleet(t testing.TB, p fleetPlan) *fleet {
	t.Helper()
	if p.v6 && !lab.IPv6() {
		leaveOut(t, "the kernel has no IPv6")
	}
	for _, name := range []string{"ip", "nft", "ss"} {
		if _, err := exec.LookPath(name); err != nil {
			leaveOut(t, err.Error())
		}
	}
	f := &fleet{fleetPlan: p, scan: newRoom(t), far: newRoom(t)}
	if err := errors.Join(f.scan.do(f.settings(false)), f.far.do(f.settings(true)), f.link(t.Context())); err != nil {
		t.Fatal(err)
	}
	services := map[uint16]lab.Service{445: lab.SMB(), 135: lab.EndpointMapper(lab.Endpoints(49664))}
	for _, c := range fleetChecks {
		service, known := services[c.port]
		switch {
		case c.port == 0:
		case known && f.talks:
			f.serve(t, c.port, service)
		default:
			f.listen(t, c.port)
		}
	}
	f.nft(t, f.far, f.ruleset())
	return f
}

// settings returns what sets a namespace up.
func (f *fleet) settings(far bool) func() error {
	s := map[string]string{
		"ipv4/conf/all/rp_filter": "0", "ipv4/conf/default/rp_filter": "0",
		"ipv4/tcp_max_syn_backlog": "262144", "core/somaxconn": "65535",
		"ipv4/ip_local_port_range": "1024 65535", "ipv4/tcp_max_tw_buckets": "1000000",
		"ipv4/tcp_challenge_ack_limit": "2147483647",
		"ipv4/ping_group_range":        "0 2147483647",
	}
	if far && !f.rationed {
		s["ipv4/icmp_ratemask"], s["ipv4/icmp_ratelimit"] = "0", "0"
		s["ipv6/icmp/ratelimit"], s["ipv6/icmp/ratemask"] = "0", "255"
	}
	if far && f.rationed {
		s["ipv4/ip_forward"] = "1" // one that does not forward says nothing of what it prohibits
	}
	if f.v6 {
		s["ipv6/conf/all/disable_ipv6"], s["ipv6/conf/default/accept_dad"] = "0", "0"
	}
	return func() error {
		for name, value := range s {
			err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0o600)
			if err != nil && !strings.HasPrefix(name, "ipv4/tcp_") && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		return nil
	}
}

// link joins the two namespaces. Both ends know each other's hardware address:
// nothing but what a test says may lose a packet.
func (f *fleet) link(ctx context.Context) error {
	var far string
	err := f.far.do(func() error {
		far = fmt.Sprintf("/proc/%d/task/%d/ns/net", unix.Getpid(), unix.Gettid())
		return nil
	})
	const near4, far4, near6, far6 = "198.18.0.1", "198.18.0.2", "fd00:198::1", "fd00:198::2"
	const nearMAC, farMAC = "02:00:00:00:00:01", fleetMAC
	prefix := f.prefix().String()
	scan := fmt.Sprintf(`ip link set lo up
		ip link add %[1]s address %[2]s type veth peer name %[3]s address %[4]s netns %[5]s
		ip addr add %[6]s/24 dev %[1]s; ip link set %[1]s up
		ip neigh add %[7]s lladdr %[4]s nud permanent dev %[1]s
		`, fleetDevice, nearMAC, scannerDevice, farMAC, far, near4, far4)
	fleet := fmt.Sprintf(`ip link set lo up
		ip addr add %[2]s/24 dev %[1]s; ip link set %[1]s up
		ip neigh add %[3]s lladdr %[4]s nud permanent dev %[1]s
		`, scannerDevice, far4, near4, nearMAC)
	if f.rationed && !f.v6 {
		fleet += prohibitMarked
	}
	route := "ip route add " + prefix + " via " + far4
	if f.v6 {
		scan += fmt.Sprintf("ip addr add %s/64 dev %s nodad; ip neigh add %s lladdr %s nud permanent dev %s\n", near6, fleetDevice, far6, farMAC, fleetDevice)
		fleet += fmt.Sprintf("ip addr add %s/64 dev %s nodad; ip neigh add %s lladdr %s nud permanent dev %s\n", far6, scannerDevice, near6, nearMAC, scannerDevice)
		route = "ip route add " + prefix + " via " + far6
	}
	return errors.Join(err, f.scan.shell(ctx, scan), f.far.shell(ctx, fleet+"ip route add local "+prefix+" dev lo"), f.scan.shell(ctx, route))
}

// prohibitMarked lets the routing prohibit packets with the mark 1, before it
// takes them for the fleet's own.
const prohibitMarked = `ip route add prohibit default table 100
ip rule add pref 10 fwmark 1 lookup 100
ip rule add pref 20 lookup local
ip rule del pref 0
`

// shell runs a script in the namespace.
func (r *room) shell(ctx context.Context, script string) error {
	return r.run(exec.CommandContext(ctx, "/bin/sh", "-ec", script))
}

// run starts a program in the namespace and waits for its end.
func (r *room) run(cmd *exec.Cmd) error {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := r.do(cmd.Start); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w\n%.2000s", err, out.String())
	}
	return nil
}

// nft loads a ruleset in a namespace.
func (f *fleet) nft(t testing.TB, r *room, rules string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if err := r.run(cmd); err != nil {
		t.Fatal(err)
	}
}

// open opens a port of every address.
func (f *fleet) open(t testing.TB, port uint16) (fd int) {
	t.Helper()
	err := f.far.do(func() (err error) {
		family, at := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: int(port)})
		if f.v6 {
			family, at = unix.AF_INET6, &unix.SockaddrInet6{Port: int(port)}
		}
		fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		return errors.Join(err, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), unix.Bind(fd, at), unix.Listen(fd, 65535))
	})
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// listen accepts connections to a port of every address, and closes them. It
// does so by plain system calls, on a thread: the test's own share of the
// machine must be small.
func (f *fleet) listen(t testing.TB, port uint16) {
	t.Helper()
	fd := f.open(t, port)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
			switch {
			case err == nil:
				unix.Close(c)
			case errors.Is(err, unix.EINVAL): // shut down
				return
			case !errors.Is(err, unix.ECONNABORTED) && !errors.Is(err, unix.EINTR):
				t.Errorf("the fleet accepts no more on port %d: %v", port, err)
				return
			}
		}
	}()
	t.Cleanup(func() {
		err := unix.Shutdown(fd, unix.SHUT_RDWR)
		<-ended
		if err := errors.Join(err, unix.Close(fd)); err != nil {
			t.Error(err)
		}
	})
}

// traffic returns the packets that the scanner's device has received and sent.
func (f *fleet) traffic(t testing.TB) (in, out int) {
	t.Helper()
	var b []byte
	err := f.scan.do(func() (err error) {
		b, err = os.ReadFile("/proc/thread-self/net/dev")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(b)) {
		name, rest, _ := strings.Cut(strings.TrimSpace(l), ":")
		if v := strings.Fields(rest); name == fleetDevice && len(v) == 16 {
			var inErr, outErr error
			in, inErr = number(v[1])
			out, outErr = number(v[9])
			if err := errors.Join(inErr, outErr); err != nil {
				t.Fatal(err)
			}
			return in, out
		}
	}
	t.Fatalf("no device %s in\n%s", fleetDevice, b)
	return 0, 0
}

func number(s string) (n int, err error) {
	_, err = fmt.Sscan(s, &n)
	return n, err
}

// targets names all hosts of the fleet in one word: a prefix would leave out
// its first and last address.
func (f *fleet) targets() string {
	return f.addr(0).String() + "-" + f.addr(f.hosts-1).String()
}

// prefix holds all hosts of the fleet.
func (f *fleet) prefix() netip.Prefix {
	bits := 0
	for 1<<bits < f.hosts {
		bits++
	}
	return netip.PrefixFrom(f.addr(0), f.addr(0).BitLen()-bits)
}

// within waits for something that the kernel or the program does on its own.
func within(ctx context.Context, limit time.Duration, done func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}
