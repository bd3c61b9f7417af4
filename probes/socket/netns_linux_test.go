package socket

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// stageEnv tells a child process of the test which part it plays.
const stageEnv = "CMREACH_SOCKET_STAGE"

// Stages of a test that needs namespaces.
const (
	stageOuter = ""      // the test as it was started
	stageLab   = "lab"   // in a user and network namespace of its own, with all rights there
	stagePing  = "ping"  // as lab, without CAP_NET_RAW, but allowed to ping
	stageBare  = "bare"  // as lab, without CAP_NET_RAW and not allowed to ping
	stageProbe = "probe" // does nothing: are namespaces to be had?
)

func stage() string { return os.Getenv(stageEnv) }

// unable skips a test that the machine does not allow, or fails it where
// everything must run.
func unable(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CMREACH_REQUIRE") == "all" {
		t.Fatalf("required, but not possible here: %s", why)
	}
	t.Skip(why)
}

// child runs the test again in another process as the given stage.
func child(t *testing.T, as string, attr *syscall.SysProcAttr) (string, error) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread() // Pdeathsig is tied to the thread
	defer runtime.UnlockOSThread()
	cmd := exec.Command(exe, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=300s")
	cmd.Env = append(os.Environ(), stageEnv+"="+as)
	cmd.SysProcAttr = attr
	attr.Pdeathsig = syscall.SIGKILL
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// ownNamespaces are the attributes of a process with all rights in a user and
// network namespace of its own. Ordinary users may have them too.
func ownNamespaces() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
}

// enterLab runs the test again in namespaces of its own. It returns true in
// that child.
func enterLab(t *testing.T, programs ...string) bool {
	t.Helper()
	if stage() != stageOuter {
		return true
	}
	for _, p := range programs {
		if _, err := program(p); err != nil {
			unable(t, err.Error())
		}
	}
	if out, err := child(t, stageProbe, ownNamespaces()); err != nil {
		unable(t, "no user and network namespaces: "+err.Error()+" "+out)
	}
	mustPass(t, stageLab, ownNamespaces())
	return false
}

func mustPass(t *testing.T, as string, attr *syscall.SysProcAttr) {
	t.Helper()
	out, err := child(t, as, attr)
	if err != nil || !strings.Contains(out, "--- PASS: "+t.Name()) {
		t.Fatalf("stage %s: %v\n%s", as, err, out)
	}
	t.Logf("stage %s:\n%s", as, out)
}

// withoutRaw runs the test again in this network namespace, without CAP_NET_RAW.
func withoutRaw(t *testing.T, as string) {
	t.Helper()
	done := make(chan struct{})
	go func() { // its thread loses the capability for good, and ends with it
		defer close(done)
		runtime.LockOSThread()
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_NET_RAW, 0, 0, 0); err != nil {
			t.Errorf("drop CAP_NET_RAW: %v", err)
			return
		}
		out, err := child(t, as, &syscall.SysProcAttr{})
		if err != nil || !strings.Contains(out, "--- PASS: "+t.Name()) {
			t.Errorf("stage %s: %v\n%s", as, err, out)
			return
		}
		t.Logf("stage %s:\n%s", as, out)
	}()
	<-done
}

// program finds a program that may be outside an ordinary user's PATH.
func program(name string) (string, error) {
	if p, err := exec.LookPath(name); err == nil {
		return p, nil
	}
	return exec.LookPath(filepath.Join("/usr/sbin", name))
}

// space is a network namespace: a thread that lives in it.
type space struct {
	t    *testing.T
	work chan func()
	net  *os.File
}

// newSpace makes a network namespace; here stays in the one of the test.
func newSpace(t *testing.T, here bool) *space {
	t.Helper()
	s := &space{t: t, work: make(chan func())}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		for f := range s.work {
			f()
		}
	}()
	t.Cleanup(func() { close(s.work); <-ended })
	s.do(func() error {
		if !here {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
		}
		var err error
		s.net, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	t.Cleanup(func() { s.net.Close() })
	for path, value := range map[string]string{
		"ipv4/icmp_ratemask":              "0", // the default limit makes a second reject look like a drop
		"ipv6/icmp/ratelimit":             "0",
		"ipv6/conf/default/accept_dad":    "0",
		"ipv6/conf/default/dad_transmits": "0",
		"ipv6/conf/all/disable_ipv6":      "0",
	} {
		s.set(path, value)
	}
	s.do(func() error { return up("lo") })
	return s
}

// do runs f inside the namespace; an error ends the test.
func (s *space) do(f func() error) {
	s.t.Helper()
	result := make(chan error)
	s.work <- func() { result <- f() }
	if err := <-result; err != nil {
		s.t.Fatal(err)
	}
}

// set writes a sysctl below net.
func (s *space) set(path, value string) {
	s.t.Helper()
	s.do(func() error { return os.WriteFile("/proc/sys/net/"+path, []byte(value), 0o644) })
}

// nft loads rules.
func (s *space) nft(rules string) {
	s.t.Helper()
	s.do(func() error {
		bin, err := program("nft")
		if err != nil {
			return err
		}
		cmd := exec.Command(bin, "-f", "-")
		cmd.Stdin = strings.NewReader(rules)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			s.t.Logf("nft: %s", out.String())
			return err
		}
		return nil
	})
}

func up(name string) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(l)
}

// wire joins two namespaces by a veth pair and gives each end its addresses.
func wire(a *space, aName string, aAddrs []string, b *space, bName string, bAddrs []string) {
	a.t.Helper()
	a.do(func() error {
		pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: aName}, PeerName: bName}
		if err := netlink.LinkAdd(pair); err != nil {
			return err
		}
		peer, err := netlink.LinkByName(bName)
		if err != nil {
			return err
		}
		return netlink.LinkSetNsFd(peer, int(b.net.Fd()))
	})
	a.address(aName, aAddrs)
	b.address(bName, bAddrs)
}

func (s *space) address(name string, addrs []string) {
	s.t.Helper()
	s.do(func() error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		for _, a := range addrs {
			addr, err := netlink.ParseAddr(a)
			if err != nil {
				return err
			}
			if addr.IP.To4() == nil {
				addr.Flags = unix.IFA_F_NODAD
			}
			if err := netlink.AddrAdd(l, addr); err != nil {
				return err
			}
		}
		return netlink.LinkSetUp(l)
	})
}

// via adds a route to each destination by the gateway of its family; kind adds
// a route that rejects or discards.
func (s *space) via(gw4, gw6 string, dsts ...string) {
	s.t.Helper()
	for _, d := range dsts {
		s.do(func() error {
			_, dst, err := netlinkParse(d)
			if err != nil {
				return err
			}
			gw := gw6
			if dst.IP.To4() != nil {
				gw = gw4
			}
			ip, _, err := netlinkParse(gw)
			if err != nil {
				return err
			}
			return netlink.RouteAdd(&netlink.Route{Dst: dst, Gw: ip})
		})
	}
}

func (s *space) kind(kind int, dsts ...string) {
	s.t.Helper()
	for _, d := range dsts {
		s.do(func() error {
			_, dst, err := netlinkParse(d)
			if err != nil {
				return err
			}
			return netlink.RouteAdd(&netlink.Route{Dst: dst, Type: kind})
		})
	}
}

func down(name string) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetDown(l)
}
