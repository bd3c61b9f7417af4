package scanner

import "net/netip"

// exchange is what datagrams from a port of our own have in common when they
// go to one port of one peer: no address and no port tells their answers apart.
type exchange struct {
	peer  netip.AddrPort
	local uint16
}

// mustWait reports whether a task has to wait for another whose answer could be
// taken for its own. It is sent when the other is done.
func (e *engine) mustWait(t *task) bool {
	if t.more == nil || t.more.udp.LocalPort == 0 {
		return false
	}
	x := t.exchange()
	turn := e.exchanges[x]
	if len(turn) > 0 && turn[0] == t {
		return false
	}
	e.exchanges[x] = append(turn, t)
	return len(turn) > 0
}

// passOn gives the exchange of a task that is done to the next one.
func (e *engine) passOn(t *task) {
	if t.more == nil || t.more.udp.LocalPort == 0 {
		return
	}
	x := t.exchange()
	turn := e.exchanges[x]
	switch {
	case len(turn) == 0 || turn[0] != t:
	case len(turn) == 1:
		delete(e.exchanges, x)
	default:
		e.exchanges[x] = turn[1:]
		e.ask(turn[1], e.now)
	}
}

func (t *task) exchange() exchange {
	return exchange{netip.AddrPortFrom(t.host.Addr, t.port), t.more.udp.LocalPort}
}
