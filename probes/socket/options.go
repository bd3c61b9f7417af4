package socket

import (
	"cmreach/scanner"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Options say how a [Connect] engine works. The zero value is usable.
type Options struct {
	// InFlight is the highest number of shots that wait for an answer at one
	// time. 0: as many as the limit of open files allows, at most 12288.
	InFlight int
	// Source4 and Source6 are the addresses to send from; invalid: the system chooses.
	Source4, Source6 netip.Addr
	// Key is the secret that marks our ICMP echo payloads. All zero: a random one is drawn.
	Key [32]byte

	// Frames is given each packet that the raw engine sends, and each that it
	// receives and cannot rule out to be an answer; from two goroutines, each from
	// one. Nil: nobody wants to see them.
	Frames func(Frame)

	window *portWindow // of the raw engine; nil: there is none
}

// Frame is a packet of the raw engine, from its network header on.
type Frame struct {
	At       time.Time
	Sent     bool       // else received
	Addr     netip.Addr // of the path that it belongs to
	Protocol scanner.Protocol
	Port     uint16
	Bytes    []byte // valid until the call returns
}

const (
	// maxInFlight bounds the memory that the kernel spends on our sockets.
	maxInFlight = 12288
	// reservedFiles are left for everything that is not a shot: reports, the
	// resolver, the engine's own sockets.
	reservedFiles = 64
	// defaultWait is for shots that do not say how long to wait.
	defaultWait = 2 * time.Second
	// maxAnswer is how much of a UDP answer is kept.
	maxAnswer = 4096
)

// checked returns the options with a key, or says what is wrong with them.
func (o Options) checked() (Options, error) {
	if o.InFlight < 0 {
		return o, fmt.Errorf("socket: %d shots in flight: must not be negative", o.InFlight)
	}
	if a := o.Source4; a.IsValid() && !a.Is4() {
		return o, fmt.Errorf("socket: source address %s is not an IPv4 address", a)
	}
	if a := o.Source6; a.IsValid() && (!a.Is6() || a.Is4In6()) {
		return o, fmt.Errorf("socket: source address %s is not an IPv6 address", a)
	}
	if o.Key == ([32]byte{}) {
		if _, err := rand.Read(o.Key[:]); err != nil {
			return o, fmt.Errorf("socket: draw a key: %w", err)
		}
	}
	return o, nil
}

// roomFor returns how many shots may be in flight when the process may have
// limit files open, and a note when that is less than was asked for.
func roomFor(asked int, limit uint64) (int, string) {
	most := maxInFlight
	if limit < 1<<20 {
		most = max(int(limit)*3/4-reservedFiles, 8)
	}
	if asked == 0 {
		return min(most, maxInFlight), ""
	}
	if asked > most {
		return most, fmt.Sprintf("only %d shots in flight, not %d: the limit of open files is %d (raise it with ulimit -n)", most, asked, limit)
	}
	return asked, ""
}

// source returns the address to send from to the given address.
func (o Options) source(to netip.Addr) netip.Addr {
	if to.Is4() {
		return o.Source4
	}
	return o.Source6
}

// checkSources says early, and in words, that an address to send from is not
// this machine's.
func checkSources(o Options) error {
	for _, src := range []netip.Addr{o.Source4, o.Source6} {
		if !src.IsValid() {
			continue
		}
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(src, 0)))
		if err != nil {
			return fmt.Errorf("socket: cannot send from %s (is it an address of this machine?): %w", src, err)
		}
		_ = conn.Close()
	}
	return nil
}

var errBadAddr = errors.New("not an address")
