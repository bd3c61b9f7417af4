package lab

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
)

// Lab is a network that runs.
type Lab struct {
	net    *Network
	dns    netip.AddrPort
	ns     namespaces
	ctx    context.Context // ends with the lab
	cancel context.CancelFunc
	serve  sync.WaitGroup // listeners and the conversations on them

	mu      sync.Mutex
	closers []func() error

	once     sync.Once
	closeErr error
}

func newLab(ctx context.Context, n *Network) *Lab {
	l := &Lab{net: n, dns: netip.AddrPortFrom(n.DNS, dnsPort)}
	// Only the building ends with ctx. Were the services to end with it, a check
	// that is being interrupted would see them die, and take it for the network's doing.
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return l
}

// Network returns the description.
func (l *Lab) Network() *Network { return l.net }

// Close ends every service and takes the network down. It may be called twice.
func (l *Lab) Close() error {
	l.once.Do(func() {
		l.cancel()
		l.mu.Lock()
		closers := l.closers
		l.mu.Unlock()
		var errs []error
		for _, c := range closers {
			if err := c(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
		l.serve.Wait()
		errs = append(errs, l.ns.close())
		l.closeErr = errors.Join(errs...)
	})
	return l.closeErr
}

func (l *Lab) onClose(f func() error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closers = append(l.closers, f)
}

// Resolver asks the lab's own DNS server, whatever this machine's name
// resolution is set to.
func (l *Lab) Resolver() *net.Resolver {
	server := l.dns
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, server.String())
		},
	}
}
