package lab_test

import (
	"bytes"
	"cmreach/probes/wire/epm"
	"cmreach/probes/wire/rpc"
	"cmreach/scanner/lab"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// udpMapper makes a connectionless call of the endpoint mapper, and one of an
// interface that is not there.
func udpMapper(to netip.AddrPort) error {
	for iface, want := range map[rpc.Syntax]rpc.DatagramType{rpc.EndpointMapper: rpc.DatagramResponse, rpc.Management: rpc.DatagramReject} {
		c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
		if err != nil {
			return err
		}
		defer c.Close()
		request, err := rpc.NewDatagram(iface, epm.OpLookup, rpc.UUID{1}, epm.LookupRequest{VersionOption: 1, Max: 10}.Encode()).Encode()
		if err != nil {
			return err
		}
		b := make([]byte, 4096)
		if _, err := c.Write(request); err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return err
		}
		n, err := c.Read(b)
		if err != nil {
			return err
		}
		m, err := rpc.DecodeDatagram(b[:n])
		if err != nil || m.Type != want || m.Activity != (rpc.UUID{1}) {
			return fmt.Errorf("answer %+v, %w, want %v", m, err, want)
		}
	}
	return nil
}

func TestLoopbackIsAsPlanted(t *testing.T) {
	l, p, err := lab.Loopback(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	states := map[string]int{}
	for _, c := range p.Checks {
		for _, e := range c.Truth {
			states[e.State]++
			if err := resolves(t.Context(), l, e); err != nil {
				t.Error(err)
			}
			if err := loopbackAsPlanted(t, p, e); err != nil {
				t.Errorf("%s of %s (%v) should be %s: %v", e.Row, e.Host, e.Addr, e.State, err)
			}
		}
	}
	if len(p.Targets) == 6 { // otherwise there is one loopback address only
		// Six clients with four rows, and what leads to servers: 5 rows from here, 25 from elsewhere, which are
		// there twice; one of these is for people alone.
		want := map[string]int{"wrong-host": 4, "inconclusive": 2, "wrong-service": 2 + 1 + 4 + 2, "open": 15 + 4 + 19, "untested": 25 + 1}
		if fmt.Sprint(states) != fmt.Sprint(want) {
			t.Errorf("states %v, want %v", states, want)
		}
	}
}

// resolves checks that the lab's DNS gives the host the address.
func resolves(ctx context.Context, l *lab.Lab, e lab.Expected) error {
	addrs, err := l.Resolver().LookupNetIP(ctx, "ip", e.Host)
	if err != nil || !slices.Contains(addrs, e.Addr) {
		return fmt.Errorf("%s resolves to %v, %w, want %v", e.Host, addrs, err, e.Addr)
	}
	return nil
}

func loopbackAsPlanted(t *testing.T, p *lab.Plan, e lab.Expected) error {
	at := func(name string) netip.AddrPort { return netip.AddrPortFrom(e.Addr, p.Ports[name]) }
	_, row, _ := strings.Cut(e.Row, "/")
	switch row + " " + e.State {
	case "smb open", "smb wrong-host", "client-smb open", "client-smb wrong-host":
		info, err := challenged(t.Context(), at("smb"))
		if err != nil || (info.DNSComputer == e.Host) != (e.State == "open") {
			return fmt.Errorf("challenge of %+v, %w", info, err)
		}
	case "smb wrong-service", "client-smb wrong-service":
		c, err := dial(t.Context(), at("smb"))
		if err != nil {
			return err
		}
		defer c.Close()
		b := make([]byte, 4)
		if _, err := io.ReadFull(c, b); err != nil || string(b) != "SSH-" {
			return fmt.Errorf("greeting %q, %w", b, err)
		}
	case "epm-tcp open", "epm-tcp wrong-host", "rpc-dynamic open", "rpc-dynamic wrong-host":
		ports, err := mapped(t.Context(), at("epm"), 10)
		if err != nil || row == "rpc-dynamic" && len(ports) != 1 {
			return fmt.Errorf("ports %v, %w", ports, err)
		}
	case "epm-tcp wrong-service", "rpc-dynamic inconclusive":
		if e.Host == "pc-004.lab.test" {
			if text, err := mapped(t.Context(), at("epm"), 10); err == nil {
				return fmt.Errorf("an endpoint mapper with %v", text)
			}
			return nil
		}
		ports, err := mapped(t.Context(), at("epm"), 10)
		if len(ports) > 0 || err != nil {
			return fmt.Errorf("ports %v, %w", ports, err)
		}
	default:
		return serverAsPlanted(t.Context(), e, at)
	}
	return nil
}

func TestHostileServices(t *testing.T) {
	start(t, hostile())
	for name, tt := range map[string]struct {
		port uint16
		talk func(c net.Conn) error
	}{
		"hangup": {1, func(c net.Conn) error {
			if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
				return fmt.Errorf("read %d bytes, %w, want the end", n, err)
			}
			return nil
		}},
		"reset": {2, func(c net.Conn) error {
			if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, io.EOF) {
				return fmt.Errorf("read %d bytes, %w, want a reset", n, err)
			}
			return nil
		}},
		"endless": {3, func(c net.Conn) error {
			_, err := io.CopyN(io.Discard, c, 16<<20)
			return err
		}},
		"garbage": {4, func(c net.Conn) error {
			ask, got := make([]byte, 64), make([]byte, 64)
			if _, err := c.Write(ask); err != nil {
				return err
			}
			if _, err := io.ReadFull(c, got); err != nil || bytes.Equal(ask, got) {
				return fmt.Errorf("read % x, %w", got, err)
			}
			return nil
		}},
		"tarpit": {5, func(c net.Conn) error {
			_, err := io.ReadFull(c, make([]byte, 5))
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := dial(t.Context(), netip.AddrPortFrom(netip.MustParseAddr("198.19.1.1"), tt.port))
			if name == "reset" && errors.Is(err, syscall.ECONNRESET) {
				return // it came before the dialer had looked
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := tt.talk(c); err != nil {
				t.Error(err)
			}
		})
	}
}

