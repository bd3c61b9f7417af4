package main

import (
	"cmreach/probes/socket"
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// TestCapture holds which packets get into the file.
func TestCapture(t *testing.T) {
	good, bad := netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("fd00:198::1")
	findings := []verdict.Finding{
		{Protocol: scanner.TCP, Port: 445, State: verdict.Open},
		{Protocol: scanner.TCP, Port: 135, State: verdict.Blocked},
		{Protocol: scanner.UDP, Port: 135, State: verdict.Open},
	}
	at := time.Date(2026, 11, 21, 1, 2, 3, 456789012, time.UTC)
	for name, c := range map[string]struct {
		all  bool
		want string
	}{"failed": {false, "tcp135 dyn"}, "all": {true, "good tcp445 tcp135 udp135 dyn"}} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "x.pcapng")
			k, err := newCapture(file, c.all)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range []socket.Frame{
				{At: at, Addr: good, Protocol: scanner.TCP, Port: 445, Bytes: []byte("good")},
				{At: at, Addr: bad, Protocol: scanner.TCP, Port: 445, Bytes: []byte("tcp445")},
				{At: at, Addr: bad, Protocol: scanner.TCP, Port: 135, Bytes: []byte("tcp135")},
				{At: at, Addr: bad, Protocol: scanner.UDP, Port: 135, Bytes: []byte("udp135")},
				{At: at, Addr: bad, Protocol: scanner.TCP, Port: 49664, Bytes: []byte("dyn")},
			} {
				k.add(f)
			}
			k.judged(good, []verdict.Finding{{Protocol: scanner.TCP, Port: 445, State: verdict.Open}})
			k.judged(bad, findings)
			if err := k.close(); err != nil || k.kept != 0 || len(k.hosts) != 0 {
				t.Fatalf("%v, %d bytes and %d hosts kept", err, k.kept, len(k.hosts))
			}
			if got := strings.Join(readCapture(t, file, at), " "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// readCapture returns the packets of a file.
func readCapture(t *testing.T, file string, at time.Time) []string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	if r.LinkType() != layers.LinkTypeRaw {
		t.Errorf("link type %v", r.LinkType())
	}
	var out []string
	for {
		b, info, err := r.ReadPacketData()
		if err != nil {
			return out
		}
		if !info.Timestamp.Equal(at) {
			t.Errorf("at %s, want %s", info.Timestamp, at)
		}
		out = append(out, string(b))
	}
}

// TestCaptureFull holds that packets without end do not fill the memory, and
// that what is left out is said.
func TestCaptureFull(t *testing.T) {
	k, err := newCapture(filepath.Join(t.TempDir(), "x.pcapng"), false)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		k.add(socket.Frame{Addr: netip.MustParseAddr("198.18.0.1"), Bytes: make([]byte, maxCapture/2)})
	}
	if err := k.close(); err == nil || !strings.Contains(err.Error(), "1 packets were left out") {
		t.Errorf("got %v", err)
	}
}
