package socket

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// portWindow is a range of ports of this machine that the raw engine sends
// from. The ports are bound, so that no connection of another program has one,
// and nobody listens on them: the kernel answers a SYN-ACK with RST, which ends
// the half-open connection at the peer. What comes to the datagram sockets is
// dropped by their filter; without them the kernel would tell each peer that
// answers "port unreachable".
type portWindow struct {
	first uint16
	held  []int // descriptors
}

// windowSize is how many ports are held. Tries of one path leave from different
// ones, so that no state of a former try is met on the way or at the peer.
const windowSize = 64

// holdPorts finds a window, outside of the range that the system gives to
// programs if there is room.
func holdPorts(v6 bool) (*portWindow, error) {
	low, high := localPortRange()
	var last error
	for i := range 64 {
		first := windowAt(i, low, high)
		w := &portWindow{first: first}
		if last = w.hold(v6); last == nil {
			return w, nil
		}
		w.release()
		if !errors.Is(last, unix.EADDRINUSE) {
			break
		}
	}
	return nil, fmt.Errorf("socket: hold %d ports of this machine: %w", windowSize, last)
}

// windowAt proposes the first port of a window: above the range of local ports
// first, then below, then anywhere.
func windowAt(try int, low, high uint16) uint16 {
	const lowest, highest = 10000, 65535 - windowSize
	switch {
	case try < 16 && high < highest-windowSize:
		return high + 1 + uint16(rand.IntN(int(highest-high))) //nolint:gosec // which one does not matter
	case try < 32 && low > lowest+2*windowSize:
		return lowest + uint16(rand.IntN(int(low)-lowest-windowSize)) //nolint:gosec // as above
	default:
		return lowest + uint16(rand.IntN(highest-lowest)) //nolint:gosec // as above
	}
}

// localPortRange is what ip_local_port_range says (ip(7)).
func localPortRange() (low, high uint16) {
	const usualLow, usualHigh = 32768, 60999
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return usualLow, usualHigh
	}
	f := strings.Fields(string(text))
	if len(f) != 2 {
		return usualLow, usualHigh
	}
	a, errA := strconv.ParseUint(f[0], 10, 16)
	b, errB := strconv.ParseUint(f[1], 10, 16)
	if errA != nil || errB != nil || a > b {
		return usualLow, usualHigh
	}
	return uint16(a), uint16(b)
}

// hold binds every port of the window, for TCP and UDP, and for both families
// where the machine has IPv6.
func (w *portWindow) hold(v6 bool) error {
	for i := range uint16(windowSize) {
		for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM} {
			fd, err := holdPort(kind, w.first+i, v6)
			if err != nil {
				return err
			}
			w.held = append(w.held, fd)
		}
	}
	return nil
}

func holdPort(kind int, port uint16, v6 bool) (int, error) {
	fam, sa := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: int(port)})
	if v6 {
		fam, sa = unix.AF_INET6, &unix.SockaddrInet6{Port: int(port)}
	}
	fd, err := unix.Socket(fam, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	if v6 { // and IPv4
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
	}
	if err == nil && kind == unix.SOCK_DGRAM {
		err = attach(fd, []bpf.Instruction{bpf.RetConstant{Val: 0}})
	}
	if err == nil {
		err = unix.Bind(fd, sa)
	}
	if err != nil {
		closeFD(fd)
		return -1, err
	}
	return fd, nil
}

func (w *portWindow) release() {
	for _, fd := range w.held {
		closeFD(fd)
	}
	w.held = nil
}

// port is where the shot with the key leaves from.
func (w *portWindow) port(key uint64) uint16 {
	return w.first + uint16(key%windowSize)
}

func (w *portWindow) has(port uint16) bool { return port-w.first < windowSize }
