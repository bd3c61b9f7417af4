package socket

import (
	"cmreach/probes/wire/packet"
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

// openTap opens the tap of a family; w is the raw engine's, or nil. It needs CAP_NET_RAW.
func openTap(v6 bool, w *portWindow) (*ttlTap, error) {
	fam := unix.AF_INET
	if v6 {
		fam = unix.AF_INET6
	}
	fd, err := unix.Socket(fam, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return nil, err
	}
	if err := setUpTap(fd, v6, w); err != nil {
		closeFD(fd)
		return nil, err
	}
	return &ttlTap{fd: fd, v6: v6, read: newTCPReader(v6)}, nil
}

func setUpTap(fd int, v6 bool, w *portWindow) error {
	if err := attach(fd, tapFilter(v6, w)); err != nil {
		return err
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

// tapFilter lets SYN-ACK and RST through; beside the raw engine RST only, and
// not to the ports that it sends from: what is left are connections that are
// dialed, and of one that was made nobody asks for the TTL. A raw IPv4 socket shows the filter the IP header, a raw IPv6
// socket the TCP header.
func tapFilter(v6 bool, w *portWindow) []bpf.Instruction {
	const drop, pass = "drop", "pass"
	var a assembler
	if v6 {
		a.add(bpf.LoadConstant{Dst: bpf.RegX, Val: 0})
	} else {
		a.add(bpf.LoadMemShift{Off: 0})
	}
	if w != nil {
		a.add(bpf.LoadIndirect{Off: 2, Size: 2})
		a.jump(bpf.JumpLessThan, uint32(w.first), "flags")
		a.jump(bpf.JumpLessThan, uint32(w.first)+windowSize, drop)
	}
	a.label("flags")
	a.add(bpf.LoadIndirect{Off: 13, Size: 1})
	a.jump(bpf.JumpBitsSet, packet.FlagRST, pass)
	if w == nil {
		a.add(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: packet.FlagSYN | packet.FlagACK})
		a.jump(bpf.JumpEqual, packet.FlagSYN|packet.FlagACK, pass)
	}
	a.label(drop)
	a.add(bpf.RetConstant{Val: 0})
	a.label(pass)
	a.add(bpf.RetConstant{Val: tapSnap})
	return a.program()
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
