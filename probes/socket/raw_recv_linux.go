package socket

import (
	"cmreach/probes/wire/packet"
	"cmreach/scanner"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	rawSlot   = 2048     // bytes of a packet that are read
	rawBuffer = 32 << 20 // of the kernel, for each family; bursts of answers must fit
	// rawNap lets answers gather before they are read: each waking costs more
	// than a packet. Their times are the kernel's.
	rawNap = time.Millisecond
	// rawCheck is how often the counters of lost packets are read.
	rawCheck = 50 * time.Millisecond
)

// rawReceiver reads the answers of all shots from one packet socket for each
// family. They stand before this machine's own packet filter and see a packet
// whole, the network header included.
type rawReceiver struct {
	secret *packet.Secret
	window *portWindow
	books  *udpBook
	own    map[netip.Addr]bool
	frames func(Frame) // of Options
	fds    [2]int
	wake   int
	msgs   []mmsghdr
	iovs   []unix.Iovec
	slots  []byte
	oobs   []byte
	turn   int     // the family to read next
	ready  [2]bool // by family: there is something to read
	parsed packet.Packet

	checked   time.Time
	links     []netip.Prefix                // the networks of this machine's interfaces
	onLink    atomic.Int64                  // when it last sent to one of them; nanoseconds since 1970
	from      [2]atomic.Pointer[netip.Addr] // where it last sent from, by family
	neighbour uint64
	watch     *linkWatch
	ctx       context.Context // whose end wakes
	stop      func() bool
}

const oobSize = 64 // one timestamp

func newRawReceiver(w *portWindow, key [16]byte, books *udpBook, v6 bool) (*rawReceiver, error) {
	secret, err := packet.NewSecret(key)
	if err != nil {
		return nil, err
	}
	r := &rawReceiver{
		secret: secret, window: w, books: books, fds: [2]int{-1, -1}, wake: -1,
		msgs: make([]mmsghdr, rawBatch), iovs: make([]unix.Iovec, rawBatch),
		slots: make([]byte, rawBatch*rawSlot), oobs: make([]byte, rawBatch*oobSize),
	}
	for i := range r.msgs {
		r.iovs[i].Base = &r.slots[i*rawSlot]
		r.iovs[i].SetLen(rawSlot)
		r.msgs[i].head.Iov = &r.iovs[i]
		r.msgs[i].head.SetIovlen(1)
	}
	for i := range r.fds {
		if i == 1 && !v6 {
			break
		}
		if r.fds[i], err = openPacketSocket(i == 1, w.first); err != nil {
			r.close()
			return nil, err
		}
	}
	if r.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		r.close()
		return nil, fmt.Errorf("socket: eventfd: %w", err)
	}
	if r.watch, err = openLinkWatch(); err != nil {
		r.close()
		return nil, err
	}
	r.neighbour, _ = neighbourFulls()
	r.links = onLink()
	return r, nil
}

// openPacketSocket opens a socket for the received packets of a family, on all
// interfaces (packet(7)). It is bound to the protocol only after the filter is
// in place, so that nothing else gets in.
func openPacketSocket(v6 bool, first uint16) (int, error) {
	proto := uint16(unix.ETH_P_IP)
	if v6 {
		proto = unix.ETH_P_IPV6
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: open a packet socket: %w", err)
	}
	growBuffer(fd, rawBuffer)
	err = attach(fd, rawFilter(v6, first))
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(proto)})
	}
	if err != nil {
		closeFD(fd)
		return -1, fmt.Errorf("socket: set a packet socket up: %w", err)
	}
	return fd, nil
}

// networkOrder is htons(3).
func networkOrder(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}

func (r *rawReceiver) close() {
	if r.stop != nil {
		r.stop()
	}
	for _, fd := range r.fds {
		closeFD(fd)
	}
	closeFD(r.wake)
	if r.watch != nil {
		r.watch.close()
	}
}

// wakeUp ends a wait.
func (r *rawReceiver) wakeUp() {
	one := [8]byte{7: 1}
	_, _ = unix.Write(r.wake, one[:]) // full: it is awake already
}

