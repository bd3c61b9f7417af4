package lab

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace that lives as long as its descriptor.
type namespace struct{ f *os.File }

// onThread runs f on a thread that is thrown away afterwards, so that f may
// leave it in another namespace.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The main thread does not end with its goroutine, and /proc/self
			// shows its namespace: keep it busy and take another one.
			done <- onThread(f)
			runtime.UnlockOSThread()
			return
		}
		done <- f() // no unlock: the thread ends here
	}()
	return <-done
}

// currentNamespace is the one in which the process lives.
func currentNamespace() (*namespace, error) {
	f, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	return &namespace{f}, nil
}

func newNamespace() (*namespace, error) {
	var ns *namespace
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("new network namespace: %w", err)
		}
		var err error
		ns, err = currentNamespace()
		return err
	})
	return ns, err
}

// do runs f on a thread in the namespace. Sockets that f opens stay there and
// may be used from anywhere.
func (ns *namespace) do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(ns.f.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace: %w", err)
		}
		return f()
	})
}

func (ns *namespace) close() error { return ns.f.Close() }

// sysctl is a kernel setting of a namespace.
type sysctl struct {
	name, value string
	must        bool // without it the lab would not do what it is told to
}

// baseSysctls hold for every node.
func baseSysctls(v6 bool) []sysctl {
	s := []sysctl{
		// Without these the kernel answers one ICMP error a second to a peer,
		// and a second rejection looks like a drop.
		{"net/ipv4/icmp_ratemask", "0", true},
		{"net/ipv4/icmp_ratelimit", "0", false},
		{"net/ipv4/icmp_echo_ignore_all", "0", false},
		{"net/ipv4/conf/all/rp_filter", "0", false},
		{"net/ipv4/conf/default/rp_filter", "0", false},
		{"net/ipv4/tcp_max_syn_backlog", "65535", false},
		{"net/core/somaxconn", "65535", false}, // older kernels hide it in a user namespace; their default of 4096 will do
		{"net/ipv4/ping_group_range", "0 0", false},
		{"net/ipv4/ping_group_range", "0 2147483647", false}, // refused in a user namespace, which has one group only
	}
	if v6 {
		s = append(
			s,
			sysctl{"net/ipv6/conf/all/disable_ipv6", "0", true},
			sysctl{"net/ipv6/conf/default/disable_ipv6", "0", false},
			sysctl{"net/ipv6/conf/all/accept_dad", "0", false},
			sysctl{"net/ipv6/conf/default/accept_dad", "0", false}, // or every address is of no use for a second
			sysctl{"net/ipv6/conf/default/accept_ra", "0", false},
			sysctl{"net/ipv6/icmp/ratelimit", "0", true},
			sysctl{"net/ipv6/icmp/ratemask", "255", false}, // type 255 only, which is reserved: no error is limited
			sysctl{"net/ipv6/ip_nonlocal_bind", "1", true}, // or UDP answers from an AnyIP address are refused
		)
	}
	return s
}

func routerSysctls(v6 bool) []sysctl {
	s := []sysctl{{"net/ipv4/ip_forward", "1", true}}
	if v6 {
		s = append(s, sysctl{"net/ipv6/conf/all/forwarding", "1", true})
	}
	return s
}

// apply writes the settings of the namespace that the calling thread is in.
func apply(settings []sysctl) error {
	for _, s := range settings {
		if err := os.WriteFile("/proc/sys/"+s.name, []byte(s.value), 0o600); err != nil && s.must {
			return fmt.Errorf("set %s: %w", s.name, err)
		}
	}
	return nil
}

// IPv6 reports whether a lab can have IPv6 here.
func IPv6() bool {
	_, err := os.Stat("/proc/sys/net/ipv6")
	return err == nil
}
