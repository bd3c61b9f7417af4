package socket

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// linkWatch notices when an interface that packets leave by goes down: the
// kernel then takes packets, and nothing says that they were lost.
type linkWatch struct {
	fd    int
	links map[int32]bool // by index: whether the interface works; only those that were heard of
	own   map[netip.Addr]int32
	buf   []byte
}

// openLinkWatch subscribes to what the kernel says of interfaces (rtnetlink(7),
// RTMGRP_LINK).
func openLinkWatch() (*linkWatch, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("socket: watch the interfaces: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK}); err != nil {
		closeFD(fd)
		return nil, fmt.Errorf("socket: watch the interfaces: %w", err)
	}
	return &linkWatch{fd: fd, links: map[int32]bool{}, own: interfacesByAddr(), buf: make([]byte, 1<<14)}, nil
}

// interfacesByAddr maps this machine's addresses to their interfaces.
func interfacesByAddr() map[netip.Addr]int32 {
	out := map[netip.Addr]int32{}
	list, err := net.Interfaces()
	if err != nil {
		return out
	}
	for _, ifi := range list {
		addrs, err := ifi.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				out[p.Addr().Unmap()] = int32(ifi.Index) //nolint:gosec // an interface index is small
			}
		}
	}
	return out
}

// drain reads what the kernel has said.
func (w *linkWatch) drain() {
	for {
		n, _, err := unix.Recvfrom(w.fd, w.buf, 0)
		if err != nil {
			return
		}
		for index, works := range linkStates(w.buf[:n]) {
			w.links[index] = works
		}
	}
}

// down reports whether the interface with the address does not work.
func (w *linkWatch) down(from netip.Addr) bool {
	index, ok := w.own[from]
	if !ok {
		return false
	}
	works, heard := w.links[index]
	return heard && !works
}

func (w *linkWatch) close() { closeFD(w.fd) }

// Sizes of struct nlmsghdr and struct ifinfomsg (rtnetlink(7)).
const (
	sizeofNlmsg  = 16
	sizeofIfInfo = 16
)

// linkStates reads the messages of one datagram: for each interface whether it
// is up and has a carrier.
func linkStates(b []byte) map[int32]bool {
	out := map[int32]bool{}
	for len(b) >= sizeofNlmsg {
		size := int(binary.NativeEndian.Uint32(b))
		if size < sizeofNlmsg || size > len(b) {
			break
		}
		kind, body := binary.NativeEndian.Uint16(b[4:]), b[sizeofNlmsg:size]
		if (kind == unix.RTM_NEWLINK || kind == unix.RTM_DELLINK) && len(body) >= sizeofIfInfo {
			index := int32(binary.NativeEndian.Uint32(body[4:])) //nolint:gosec // the kernel's int
			const works = unix.IFF_UP | unix.IFF_RUNNING
			out[index] = kind == unix.RTM_NEWLINK && binary.NativeEndian.Uint32(body[8:])&works == works
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return out
}
