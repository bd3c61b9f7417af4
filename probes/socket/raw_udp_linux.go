package socket

import (
	"cmreach/scanner"
	"net/netip"
	"sync"
	"time"
)

// udpBook keeps the datagrams that wait for an answer: a datagram has no field
// that its answer brings back, beside the ports.
type udpBook struct {
	mu    sync.Mutex
	flows map[flowID]udpFlow
	order []udpAge // in the order of sending
}

// flowID is a datagram's path and the port that it left from.
type flowID struct {
	peer        netip.Addr
	port, local uint16
}

type udpFlow struct {
	key    uint64
	cookie uint32 // in the network header, which an ICMP error quotes
	until  time.Time
}

type udpAge struct {
	id    flowID
	key   uint64
	until time.Time
}

func newUDPBook() *udpBook { return &udpBook{flows: map[flowID]udpFlow{}} }

// udpGrace is how long after its time a datagram's late answer is still known.
const udpGrace = 10 * time.Second

// add notes a shot that leaves now.
func (b *udpBook) add(id flowID, shot *scanner.Shot, cookie uint32) {
	now := time.Now()
	wait := shot.Wait
	if wait <= 0 {
		wait = defaultWait
	}
	until := now.Add(wait + udpGrace)
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.order) > 0 && b.order[0].until.Before(now) {
		old := b.order[0]
		b.order = b.order[1:]
		if b.flows[old.id].key == old.key {
			delete(b.flows, old.id)
		}
	}
	b.flows[id] = udpFlow{key: shot.Key, cookie: cookie, until: until}
	b.order = append(b.order, udpAge{id, shot.Key, until})
}

// answered returns the key of the shot that a datagram answers.
func (b *udpBook) answered(id flowID) (uint64, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.flows[id]
	return f.key, ok
}

// quoted returns the key of the shot that an ICMP error quotes; the cookie is
// as many bits of it as the header holds.
func (b *udpBook) quoted(id flowID, cookie uint32) (uint64, bool) {
	bits := uint32(0xffff)
	if id.peer.Is6() {
		bits = 0xfffff
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.flows[id]
	return f.key, ok && f.cookie&bits == cookie&bits
}
