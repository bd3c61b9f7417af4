package socket

import (
	"cmreach/probes/wire/packet"
	"cmreach/scanner"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawBatch is how many packets leave with one system call. More than 64 gain
// little.
const rawBatch = 128

// rawSender builds packets and sends them in batches. The kernel routes them and
// finds the neighbours. While batches are being sent, which takes the kernel
// longer than everything else, the next is built.
type rawSender struct {
	window *portWindow
	secret *packet.Secret
	books  *udpBook
	source *sourceCache
	lines  [2]*rawLine // the batch in the making, by family; nil: the machine does not have it
	hops   [2]uint8    // the system's default hop limits
	frames func(Frame) // of Options

	spare   [2]chan *rawLine
	work    chan *rawLine // to be sent; nil: nobody sends
	senders sync.WaitGroup
}

// rawLines is how many batches of a family there are: one in the making, and
// for each sender one that is being sent and one that waits.
const rawLines = 2*rawSenders + 1

// rawSenders is how many batches are sent at once: when the engine has nothing
// to do for a moment, its processor sends too.
const rawSenders = 2

// rawLine is a batch of one family, and its socket.
type rawLine struct {
	v6        bool
	fd        int
	templates [3]*packet.Template
	msgs      []mmsghdr
	iovs      []unix.Iovec
	names4    []unix.RawSockaddrInet4
	names6    []unix.RawSockaddrInet6
	arena     []byte
	shots     []sentShot
}

// sentShot is what an error is reported with, and a frame.
type sentShot struct {
	key   uint64
	addr  netip.Addr
	proto scanner.Protocol
	port  uint16
	size  int // bytes in the arena
}

func newRawSender(w *portWindow, key [16]byte, books *udpBook, opt Options, v6 bool) (*rawSender, error) {
	secret, err := packet.NewSecret(key)
	if err != nil {
		return nil, err
	}
	s := &rawSender{window: w, secret: secret, books: books, source: newSourceCache(opt), frames: opt.Frames}
	s.hops[0] = readHops("/proc/sys/net/ipv4/ip_default_ttl")
	s.hops[1] = readHops("/proc/sys/net/ipv6/conf/default/hop_limit")
	for i := range s.lines {
		if i == 1 && !v6 {
			break
		}
		s.spare[i] = make(chan *rawLine, rawLines)
		for range rawLines {
			l, err := newRawLine(i == 1)
			if err != nil {
				s.close()
				return nil, err
			}
			s.spare[i] <- l
		}
		s.lines[i] = <-s.spare[i]
	}
	return s, nil
}

// start begins to send what is flushed. What this machine could not send is a
// reply.
func (s *rawSender) start(replies *replyQueue) {
	s.work = make(chan *rawLine, 2*rawLines)
	for range rawSenders {
		s.senders.Go(func() {
			for l := range s.work {
				l.flush(replies, s.frames)
				s.spare[l.family()] <- l
			}
		})
	}
}

// readHops reads a default hop limit.
func readHops(file string) uint8 {
	const usual = 64               // RFC 1700
	text, err := os.ReadFile(file) //nolint:gosec // one of two names
	if err != nil {
		return usual
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 8)
	if err != nil || n == 0 {
		return usual
	}
	return uint8(n)
}

// newRawLine opens a socket for packets with a header of their own. Nothing is
// ever received on it, not even an ICMP error: no protocol has the number 255
// (raw(7)). The error queue makes the kernel tell of packets that it drops for
// want of room (ENOBUFS, ip(7)).
func newRawLine(v6 bool) (*rawLine, error) {
	fam, level, name := unix.AF_INET, unix.IPPROTO_IP, unix.IP_RECVERR
	if v6 {
		fam, level, name = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	}
	l := &rawLine{
		v6: v6, msgs: make([]mmsghdr, rawBatch), iovs: make([]unix.Iovec, rawBatch),
		shots: make([]sentShot, 0, rawBatch),
	}
	for kind := range l.templates {
		var err error
		if l.templates[kind], err = packet.NewTemplate(packet.Kind(kind), v6); err != nil {
			return nil, err
		}
	}
	var err error
	if l.fd, err = unix.Socket(fam, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
		return nil, fmt.Errorf("socket: open a raw socket: %w", err)
	}
	if err := unix.SetsockoptInt(l.fd, level, name, 1); err != nil {
		closeFD(l.fd)
		return nil, fmt.Errorf("socket: set socket option %d/%d: %w", level, name, err)
	}
	_ = unix.SetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, echoBuffer) // the default does, too
	if v6 {
		l.names6 = make([]unix.RawSockaddrInet6, rawBatch)
	} else {
		l.names4 = make([]unix.RawSockaddrInet4, rawBatch)
	}
	for i := range l.msgs {
		h := &l.msgs[i].head
		h.Iov = &l.iovs[i]
		h.SetIovlen(1)
		if v6 {
			l.names6[i].Family = unix.AF_INET6
			h.Name, h.Namelen = (*byte)(unsafe.Pointer(&l.names6[i])), unix.SizeofSockaddrInet6 //nolint:gosec // the kernel's form
		} else {
			l.names4[i].Family = unix.AF_INET
			h.Name, h.Namelen = (*byte)(unsafe.Pointer(&l.names4[i])), unix.SizeofSockaddrInet4 //nolint:gosec // as above
		}
	}
	return l, nil
}