// wait waits until something may be there to read, or ctx is done.
func (r *rawReceiver) wait(ctx context.Context) error {
	if r.ctx != ctx {
		if r.stop != nil {
			r.stop()
		}
		r.ctx, r.stop = ctx, context.AfterFunc(ctx, r.wakeUp)
	}
	list := [3]unix.PollFd{2: {Fd: int32(r.wake), Events: unix.POLLIN}} //nolint:gosec // descriptors are small
	for i, fd := range r.fds {
		list[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN} //nolint:gosec // as above; a negative one is passed over (poll(2))
	}
	_, err := unix.Poll(list[:], int(rawCheck.Milliseconds()))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("socket: wait for packets: %w", err)
	}
	for i := range r.fds {
		r.ready[i] = r.ready[i] || list[i].Revents != 0
	}
	if list[2].Revents != 0 {
		var count [8]byte
		_, _ = unix.Read(r.wake, count[:])
		return nil
	}
	if err == nil {
		time.Sleep(rawNap)
	}
	return nil
}

// read fills replies with what is there already, of both families in turn, as
// far as wait knows of it. What tells of this machine's own trouble is a reply
// too.
func (r *rawReceiver) read(replies []scanner.Reply) int {
	n := r.check(replies)
	for range r.fds {
		r.turn = 1 - r.turn
		if r.ready[r.turn] && n < len(replies) {
			n += r.readFamily(r.turn, replies[n:])
		}
	}
	return n
}

// readFamily makes one system call. When it brings less than it may, nothing is
// left for now.
func (r *rawReceiver) readFamily(family int, replies []scanner.Reply) int {
	msgs := r.msgs[:min(len(r.msgs), len(replies))]
	for i := range msgs {
		h := &msgs[i].head
		h.Control = &r.oobs[i*oobSize]
		h.SetControllen(oobSize)
	}
	got, err := recvBatch(r.fds[family], msgs)
	r.ready[family] = got == len(msgs)
	if err != nil {
		return 0
	}
	n := 0
	for i := range msgs[:got] {
		b := r.slots[i*rawSlot : i*rawSlot+int(min(msgs[i].size, rawSlot))]
		if packet.Read(b, &r.parsed) && r.reply(&r.parsed, &replies[n]) {
			replies[n].At = timestamp(r.oobs[i*oobSize : i*oobSize+int(msgs[i].head.Controllen)]) //nolint:gosec // the kernel filled at most oobSize
			if r.frames != nil {
				r.frames(Frame{
					At: replies[n].At, Addr: replies[n].To.Addr(), Protocol: replies[n].Over, Port: replies[n].To.Port(), Bytes: b,
				})
			}
			n++
		}
	}
	return n
}

// timestamp reads the time of arrival (SO_TIMESTAMPNS, socket(7)); zero when it
// is missing.
func timestamp(oob []byte) time.Time {
	const head = unix.SizeofCmsghdr
	if len(oob) < head+int(unsafe.Sizeof(unix.Timespec{})) {
		return time.Time{}
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0])) //nolint:gosec // the length is checked
	if h.Level != unix.SOL_SOCKET || h.Type != unix.SO_TIMESTAMPNS {
		return time.Time{}
	}
	ts := (*unix.Timespec)(unsafe.Pointer(&oob[head])) //nolint:gosec // as above
	return time.Unix(ts.Unix())
}

