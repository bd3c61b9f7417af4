package lab_test

import (
	"cmreach/scanner/lab"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

func demo(t *testing.T) (*lab.Lab, *lab.Plan) {
	t.Helper()
	p := lab.Demo(lab.IPv6())
	return start(t, p.Network), p
}

// TestDemoIsAsPlanted holds every line of the truth against the wire.
func TestDemoIsAsPlanted(t *testing.T) {
	l, p := demo(t)
	if len(p.Targets) < 240 || len(p.Checks) != 3 {
		t.Fatalf("%d targets, %d checks", len(p.Targets), len(p.Checks))
	}
	var g errgroup.Group
	g.SetLimit(64)
	for _, c := range p.Checks {
		for _, e := range c.Truth {
			g.Go(func() error {
				if err := resolves(t.Context(), l, e); err != nil {
					return err
				}
				if err := asPlanted(t.Context(), e); err != nil {
					return fmt.Errorf("%s of %s (%v) should be %s %v: %w", e.Row, e.Host, e.Addr, e.State, e.By, err)
				}
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// asPlanted checks that the wire shows what the verdict is to be drawn from.
func asPlanted(ctx context.Context, e lab.Expected) error {
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(e.Addr, port) }
	want := func(got, want seen) error {
		if got != want {
			return fmt.Errorf("got %q, want %q", got, want)
		}
		return nil
	}
	prohibited := seen(fmt.Sprintf("icmp 3/13 by %v", e.By))
	if e.Addr.Is6() {
		prohibited = seen(fmt.Sprintf("icmp 1/1 by %v", e.By)) // RFC 4443 3.1
	}
	_, row, _ := strings.Cut(e.Row, "/")
	switch row + " " + e.State {
	case "icmp open", "icmp wrong-host":
		return want(ping(e.Addr), "open")
	case "icmp blocked":
		return want(ping(e.Addr), "silent")
	case "smb open", "smb wrong-host", "client-smb open", "client-smb wrong-host":
		info, err := challenged(ctx, at(445))
		if same := info.DNSComputer == e.Host; err != nil || same != (e.State == "open") {
			return fmt.Errorf("challenge of %+v, %w", info, err)
		}
		return nil
	case "epm-tcp open", "epm-tcp wrong-host":
		names, err := alive(ctx, at(135))
		if err != nil || len(names) < 2 {
			return fmt.Errorf("names %q, %w", names, err)
		}
		if same := strings.EqualFold(names[0]+".lab.test", e.Host); same != (e.State == "open") || !slices.Contains(names, e.Addr.String()) {
			return fmt.Errorf("names %q", names)
		}
		return nil
	case "rpc-dynamic open", "rpc-dynamic wrong-host", "rpc-dynamic blocked", "shv-rpc-dynamic open":
		return dynamic(ctx, e, prohibited)
	case "smb blocked", "client-smb blocked":
		return want(connect(at(445)), prohibited)
	case "epm-udp open", "epm-udp wrong-host":
		return udpMapper(at(135))
	case "sup-http blocked":
		return want(connect(at(8530)), "silent")
	case "gc-ldap blocked":
		return want(connect(at(3268)), prohibited)
	case "dhcp open":
		return inform(at(67))
	default:
		return serverAsPlanted(ctx, e, func(name string) netip.AddrPort { return at(usual[name]) })
	}
}

// usual are the ports of the servers, by the names in the profiles.
var usual = map[string]uint16{
	"smb": 445, "epm": 135, "http": 80, "https": 443, "sup-http": 8530, "sup-https": 8531, "ldap": 389, "ldaps": 636,
	"gc": 3268, "gcs": 3269, "hra-http": 80, "hra-https": 443, "ike": 500, "ike-natt": 4500,
}

// dynamic asks the mapper for its ports, as it must be possible in any case,
// and looks at each of them.
func dynamic(ctx context.Context, e lab.Expected, prohibited seen) error {
	ports, err := mapped(ctx, netip.AddrPortFrom(e.Addr, 135), 2)
	if err != nil || !slices.Equal(ports, []uint16{49664, 49665, 49666}) {
		return fmt.Errorf("ports %v, %w", ports, err)
	}
	wants := map[string]seen{"open": "open", "wrong-host": "open", "blocked": prohibited}
	for _, p := range ports {
		if got := connect(netip.AddrPortFrom(e.Addr, p)); got != wants[e.State] {
			return fmt.Errorf("port %d: got %q, want %q", p, got, wants[e.State])
		}
	}
	return nil
}

func TestCrowdIsAsPlanted(t *testing.T) {
	p := lab.Crowd(7*256 + 20)
	if len(p.Targets) != 7*256+20 || len(p.Faults) != 7 {
		t.Fatalf("%d targets, faults %q", len(p.Targets), p.Faults)
	}
	start(t, p.Network)
	var g errgroup.Group
	g.SetLimit(64)
	for i, e := range p.Checks[0].Truth {
		if i/3%16 != 0 && i < 7*256*3 { // the rest is no different
			continue
		}
		g.Go(func() error {
			if err := crowdAsPlanted(t.Context(), e); err != nil {
				return fmt.Errorf("%s of %s (%v) should be %s %v: %w", e.Row, e.Host, e.Addr, e.State, e.By, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

func crowdAsPlanted(ctx context.Context, e lab.Expected) error {
	port := map[string]uint16{"push/smb": 445, "push/epm-tcp": 135}[e.Row]
	at := netip.AddrPortFrom(e.Addr, port)
	look := func() seen {
		if port == 0 {
			return ping(e.Addr)
		}
		return connect(at)
	}
	switch {
	case e.Row == "push/smb" && (e.State == "open" || e.State == "wrong-host"):
		info, err := challenged(ctx, at)
		if err != nil || (info.DNSComputer == e.Host) != (e.State == "open") {
			return fmt.Errorf("challenge of %+v, %w", info, err)
		}
		return nil
	case e.Row == "push/epm-tcp" && e.State == "wrong-service":
		if text, err := mapped(ctx, at, 10); err == nil {
			return fmt.Errorf("an endpoint mapper with %v", text)
		}
		return nil
	}
	want := seen("open")
	switch {
	case e.By.IsValid():
		want = seen(fmt.Sprintf("icmp 3/13 by %v", e.By))
	case e.State == "blocked" || e.State == "down":
		want = "silent"
	}
	if got := look(); got != want {
		return fmt.Errorf("got %q, want %q", got, want)
	}
	return nil
}

func TestDemoTruthIsComplete(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		if p := lab.Demo(v6); p.Network.HasIPv6() != v6 || p.Network.Validate() != nil {
			t.Errorf("with IPv6 %v: IPv6 %v, %v", v6, p.Network.HasIPv6(), p.Network.Validate())
		}
	}
	p := lab.Demo(true)
	type path struct {
		host, row string
		addr      netip.Addr
	}
	seen, states := map[path]bool{}, map[string]int{}
	for _, e := range p.Checks[0].Truth {
		k := path{e.Host, e.Row, e.Addr}
		if seen[k] {
			t.Errorf("%+v is there twice", k)
		}
		seen[k] = true
		states[e.State]++
		if rejected := e.State == "blocked" && e.Row != "push/icmp"; e.By.IsValid() != rejected {
			t.Errorf("%+v: somebody is to be named when, and only when, something is rejected", e)
		}
	}
	// Of 248 clients 16 have two addresses. Three subnets have a fault each, SMB in two rows.
	clients := (248 + 16) * 6
	want := map[string]int{"blocked": 40 + 2*40 + 40, "wrong-host": 6}
	// The site server's own rows to servers, all with IPv6: LDAP, and three to the health validator.
	want["open"] = clients - want["blocked"] - want["wrong-host"] + 2*(1+3)
	want["wrong-service"] = 2 // LDAPS
	// What clients need: two of one management point twice, of the other in IPv4; and so on.
	want["untested"] = 2*4 + 4 + 2*(3+2+2) + 2 + 1 + 2*(2+3) + 2*(2+1)
	if fmt.Sprint(states) != fmt.Sprint(want) {
		t.Errorf("states %v, want %v", states, want)
	}
	if len(p.Faults) != 3+1+3+2 {
		t.Errorf("faults %q", p.Faults)
	}
}

func TestUnknownNameDoesNotExist(t *testing.T) {
	l, _ := demo(t)
	if addrs, err := l.Resolver().LookupNetIP(t.Context(), "ip", "pc-999.lab.test."); err == nil {
		t.Errorf("resolves to %v", addrs)
	}
}

// inform asks a DHCP server for its options from port 68.
func inform(to netip.AddrPort) error {
	from, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to)) // sends nothing: it only asks which address is ours
	if err != nil {
		return err
	}
	defer from.Close()
	ours, ok := from.LocalAddr().(*net.UDPAddr)
	if !ok {
		return fmt.Errorf("no UDP address: %v", from.LocalAddr())
	}
	request, err := informRequest(ours.IP)
	if err != nil {
		return err
	}
	b, err := exchange(&net.UDPAddr{IP: ours.IP, Port: 68}, to, request.ToBytes())
	if err != nil {
		return err
	}
	return isAck(b, request, to.Addr())
}
