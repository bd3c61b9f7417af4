package main

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// What goes wrong between the program and a fleet, or on the program's machine.

// lose makes the fleet's end of the link swallow so many per cent of the
// packets in each direction. It stands there because a receiver on the scanner
// may see a packet before a filter does.
func (f *fleet) lose(t testing.TB, percent int) {
	t.Helper()
	f.nft(t, f.far, fmt.Sprintf(`table inet loss {
	chain to {
		type filter hook prerouting priority -300;
		iifname %[1]s numgen random mod 100 < %[2]d drop
	}
	chain from {
		type filter hook output priority -300;
		oifname %[1]s numgen random mod 100 < %[2]d drop
	}
}`, scannerDevice, percent))
}

// burst swallows packets for a time, in both directions: all but so many of a
// thousand.
func (f *fleet) burst(t testing.TB, j *job, long time.Duration, but int) bool {
	load := func(rules string) bool {
		cmd := exec.CommandContext(t.Context(), "nft", "-f", "-")
		cmd.Stdin = strings.NewReader(rules)
		err := f.far.run(cmd)
		if err != nil {
			t.Error(err)
		}
		return err == nil
	}
	ok := load(fmt.Sprintf(`table inet burst {
	chain to {
		type filter hook prerouting priority -300;
		iifname %[1]s numgen random mod 1000 >= %[2]d drop
	}
	chain from {
		type filter hook output priority -300;
		oifname %[1]s numgen random mod 1000 >= %[2]d drop
	}
}`, scannerDevice, but))
	if !ok {
		return false
	}
	select {
	case <-time.After(long): // how long it lasts is what a burst is
	case <-j.ctx.Done():
	}
	return load("delete table inet burst") && j.ctx.Err() == nil
}

// sent waits until the scanner's device has sent so many packets since then;
// false when the program ends before.
func (f *fleet) sent(t testing.TB, j *job, since, packets int) bool {
	return within(j.ctx, time.Minute, func() bool {
		_, out := f.traffic(t)
		return out-since >= packets
	})
}

// refuse makes the scanner's machine refuse to send anything new when it knows
// of so many connections, as it does when its table of connections is full
// (the size of that table itself is the whole machine's).
func (f *fleet) refuse(t testing.TB, connections int) {
	t.Helper()
	f.nft(t, f.scan, fmt.Sprintf(`table inet refuse_new {
	chain out {
		type filter hook output priority 0;
		meta l4proto { tcp, icmp, icmpv6 } ct state new ct count over %d drop
	}
}`, connections))
}

// squeezed is the scanner's namespace, for programs whose receive buffers stay
// as small as they are by default: the kernel says yes when they ask for more,
// and does nothing.
func (f *fleet) squeezed(t testing.TB) *room {
	t.Helper()
	var ns int
	err := f.scan.do(func() (err error) {
		ns, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ns)
	return openRoom(t, func() error {
		if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
			return err
		}
		return pretendBuffers()
	})
}

// pretendBuffers installs a filter of system calls (seccomp(2)) on the calling
// thread, and on what it starts: to set SO_RCVBUF or SO_RCVBUFFORCE succeeds
// without being done.
func pretendBuffers() error {
	const number, level, option = 0, 24, 32 // in struct seccomp_data, of a little-endian machine
	raw, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: number, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_SETSOCKOPT, SkipTrue: 6},
		bpf.LoadAbsolute{Off: level, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SOL_SOCKET, SkipTrue: 4},
		bpf.LoadAbsolute{Off: option, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SO_RCVBUF, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SO_RCVBUFFORCE, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO}, // error 0: done
		bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
	})
	if err != nil {
		return err
	}
	list := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		list[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	prog := unix.SockFprog{Len: uint16(len(list)), Filter: &list[0]}
	err = unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
	runtime.KeepAlive(list)
	return err
}

// overflown returns how many packets the packet sockets in the scanner's
// namespace have lost for want of room.
func (f *fleet) overflown(t testing.TB) int {
	cmd := exec.CommandContext(t.Context(), "ss", "--packet", "--all", "--numeric", "--memory")
	var out strings.Builder
	cmd.Stdout = &out
	err := f.scan.do(cmd.Start)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		t.Error(err)
		return 0
	}
	lost := 0
	for _, mem := range strings.SplitAfter(out.String(), "skmem:(")[1:] {
		mem, _, _ = strings.Cut(mem, ")")
		if n, err := number(mem[strings.LastIndex(mem, "d")+1:]); err == nil {
			lost += n
		}
	}
	return lost
}
