package main

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"
)

// forger stands on the link to the fleet, sees every question, and answers it
// before or after the fleet does, in all the ways that must be of no use: it
// knows everything of a question, but its answers lack the mark of the path
// that they claim to come from.
type forger struct {
	fd     int
	copies int // of each forgery
	v6     bool
	sent   int
	frame  gopacket.SerializeBuffer
}

// startForger lets a forger loose. It ends with the test, or with the function
// that is returned, which says how many packets it sent.
func (f *fleet) startForger(t testing.TB, copies int) (stop func() int) {
	t.Helper()
	g := &forger{copies: copies, v6: f.v6, frame: gopacket.NewSerializeBuffer()}
	err := f.far.do(func() (err error) {
		dev, err := net.InterfaceByName(scannerDevice)
		if err != nil {
			return err
		}
		if g.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return errors.Join(
			unix.SetsockoptInt(g.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
			unix.SetsockoptInt(g.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20),
			unix.SetsockoptTimeval(g.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 20_000}),
			unix.Bind(g.fd, &unix.SockaddrLinklayer{Protocol: binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}), Ifindex: dev.Index}),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	end := make(chan struct{})
	var worker sync.WaitGroup
	worker.Go(func() { g.work(t, end) })
	stop = sync.OnceValue(func() int {
		close(end)
		worker.Wait()
		if err := unix.Close(g.fd); err != nil {
			t.Error(err)
		}
		return g.sent
	})
	t.Cleanup(func() { stop() })
	return stop
}

// work forges until the end.
func (g *forger) work(t testing.TB, end <-chan struct{}) {
	buf := make([]byte, 2048)
	for {
		select {
		case <-end:
			return
		default:
		}
		n, _, err := unix.Recvfrom(g.fd, buf, 0)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			t.Error(err)
			return
		}
		if q, ok := readQuestion(buf[:n]); ok {
			if err := g.answer(q); err != nil {
				t.Error(err)
				return
			}
		}
	}
}

// question is a packet of the scanner.
type question struct {
	eth  layers.Ethernet
	ip4  *layers.IPv4
	ip6  *layers.IPv6
	tcp  *layers.TCP
	echo []byte // the ICMP message
}

// readQuestion takes a frame apart; false when nothing can be forged for it.
func readQuestion(frame []byte) (question, bool) {
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
	var q question
	eth, _ := p.LinkLayer().(*layers.Ethernet)
	if eth == nil {
		return q, false
	}
	q.eth = layers.Ethernet{SrcMAC: eth.DstMAC, DstMAC: eth.SrcMAC, EthernetType: eth.EthernetType}
	q.ip4, _ = p.NetworkLayer().(*layers.IPv4)
	q.ip6, _ = p.NetworkLayer().(*layers.IPv6)
	q.tcp, _ = p.TransportLayer().(*layers.TCP)
	if l := p.Layer(layers.LayerTypeICMPv4); l != nil && l.LayerContents()[0] == layers.ICMPv4TypeEchoRequest {
		q.echo = append(append(q.echo, l.LayerContents()...), l.LayerPayload()...)
	}
	if l := p.Layer(layers.LayerTypeICMPv6); l != nil && l.LayerContents()[0] == layers.ICMPv6TypeEchoRequest {
		q.echo = append(append(q.echo, l.LayerContents()...), l.LayerPayload()...)
	}
	syn := q.tcp != nil && q.tcp.SYN && !q.tcp.ACK
	return q, (q.ip4 != nil || q.ip6 != nil) && (syn || q.echo != nil)
}

// far and near are the addresses of the one who is asked and of the scanner.
func (q *question) far() net.IP {
	if q.ip4 != nil {
		return q.ip4.DstIP
	}
	return q.ip6.DstIP
}

func (q *question) near() net.IP {
	if q.ip4 != nil {
		return q.ip4.SrcIP
	}
	return q.ip6.SrcIP
}

// neighbour is another address of the fleet.
func neighbour(a net.IP) net.IP {
	b := append(net.IP(nil), a...)
	b[len(b)-1] ^= 1
	return b
}

// answer sends every forgery for a question.
func (g *forger) answer(q question) error {
	if q.tcp != nil {
		return g.answerSYN(q)
	}
	return g.answerEcho(q)
}