// reply says what a packet answers, or false for nothing of ours.
func (r *rawReceiver) reply(p *packet.Packet, out *scanner.Reply) bool {
	*out = scanner.Reply{From: p.Src, TTL: p.Hops}
	if p.Error {
		return r.icmpError(p, out)
	}
	out.To, out.Over = netip.AddrPortFrom(p.Src, p.SrcPort), scanner.TCP
	switch p.Kind {
	case packet.SYN:
		switch {
		case !r.window.has(p.DstPort):
			return false
		case p.Flags&packet.FlagRST != 0:
			out.Outcome = scanner.Refused
		case p.Flags&(packet.FlagSYN|packet.FlagACK) == packet.FlagSYN|packet.FlagACK:
			out.Outcome = scanner.Answered
		default:
			return false
		}
		// A RST without ACK cannot be known for an answer; TCP does not take it
		// for one either (RFC 9293 3.5.3).
		out.Key = uint64((p.Ack - 1) ^ r.secret.Mark(packet.SYN, p.Src, p.SrcPort, p.DstPort))
		return p.Flags&packet.FlagACK != 0
	case packet.Echo:
		out.To, out.Over = netip.AddrPortFrom(p.Src, 0), scanner.ICMP
		out.Outcome = scanner.Answered
		out.Key = uint64(p.Cookie ^ r.secret.Mark(packet.Echo, p.Src, 0, 0))
		return true
	case packet.UDP:
		var ok bool
		out.Over = scanner.UDP
		out.Outcome = scanner.Answered
		out.Key, ok = r.books.answered(flowID{p.Src, p.SrcPort, p.DstPort})
		out.Payload = append([]byte(nil), p.Payload[:min(len(p.Payload), maxAnswer)]...)
		return ok
	}
	return false
}

// icmpError says which shot an ICMP error is about.
func (r *rawReceiver) icmpError(p *packet.Packet, out *scanner.Reply) bool {
	q, v6 := &p.Quote, p.Src.Is6()
	out.ICMP = scanner.ICMPError{Type: p.Type, Code: p.Code}
	if out.Outcome = outcomeOf(out.ICMP, v6); out.Outcome == scanner.OutcomeUnknown {
		return false
	}
	out.To, out.Over = netip.AddrPortFrom(q.Dst, q.DstPort), scanner.TCP
	switch p.Kind {
	case packet.SYN:
		if !r.window.has(q.SrcPort) {
			return false
		}
		out.Key = uint64(q.Cookie ^ r.secret.Mark(packet.SYN, q.Dst, q.DstPort, q.SrcPort))
	case packet.Echo:
		out.Over = scanner.ICMP
		out.Key = uint64(q.Cookie ^ r.secret.Mark(packet.Echo, q.Dst, 0, 0))
	case packet.UDP:
		out.Over = scanner.UDP
		var ok bool
		if out.Key, ok = r.books.quoted(flowID{q.Dst, q.DstPort, q.SrcPort}, q.Cookie); !ok {
			return false
		}
	}
	if r.own[p.Src] && p.Src != q.Dst && out.ICMP != hostUnreachable(v6) {
		text, _ := explain(q.Dst, ownReject(out.ICMP, p.Src))
		out.Outcome, out.Err = scanner.LocalError, text
	}
	return true
}

// sentTo notes that packets go to an address, from one of ours.
func (r *rawReceiver) sentTo(to, from netip.Addr) {
	r.from[family(to)].Store(&from)
	if slices.ContainsFunc(r.links, func(p netip.Prefix) bool { return p.Contains(to) }) {
		r.onLink.Store(time.Now().UnixNano())
	}
}

// check reads the counters of what this machine lost, now and then. Losses are
// told as a temporary error without a key.
func (r *rawReceiver) check(replies []scanner.Reply) int {
	now := time.Now()
	if now.Sub(r.checked) < rawCheck || len(replies) == 0 {
		return 0
	}
	r.checked = now
	var why error
	for _, fd := range r.fds {
		if fd < 0 {
			continue
		}
		if st, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil && st.Drops > 0 {
			why = fmt.Errorf("the receive buffer overflowed: %d packets were lost (net.core.rmem_max)", st.Drops)
		}
	}
	if n, ok := neighbourFulls(); ok && n != r.neighbour {
		r.neighbour = n
		if now.UnixNano()-r.onLink.Load() < int64(time.Second) {
			why = errNeighbours
		}
	}
	r.watch.drain()
	for i := range r.from {
		if from := r.from[i].Load(); from != nil && r.watch.down(*from) {
			why = fmt.Errorf("the interface with %s is down", from)
		}
	}
	if why == nil {
		return 0
	}
	replies[0] = scanner.Reply{Outcome: scanner.LocalError, At: now, Err: why.Error(), Temporary: true}
	return 1
}
