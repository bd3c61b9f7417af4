package main

import (
	"bufio"
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/lab"
	"cmreach/scanner/verdict"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// farPort is a port at which no service need answer.
type farPort struct {
	proto scanner.Protocol
	port  uint16
}

// farRows are the rows that "cmreach listen" must prove, with the role that
// they start at.
var farRows = map[string]struct {
	farPort
	from scanner.Role
}{
	"wake-up-proxy/proxy-udp":        {farPort{scanner.UDP, 25536}, scanner.RoleClient},
	"wake-up-proxy/wol-udp":          {farPort{scanner.UDP, 9}, scanner.RoleClient},
	"pxe/dhcp-udp":                   {farPort{scanner.UDP, 67}, scanner.RoleClient},
	"pxe/tftp-udp":                   {farPort{scanner.UDP, 69}, scanner.RoleClient},
	"pxe/binl-udp":                   {farPort{scanner.UDP, 4011}, scanner.RoleClient},
	"pxe/dhcpv6-udp":                 {farPort{scanner.UDP, 547}, scanner.RoleClient},
	"nap/dhcp":                       {farPort{scanner.UDP, 67}, scanner.RoleClient},
	"client-notification/notify-tcp": {farPort{scanner.TCP, 10123}, scanner.RoleClient},
	"remote-control/control-tcp":     {farPort{scanner.TCP, 2701}, scanner.RoleConsole},
}

// farPorts are the ports of farRows. The host with the number 11+i has a
// firewall before it that swallows the port i and no other.
var farPorts = []farPort{
	{scanner.UDP, 25536},
	{scanner.UDP, 9},
	{scanner.UDP, 67},
	{scanner.UDP, 69},
	{scanner.UDP, 4011},
	{scanner.UDP, 547},
	{scanner.TCP, 10123},
	{scanner.TCP, 2701},
}

func farAddrs(i int) []netip.Addr {
	return []netip.Addr{
		netip.AddrFrom4([4]byte{198, 19, 1, byte(11 + i)}),
		netip.MustParseAddr(fmt.Sprintf("fd00:198:1001::%d", 11+i)),
	}
}

// farSwallowed is the port that is swallowed on the way to an address.
func farSwallowed(a netip.Addr) farPort {
	for i, p := range farPorts {
		for _, have := range farAddrs(i) {
			if have == a {
				return p
			}
		}
	}
	return farPort{}
}

// farLab is the network of the test: a host for every port, each with two
// addresses, behind two routers.
type farLab struct {
	*lab.Lab
	prog cmreach
	key  string // the file
	all  []string
}

func startFarLab(t *testing.T) *farLab {
	t.Helper()
	needRoot(t)
	n := &lab.Network{Domain: "lab.test", Routers: []lab.Router{{Name: "r1"}, {Name: "r2", Behind: "r1"}}}
	n.Fleets = []lab.Fleet{{
		Name: "far", Behind: "r2",
		Prefixes: []netip.Prefix{netip.MustParsePrefix("198.19.1.0/24"), netip.MustParsePrefix("fd00:198:1001::/64")},
	}}
	l := &farLab{prog: buildProgram(t), Lab: startLab(t, n)}
	for i := range farPorts {
		for _, a := range farAddrs(i) {
			l.all = append(l.all, a.String())
		}
	}
	l.key = filepath.Join(l.prog.dir, "key")
	if out, err := l.prog.command(t, nil, "listen", "--new-key", l.key).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if info, err := os.Stat(l.key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(l.key, 0o644); err != nil { // two users need it
		t.Fatal(err)
	}
	return l
}

// filter puts the firewall of the test on a router: it does that to the port of
// each host.
func (l *farLab) filter(t *testing.T, do lab.Action) {
	t.Helper()
	var fs []lab.Filter
	for i, p := range farPorts {
		for _, a := range farAddrs(i) {
			fs = append(fs, lab.Filter{To: netip.PrefixFrom(a, a.BitLen()), Protocol: p.proto, First: p.port, Do: do})
		}
	}
	if err := l.SetFilters("r1", fs); err != nil {
		t.Fatal(err)
	}
}

// stealth makes the hosts answer nothing but echo requests, as Windows does for
// ports without a listener.
func (l *farLab) stealth(t *testing.T, on bool) {
	t.Helper()
	var fs []lab.Filter
	if on {
		for _, p := range []string{"198.19.1.0/24", "fd00:198:1001::/64"} {
			for _, proto := range []scanner.Protocol{scanner.TCP, scanner.UDP} {
				fs = append(fs, lab.Filter{To: netip.MustParsePrefix(p), Protocol: proto, Do: lab.Drop})
			}
		}
	}
	if err := l.SetFilters("far", fs); err != nil {
		t.Fatal(err)
	}
}

// listen starts the listener on the far machine and returns when it listens.
func (l *farLab) listen(t *testing.T) *exec.Cmd {
	t.Helper()
	args := []string{"listen", "--key-file", l.key, "--bind", strings.Join(l.all, ",")}
	cmd := l.prog.command(t, nil, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := l.In("far", cmd.Start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	lines := bufio.NewReader(out)
	for ports := 0; ports < len(farPorts)+1; ports++ { // and the control port
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("the listener ended: %v\n%s", err, &errs)
		}
		if strings.HasPrefix(line, "listening") {
			ports--
		}
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	return cmd
}

// start starts a check of all hosts.
func (l *farLab) start(t *testing.T, vantage, key string, ordinary bool) func() []verdict.Finding {
	t.Helper()
	hosts := strings.Join(l.all, ",")
	args := []string{
		"check", "-p", "wake-up-proxy,pxe,nap,client-notification,remote-control", "--when", "nap=dhcp", "--vantage", vantage,
		"--only", "icmp,proxy-udp,wol-udp,dhcp-udp,tftp-udp,binl-udp,dhcpv6-udp,nap/dhcp,notify-tcp,control-tcp",
		"--role", "pxe-server=" + hosts, "--role", "dhcp-server=" + hosts, "--role", "management-point=" + hosts,
		"--far-end-key-file", key, "-o", "json",
	}
	cmd := l.prog.command(t, nil, append(args, l.all...)...)
	if ordinary {
		cmd.SysProcAttr = asNobody()
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := l.In("", cmd.Start); err != nil {
		t.Fatal(err)
	}
	return func() []verdict.Finding {
		t.Helper()
		doc, _ := finish(t, cmd, &out, &errs)
		if want := (len(farRows) + 1) * len(l.all); len(doc.Findings) != want || !doc.Run.Complete {
			t.Errorf("%d findings, want %d; complete %v\n%s", len(doc.Findings), want, doc.Run.Complete, &errs)
		}
		return doc.Findings
	}
}

// expect compares the findings of the far rows with what is wanted; those of
// rows that start elsewhere must be untested and look so from here.
func expect(t *testing.T, findings []verdict.Finding, vantage scanner.Role, want func(f verdict.Finding, p farPort, swallowed bool) string) {
	t.Helper()
	for _, f := range findings {
		row, ok := farRows[f.Requirement]
		if !ok {
			continue // echo
		}
		w := want(f, row.farPort, farSwallowed(f.Addr) == row.farPort)
		got := f.Reason
		if row.from != vantage {
			state, _, _ := strings.Cut(w, ".")
			w, got = state, f.Seen.String()
			if f.State != verdict.Untested || !strings.Contains(f.Fix, " --vantage "+string(row.from)+" ") {
				t.Errorf("%s %s starts at the %s and is %s: %s", f.Addr, f.Requirement, row.from, f.State, f.Fix)
			}
		}
		if got != w {
			t.Errorf("%s %s: got %s, want %s\n\tsaid: %s\n\tevidence: %s", f.Addr, f.Requirement, got, w, f.Message, strings.Join(f.Evidence, "\n\t          "))
		}
	}
}

// withListener is what must be said when the listener runs.
func withListener(blocked string) func(verdict.Finding, farPort, bool) string {
	return func(_ verdict.Finding, _ farPort, swallowed bool) string {
		if swallowed {
			return blocked
		}
		return "open.far-end"
	}
}

// undecided is what must be said when neither a service nor a listener answers.
func undecided(f verdict.Finding, p farPort) string {
	if f.Addr.Is6() && (p.port == 67 || p.port == 4011) { // DHCP and PXE have no question there
		return "error.local"
	}
	return "inconclusive.far-end-silent"
}

// TestListen proves the rows to which no service answers from both ends: each
// is open with a listener, blocked when a firewall between swallows or rejects
// it, and without a listener, or with another key, undecided.
func TestListen(t *testing.T) {
	l := startFarLab(t)

	l.stealth(t, true)
	expect(t, l.start(t, "client", l.key, false)(), scanner.RoleClient, func(f verdict.Finding, p farPort, _ bool) string {
		if p.port == 10123 { // somebody must listen there
			return "blocked.silent"
		}
		return undecided(f, p)
	})
	l.stealth(t, false)

	listener := l.listen(t)
	l.filter(t, lab.Drop)
	root, user, console := l.start(t, "client", l.key, false), l.start(t, "client", l.key, true), l.start(t, "console", l.key, false)
	t.Run("root", func(t *testing.T) {
		expect(t, root(), scanner.RoleClient, withListener("blocked.far-end"))
	})
	t.Run("user", func(t *testing.T) {
		expect(t, user(), scanner.RoleClient, withListener("blocked.far-end"))
	})
	t.Run("console", func(t *testing.T) {
		expect(t, console(), scanner.RoleConsole, withListener("blocked.far-end"))
	})
	l.filter(t, lab.RejectProhibited)
	user = l.start(t, "client", l.key, true)
	t.Run("rejected", func(t *testing.T) {
		expect(t, user(), scanner.RoleClient, withListener("blocked.prohibited"))
	})

	stranger := filepath.Join(l.prog.dir, "stranger")
	if out, err := l.prog.command(t, nil, "listen", "--new-key", stranger).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := l.SetFilters("r1", nil); err != nil {
		t.Fatal(err)
	}
	strange := l.start(t, "client", stranger, false)
	t.Run("another key", func(t *testing.T) {
		expect(t, strange(), scanner.RoleClient, func(f verdict.Finding, p farPort, _ bool) string {
			if p.proto == scanner.TCP {
				return "open.port"
			}
			return undecided(f, p)
		})
	})

	if err := listener.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := await(t, listener); code != exitInterrupted {
		t.Errorf("the listener was interrupted and ended with %d", code)
	}
}