func (s *rawSender) close() {
	if s.work != nil {
		close(s.work)
		s.senders.Wait()
	}
	for i, l := range s.lines {
		if l != nil {
			closeFD(l.fd)
		}
		for len(s.spare[i]) > 0 {
			closeFD((<-s.spare[i]).fd)
		}
	}
	s.source.close()
}

func (l *rawLine) family() int {
	if l.v6 {
		return 1
	}
	return 0
}

// add puts the packets of a shot into the batch. An error says what this
// machine cannot do.
func (s *rawSender) add(shot *scanner.Shot) error {
	addr := shot.Addr.Unmap()
	if !addr.IsValid() {
		return errBadAddr
	}
	l := s.lines[family(addr)]
	if l == nil {
		return unix.EAFNOSUPPORT
	}
	src, err := s.source.to(addr)
	if err != nil {
		return err
	}
	f := packet.Fields{
		Src: src, Dst: addr, SrcPort: s.window.port(shot.Key), DstPort: shot.Port,
		HopLimit: shot.HopLimit, Payload: shot.Payload,
	}
	if f.HopLimit == 0 {
		f.HopLimit = s.hops[family(addr)]
	}
	key := uint32(shot.Key) //nolint:gosec // the engine's keys fit, see scanner.Shot
	switch shot.Protocol {
	case scanner.TCP:
		f.Cookie = key ^ s.secret.Mark(packet.SYN, addr, f.DstPort, f.SrcPort)
		l.add(packet.SYN, shot, &f)
	case scanner.ICMP:
		f.Cookie = key ^ s.secret.Mark(packet.Echo, addr, 0, 0)
		l.add(packet.Echo, shot, &f)
	case scanner.UDP:
		if len(f.Payload) > maxDatagram || len(shot.Also) > maxDatagram {
			return unix.EMSGSIZE
		}
		f.Cookie = s.secret.Mark(packet.UDP, addr, f.DstPort, f.SrcPort) ^ key
		s.books.add(flowID{addr, f.DstPort, f.SrcPort}, shot, f.Cookie)
		l.add(packet.UDP, shot, &f)
		if shot.Also != nil {
			f.Payload = shot.Also
			l.add(packet.UDP, shot, &f)
		}
	default:
		return fmt.Errorf("protocol %s cannot be sent", shot.Protocol)
	}
	return nil
}

// maxDatagram keeps a datagram in one packet of the usual size.
const maxDatagram = 1400

func (l *rawLine) add(kind packet.Kind, shot *scanner.Shot, f *packet.Fields) {
	i, before := len(l.shots), len(l.arena)
	l.arena = l.templates[kind].Append(l.arena, f)
	l.shots = append(l.shots, sentShot{shot.Key, f.Dst, shot.Protocol, shot.Port, len(l.arena) - before})
	if l.v6 {
		l.names6[i].Addr = f.Dst.As16()
	} else {
		l.names4[i].Addr = f.Dst.As4()
	}
}

// full reports whether a batch may have no room for another shot.
func (s *rawSender) full() bool {
	for _, l := range s.lines {
		if l != nil && len(l.shots) >= rawBatch-1 {
			return true
		}
	}
	return false
}

// flush hands the batches over to be sent. It waits while all others are under
// way.
func (s *rawSender) flush() {
	for i, l := range s.lines {
		if l != nil && len(l.shots) > 0 {
			s.work <- l
			s.lines[i] = <-s.spare[i]
		}
	}
}

func (l *rawLine) flush(replies *replyQueue, frames func(Frame)) {
	at := 0
	for i, s := range l.shots { // the arena does not move any more
		l.iovs[i].Base = &l.arena[at]
		l.iovs[i].SetLen(s.size)
		at += s.size
	}
	for from := 0; from < len(l.shots); {
		now := time.Now()
		n, err := sendBatch(l.fd, l.msgs[from:len(l.shots)])
		if frames != nil {
			l.show(from, from+n, now, frames)
		}
		from += n
		if err != nil {
			s := l.shots[from]
			replies.put(localError(s.key, s.addr, time.Now(), fmt.Errorf("send: %w", err)))
			from++
		}
	}
	l.shots, l.arena = l.shots[:0], l.arena[:0]
}

// show hands on the packets that left.
func (l *rawLine) show(from, to int, now time.Time, frames func(Frame)) {
	at := 0
	for i, s := range l.shots[:to] {
		if i >= from {
			frames(Frame{At: now, Sent: true, Addr: s.addr, Protocol: s.proto, Port: s.port, Bytes: l.arena[at : at+s.size]})
		}
		at += s.size
	}
}
