package socket

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

const (
	serialSize = 8
	tagSize    = 16
	cookieSize = serialSize + tagSize
)

// pendingEcho is an echo request that waits for its answer.
type pendingEcho struct {
	serial uint64
	seq    uint16
	to     netip.Addr
}

// echoBook knows the echo requests of one family that are under way. What
// comes back is matched by a payload that only the holder of the key can have
// made: a serial number and a message authentication code over it and the
// address. Errors that quote only 8 bytes are matched by id, sequence number
// and address; the latest request with that number counts.
type echoBook struct {
	key      [32]byte
	id       uint16
	seq      uint16
	serial   uint64
	bySerial map[uint64]*pendingEcho
	bySeq    map[uint16]*pendingEcho
}

func newEchoBook(key [32]byte, id uint16) *echoBook {
	return &echoBook{
		key: key, id: id,
		bySerial: make(map[uint64]*pendingEcho),
		bySeq:    make(map[uint16]*pendingEcho),
	}
}

// add begins a request.
func (b *echoBook) add(to netip.Addr) *pendingEcho {
	b.serial++
	b.seq++
	p := &pendingEcho{serial: b.serial, seq: b.seq, to: to.WithZone("")}
	b.bySerial[p.serial] = p
	b.bySeq[p.seq] = p
	return p
}

// remove ends a request.
func (b *echoBook) remove(p *pendingEcho) {
	delete(b.bySerial, p.serial)
	if b.bySeq[p.seq] == p {
		delete(b.bySeq, p.seq)
	}
}

// cookie is the payload of a request.
func (b *echoBook) cookie(p *pendingEcho) []byte {
	out := make([]byte, serialSize, cookieSize+sha256.Size)
	binary.BigEndian.PutUint64(out, p.serial)
	to := p.to.As16()
	mac := hmac.New(sha256.New, b.key[:])
	mac.Write(out)
	mac.Write(to[:])
	return mac.Sum(out)[:cookieSize]
}

// request returns the bytes of an echo request. The ICMPv6 checksum is the
// kernel's to fill in (RFC 3542 3.1).
func (b *echoBook) request(p *pendingEcho) ([]byte, error) {
	m := icmp.Message{
		Type: ipv4.ICMPTypeEcho,
		Body: &icmp.Echo{ID: int(b.id), Seq: int(p.seq), Data: b.cookie(p)},
	}
	if p.to.Is6() {
		m.Type = ipv6.ICMPTypeEchoRequest
	}
	return m.Marshal(nil)
}

// reply finds the request that an echo reply from the given address answers.
func (b *echoBook) reply(from netip.Addr, message []byte) *pendingEcho {
	m, ok := parseEcho(message)
	want := uint8(icmp4EchoReply)
	if from.Is6() {
		want = icmp6EchoReply
	}
	if !ok || m.kind != want || m.code != 0 || len(m.data) < cookieSize {
		return nil
	}
	p := b.genuine(m)
	if p == nil || p.to != from.WithZone("") {
		return nil
	}
	return p
}

// quoted finds the request that an ICMP error about a packet to the given
// address quotes, from the ICMP header on.
func (b *echoBook) quoted(to netip.Addr, transport []byte) *pendingEcho {
	m, ok := parseEcho(transport)
	want := uint8(icmp4EchoRequest)
	if to.Is6() {
		want = icmp6EchoRequest
	}
	if !ok || m.kind != want {
		return nil
	}
	p := b.bySeq[m.seq]
	if len(m.data) >= serialSize {
		p = b.genuine(m)
	}
	if p == nil || p.to != to.WithZone("") || m.id != b.id {
		return nil
	}
	return p
}

// genuine finds the request by its serial number and compares as much of its
// cookie as there is.
func (b *echoBook) genuine(m echoMessage) *pendingEcho {
	p := b.bySerial[binary.BigEndian.Uint64(m.data)]
	if p == nil || p.seq != m.seq || m.id != b.id {
		return nil
	}
	n := min(len(m.data), cookieSize)
	if !hmac.Equal(b.cookie(p)[:n], m.data[:n]) {
		return nil
	}
	return p
}
