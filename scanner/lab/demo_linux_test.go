package lab_test

import (
	"cmreach/scanner/lab"
	"context"
	"fmt"
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
	if len(p.Targets) < 240 || len(p.Checks) != 2 {
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
	switch row := strings.TrimPrefix(e.Row, "push/"); row + " " + e.State {
	case "icmp open", "icmp wrong-host":
		return want(ping(e.Addr), "open")
	case "icmp down":
		return want(ping(e.Addr), "silent")
	case "smb open", "smb wrong-host":
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
	case "rpc-dynamic open", "rpc-dynamic wrong-host", "rpc-dynamic blocked", "rpc-dynamic inconclusive":
		return dynamic(ctx, e, prohibited)
	case "smb blocked":
		return want(connect(at(445)), prohibited)
	case "smb down":
		return want(connect(at(445)), "silent")
	case "epm-tcp down", "rpc-dynamic down":
		return want(connect(at(135)), "silent")
	case "epm-udp open", "epm-udp wrong-host":
		return udpMapper(at(135))
	case "epm-udp down":
		return want(datagram(at(135)), "silent")
	case "mp-http untested", "mp-https untested":
		return nil
	case "mp-http open", "mp-http wrong-service":
		status, body, err := get(ctx, "http://"+at(80).String()+"/SMS_MP/.sms_aut?MPLIST")
		is := status == 200 && strings.Contains(body, `FQDN="`+e.Host+`"`)
		if err != nil || is != (e.State == "open") || !is && status != 502 {
			return fmt.Errorf("status %d, %w: %s", status, err, body)
		}
		return nil
	default:
		return fmt.Errorf("the test does not know how to look at %s %s", row, e.State)
	}
}

// dynamic asks the mapper for its ports, as it must be possible in any case,
// and looks at each of them.
func dynamic(ctx context.Context, e lab.Expected, prohibited seen) error {
	ports, err := mapped(ctx, netip.AddrPortFrom(e.Addr, 135), 2)
	if err != nil || !slices.Equal(ports, []uint16{49664, 49665, 49666}) {
		return fmt.Errorf("ports %v, %w", ports, err)
	}
	wants := map[string]seen{"open": "open", "wrong-host": "open", "blocked": prohibited, "inconclusive": "silent"}
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
		if e.By.IsValid() != (e.State == "blocked") {
			t.Errorf("%+v: somebody is to be named when, and only when, something is rejected", e)
		}
	}
	// 248 clients with one address, of which 16 have two, and two management points.
	if want := (248+16)*5 + 2*2; len(p.Checks[0].Truth) != want {
		t.Errorf("%d lines, want %d", len(p.Checks[0].Truth), want)
	}
	want := map[string]int{"open": 1195, "blocked": 80, "inconclusive": 40, "down": 40, "wrong-host": 5, "untested": 4}
	want["open"] = (248+16)*5 - 80 - 40 - 40 - 5
	if fmt.Sprint(states) != fmt.Sprint(want) {
		t.Errorf("states %v, want %v", states, want)
	}
	if len(p.Faults) != 3+8+1+1 {
		t.Errorf("faults %q", p.Faults)
	}
}

func TestUnknownNameDoesNotExist(t *testing.T) {
	l, _ := demo(t)
	if addrs, err := l.Resolver().LookupNetIP(t.Context(), "ip", "pc-999.lab.test."); err == nil {
		t.Errorf("resolves to %v", addrs)
	}
}
