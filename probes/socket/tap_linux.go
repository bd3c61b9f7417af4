package socket

import (
	"fmt"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// ttlTap is a passive raw socket that sees the SYN-ACK and RST packets that
// reach this machine, for their TTL. It never sends, and what it sees is never
// taken for an answer: the kernel's TCP judges that.
type ttlTap struct {
	fd   int
	v6   bool
	read tcpReader
}

const (
	tapSnap   = 128      // IPv4 and TCP headers with all options are at most 120 bytes
	tapBuffer = 16 << 20 // of the kernel; bursts of answers must fit
	tapBurst  = 1 << 16  // packets read at one time, so that a flood does not starve the loop
)

// openTap opens the tap of a family. It needs CAP_NET_RAW.
func openTap(v6 bool) (*ttlTap, error) {
	fam := unix.AF_INET
	if v6 {
		fam = unix.AF_INET6
	}
	fd, err := unix.Socket(fam, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return nil, err
	}
	if err := setUpTap(fd, v6); err != nil {
		closeFD(fd)
		return nil, err
	}
	return &ttlTap{fd: fd, v6: v6, read: newTCPReader(v6)}, nil
}

func setUpTap(fd int, v6 bool) error {
	prog, err := tapFilter(v6)
	if err != nil {
		return fmt.Errorf("assemble the packet filter: %w", err)
	}
	list := make([]unix.SockFilter, len(prog))
	for i, in := range prog {
		list[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	filter := unix.SockFprog{Len: uint16(len(list)), Filter: &list[0]} //nolint:gosec // a dozen
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &filter); err != nil {
		return fmt.Errorf("attach the packet filter: %w", err)
	}
	growBuffer(fd, tapBuffer)
	if v6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1); err != nil {
			return fmt.Errorf("ask for the hop limit: %w", err)
		}
	}
	return nil
}

// growBuffer asks for a large receive buffer: beyond the system's limit if
// this user may, else up to it.
func growBuffer(fd, size int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size)
	}
}

// tapFilter lets SYN-ACK and RST through. A raw IPv4 socket shows the filter
// the IP header, a raw IPv6 socket the TCP header.
func tapFilter(v6 bool) ([]bpf.RawInstruction, error) {
	const (
		flagsAt = 13
		rst     = 0x04
		synAck  = 0x12
	)
	var prog []bpf.Instruction
	if v6 {
		prog = append(prog, bpf.LoadAbsolute{Off: flagsAt, Size: 1})
	} else {
		prog = append(
			prog,
			bpf.LoadMemShift{Off: 0},
			bpf.LoadIndirect{Off: flagsAt, Size: 1},
		)
	}
	return bpf.Assemble(append(
		prog,
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: rst, SkipTrue: 2},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: synAck},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: synAck, SkipFalse: 1},
		bpf.RetConstant{Val: tapSnap},
		bpf.RetConstant{Val: 0},
	))
}

// drain reads what has come and hands on the TTL of each packet.
func (t *ttlTap) drain(buf []byte, note func(p ports, reset bool, ttl uint8)) {
	var oob [64]byte
	for range tapBurst {
		if !t.v6 {
			n, err := unix.Read(t.fd, buf[:tapSnap])
			if err != nil {
				return
			}
			if s, ok := t.read.packet(buf[:n]); ok {
				note(ports{s.peer, s.local}, s.reset, s.ttl)
			}
			continue
		}
		n, oobn, _, from, err := unix.Recvmsg(t.fd, buf[:tapSnap], oob[:], unix.MSG_DONTWAIT)
		if err != nil {
			return
		}
		if s, ok := t.read.segment(buf[:n], addrPort(from).Addr()); ok {
			note(ports{s.peer, s.local}, s.reset, parseControl(oob[:oobn]).ttl)
		}
	}
}

// seenTCP is what the tap learns from one packet.
type seenTCP struct {
	peer  netip.AddrPort
	local uint16
	reset bool
	ttl   uint8
}

// tcpReader decodes headers without allocation.
type tcpReader struct {
	parser *gopacket.DecodingLayerParser
	ip     *layers.IPv4
	tcp    *layers.TCP
	found  *[]gopacket.LayerType
}

func newTCPReader(v6 bool) tcpReader {
	r := tcpReader{ip: new(layers.IPv4), tcp: new(layers.TCP), found: new([]gopacket.LayerType)}
	first := layers.LayerTypeIPv4
	if v6 {
		first = layers.LayerTypeTCP
	}
	// The parser recovers from panics of the decoders and returns them as errors.
	r.parser = gopacket.NewDecodingLayerParser(first, r.ip, r.tcp)
	r.parser.IgnoreUnsupported = true
	return r
}

// packet reads an IPv4 packet, segment a TCP header from the given sender. A
// packet whose headers are broken tells no TTL.
func (r tcpReader) packet(b []byte) (seenTCP, bool) {
	s, ok := r.segment(b, netip.Addr{})
	if !ok || len(*r.found) != 2 {
		return seenTCP{}, false
	}
	src, ok := netip.AddrFromSlice(r.ip.SrcIP)
	s.peer = netip.AddrPortFrom(src.Unmap(), s.peer.Port())
	s.ttl = r.ip.TTL
	return s, ok
}

func (r tcpReader) segment(b []byte, from netip.Addr) (seenTCP, bool) {
	err := r.parser.DecodeLayers(b, r.found)
	if n := len(*r.found); err != nil || n == 0 || (*r.found)[n-1] != layers.LayerTypeTCP {
		return seenTCP{}, false
	}
	return seenTCP{
		peer:  netip.AddrPortFrom(from, uint16(r.tcp.SrcPort)),
		local: uint16(r.tcp.DstPort),
		reset: r.tcp.RST,
	}, true
}