func hostile() *lab.Network {
	return &lab.Network{
		Domain: "lab.test", Routers: []lab.Router{{Name: "r1"}},
		Fleets: []lab.Fleet{{
			Name: "hostile", Behind: "r1", Prefixes: []netip.Prefix{netip.MustParsePrefix("198.19.1.0/24")},
			Listen: []lab.Listen{
				{Port: 1, Service: lab.Hangup()},
				{Port: 2, Service: lab.Reset()},
				{Port: 3, Service: lab.Endless()},
				{Port: 4, Service: lab.Garbage()},
				{Port: 5, Service: lab.Tarpit(time.Millisecond)},
			},
		}},
	}
}

func TestValidateNamesEveryMistake(t *testing.T) {
	p := netip.MustParsePrefix
	n := &lab.Network{
		Routers: []lab.Router{
			{Name: "r1", Behind: "r9", Filters: []lab.Filter{{Do: lab.Lose}, {}, {Do: lab.RejectReset}, {Do: lab.Drop, First: 5}}},
			{Name: "r1", Behind: "r1", Routes: []lab.Route{{To: p("10.0.0.0/8"), Kind: lab.RouteLoop}}},
		},
		Fleets: []lab.Fleet{
			{Name: "f", Behind: "nowhere", Prefixes: []netip.Prefix{p("192.0.2.0/24")}, Off: []netip.Prefix{p("198.19.0.1/32")}},
			{Name: "g", Behind: "r1", Listen: []lab.Listen{{Port: 445}, {Port: 0, Service: lab.Mute()}, {Addr: netip.MustParseAddr("198.19.9.9"), Port: 1, Service: lab.Mute()}}},
		},
	}
	err := n.Validate()
	if err == nil {
		t.Fatal("nothing is wrong")
	}
	got := strings.Split(err.Error(), "\n")
	for _, want := range []string{
		"only that, is behind nothing", "used twice", "percentage", "no such action", "reset needs", "ports need", "10.0.0.0/8",
		"is no router", "192.0.2.0/24", "off but not in", "no addresses", "exactly one of", "without a port", "198.19.9.9",
	} {
		if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("no error with %q in:\n%v", want, err)
		}
	}
}