func (g *forger) answerSYN(q question) error {
	right := q.tcp.Seq + 1
	segment := func(port layers.TCPPort, ack uint32, syn bool) *layers.TCP {
		return &layers.TCP{SrcPort: port, DstPort: q.tcp.SrcPort, Seq: 12345, Ack: ack, SYN: syn, RST: !syn, ACK: true, Window: 64240}
	}
	far := q.far()
	errs := []error{
		g.send(&q, far, segment(q.tcp.DstPort, right^0x01000000, true)),  // a SYN-ACK, a RST without the mark
		g.send(&q, far, segment(q.tcp.DstPort, right+1, false)),          //
		g.send(&q, neighbour(far), segment(q.tcp.DstPort, right, true)),  // with the mark of another path
		g.send(&q, neighbour(far), segment(q.tcp.DstPort, right, false)), //
		g.send(&q, far, segment(q.tcp.DstPort^0x4000, right, true)),      // of another port
		g.send(&q, far, segment(q.tcp.DstPort^0x4000, right, false)),     //
	}
	quote := func(dst net.IP, src layers.TCPPort, seq uint32) []byte {
		return q.quote(dst, &layers.TCP{SrcPort: src, DstPort: q.tcp.DstPort, Seq: seq, SYN: true, Window: 64240})
	}
	for _, by := range []net.IP{far, q.near(), routerOf(far)} {
		errs = append(
			errs,
			g.reject(&q, by, quote(far, q.tcp.SrcPort, q.tcp.Seq^0x00800000)),
			g.reject(&q, by, quote(neighbour(far), q.tcp.SrcPort, q.tcp.Seq)),
			g.reject(&q, by, quote(far, q.tcp.SrcPort^1, q.tcp.Seq)),
		)
	}
	return errors.Join(errs...)
}

func (g *forger) answerEcho(q question) error {
	reply := append([]byte(nil), q.echo...)
	reply[0], reply[1] = layers.ICMPv4TypeEchoReply, 0
	if g.v6 {
		reply[0] = layers.ICMPv6TypeEchoReply
	}
	// Another identifier, number and content: no mark, wherever it may be.
	strange := append([]byte(nil), reply...)
	for i := 4; i < len(strange); i++ {
		strange[i] ^= 0x20
	}
	asked := append([]byte(nil), strange...)
	asked[0], asked[1] = q.echo[0], q.echo[1]
	errs := []error{g.send(&q, q.far(), message(strange)), g.send(&q, neighbour(q.far()), message(reply))}
	for _, by := range []net.IP{q.far(), q.near(), routerOf(q.far())} {
		errs = append(
			errs,
			g.reject(&q, by, q.quote(q.far(), message(asked))),
			g.reject(&q, by, q.quote(neighbour(q.far()), message(q.echo))),
		)
	}
	return errors.Join(errs...)
}

// routerOf is an address that a router on the way may have.
func routerOf(far net.IP) net.IP {
	if far.To4() != nil {
		return net.IPv4(198, 18, 0, 77).To4()
	}
	return net.ParseIP("fd00:198::77")
}

// message is an ICMP message whose checksum is yet to be made.
type message []byte

// quote is the packet that an ICMP error says it is about.
func (q *question) quote(dst net.IP, what any) []byte {
	b := gopacket.NewSerializeBuffer()
	if err := serializeTo(b, q, q.near(), dst, what); err != nil {
		return nil // the rejection fails then, which is told
	}
	return b.Bytes()
}

// reject sends "administratively prohibited" about a packet.
func (g *forger) reject(q *question, by net.IP, about []byte) error {
	if about == nil {
		return errors.New("no packet to quote")
	}
	b := append([]byte{3, 13, 0, 0, 0, 0, 0, 0}, about...) // RFC 1812 5.2.7.1
	if g.v6 {
		b[0], b[1] = 1, 1 // RFC 4443 3.1
	}
	return g.send(q, by, message(b))
}

// send sends a packet to the scanner.
func (g *forger) send(q *question, from net.IP, what any) error {
	if err := g.frame.Clear(); err != nil {
		return err
	}
	err := serializeTo(g.frame, q, from, q.near(), what)
	if err == nil {
		err = q.eth.SerializeTo(g.frame, gopacket.SerializeOptions{})
	}
	for range g.copies {
		if err == nil {
			_, err = unix.Write(g.fd, g.frame.Bytes())
		}
		if errors.Is(err, unix.ENOBUFS) {
			err = nil // the queue of the device is full
			continue
		}
		g.sent++
	}
	return err
}

// serializeTo makes a packet of a TCP segment or an ICMP message.
func serializeTo(b gopacket.SerializeBuffer, q *question, src, dst net.IP, what any) error {
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	proto := map[bool]layers.IPProtocol{false: layers.IPProtocolICMPv4, true: layers.IPProtocolICMPv6}[q.ip6 != nil]
	segment, isTCP := what.(*layers.TCP)
	if isTCP {
		proto = layers.IPProtocolTCP
	}
	var ip gopacket.SerializableLayer
	var pseudo gopacket.NetworkLayer
	if q.ip4 != nil {
		l := &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Protocol: proto, SrcIP: src, DstIP: dst}
		ip, pseudo = l, l
	} else {
		l := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: src, DstIP: dst}
		ip, pseudo = l, l
	}
	if isTCP {
		return errors.Join(segment.SetNetworkLayerForChecksum(pseudo), gopacket.SerializeLayers(b, opts, ip, segment))
	}
	m, _ := what.(message)
	if q.ip4 != nil {
		icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(m[0], m[1]), Id: binary.BigEndian.Uint16(m[4:]), Seq: binary.BigEndian.Uint16(m[6:])}
		return gopacket.SerializeLayers(b, opts, ip, icmp, gopacket.Payload(m[8:]))
	}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(m[0], m[1])}
	return errors.Join(icmp.SetNetworkLayerForChecksum(pseudo), gopacket.SerializeLayers(b, opts, ip, icmp, gopacket.Payload(m[4:])))
}
