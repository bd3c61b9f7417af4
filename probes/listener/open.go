package listener

import (
	"cmreach/probes/wire/beacon"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"syscall"
)

// Why a port could not be taken.
var (
	ErrInUse      = errors.New("another program has it")
	ErrPermission = errors.New("this user may not open it")
)

// Untaken is a port that could not be taken at an address.
type Untaken struct {
	Addr netip.Addr
	Port beacon.Port
	Err  error
}

// datagrams is the part of *net.UDPConn that a listener uses.
type datagrams interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	Close() error
}

// endpoint is one port of one address.
type endpoint struct {
	addr netip.Addr
	port beacon.Port
	udp  datagrams
	tcp  net.Listener
	*tally
}

func (e *endpoint) close() {
	if e.udp != nil {
		_ = e.udp.Close()
	}
	if e.tcp != nil {
		_ = e.tcp.Close()
	}
}

// LocalAddrs are the addresses of this machine at which it can be asked: not
// those of a single link, which mean nothing elsewhere.
func LocalAddrs() ([]netip.Addr, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list the addresses of this machine: %w", err)
	}
	var out []netip.Addr
	for _, a := range all {
		p, err := netip.ParsePrefix(a.String())
		if addr := p.Addr().Unmap(); err == nil && !addr.IsLinkLocalUnicast() && !slices.Contains(out, addr) {
			out = append(out, addr)
		}
	}
	return out, nil
}

// Open takes every port at every address. Each gets a socket of its own, so that
// an answer leaves from the address that was asked, on every system. What could
// not be taken is told; the listener holds the rest.
func Open(ctx context.Context, c Config) (*Listener, []Untaken) {
	l := newListener(c)
	var failed []Untaken
	for _, port := range c.Ports {
		for _, addr := range c.Addrs {
			e, err := take(ctx, addr, port)
			if err != nil {
				failed = append(failed, Untaken{Addr: addr, Port: port, Err: err})
				continue
			}
			l.add(e)
		}
	}
	return l, failed
}

// take opens one port of one address.
func take(ctx context.Context, addr netip.Addr, port beacon.Port) (*endpoint, error) {
	if err := free(ctx, addr, port); err != nil {
		return nil, err
	}
	e := &endpoint{addr: addr, port: port}
	var lc net.ListenConfig
	at := netip.AddrPortFrom(addr, port.Number)
	if port.Protocol == beacon.TCP {
		ln, err := lc.Listen(ctx, "tcp", at.String())
		e.tcp = ln
		return e, why(err)
	}
	pc, err := lc.ListenPacket(ctx, "udp", at.String())
	if err != nil {
		return nil, why(err)
	}
	conn, ok := pc.(*net.UDPConn)
	if !ok {
		_ = pc.Close()
		return nil, fmt.Errorf("no UDP socket: %T", pc)
	}
	e.udp = conn
	return e, nil
}

// free makes sure that no service holds the port at all addresses together.
// Linux refuses a single address then; Windows and macOS would hand it over,
// and the listener would answer in place of the service.
func free(ctx context.Context, addr netip.Addr, port beacon.Port) error {
	if runtime.GOOS == "linux" || addr.IsLoopback() {
		return nil
	}
	var lc net.ListenConfig
	family, all := "4", "0.0.0.0"
	if addr.Is6() {
		family, all = "6", "::"
	}
	at := net.JoinHostPort(all, strconv.Itoa(int(port.Number)))
	if port.Protocol == beacon.TCP {
		ln, err := lc.Listen(ctx, "tcp"+family, at)
		if err == nil {
			err = ln.Close()
		}
		return why(err)
	}
	pc, err := lc.ListenPacket(ctx, "udp"+family, at)
	if err == nil {
		err = pc.Close()
	}
	return why(err)
}

// Numbers of Windows (winerror.h), which has its own.
const (
	wsaAccess = syscall.Errno(10013)
	wsaInUse  = syscall.Errno(10048)
)

// why puts the errors that an administrator can mend into words.
func why(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, wsaInUse):
		return ErrInUse
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM), errors.Is(err, wsaAccess):
		return ErrPermission
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return err
}
