package record_test

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/record"
	"fmt"
	"io"
	"net/netip"
	"testing"
	"time"
)

// finding is the size of a real one; it writes itself with reflection.
type finding struct {
	Profile, Requirement, Host, Addr, State, Reason, Message string
	Evidence                                                 []string
}

// sweptHost is a host of four rows at --depth port.
func sweptHost(n int) scanner.Host {
	h := scanner.Host{Addr: netip.AddrFrom4([4]byte{198, 19, byte(n >> 8), byte(n)})}
	h.Name = h.Addr.String()
	for i, port := range []uint16{0, 135, 445, 2701} {
		p := scanner.TCP
		if port == 0 {
			p = scanner.ICMP
		}
		h.Rows = append(h.Rows, &scanner.Requirement{ID: fmt.Sprintf("sweep/row-%d", i), Protocol: p, Port: port})
		h.Observations = append(h.Observations, scanner.Observation{
			Protocol: p, Port: port, Outcome: scanner.Answered, Sent: started.Add(time.Duration(n) * 12345), Took: 1411098, Tries: 1,
			From: h.Addr, TTL: 64,
		})
	}
	return h
}

func talkedHost(n int) scanner.Host {
	h := sweptHost(n)
	for _, o := range h.Observations[1:3] {
		o.Probe, o.Outcome, o.Proof = "smb", scanner.Spoke, scanner.AssuranceRole
		o.Identity = scanner.Identity{Computer: "PC-1", DNSName: "pc-1.corp.example", OS: "10.0.26100"}
		o.Details = []scanner.Detail{{Key: "dialect", Value: "3.1.1"}}
		h.Observations = append(h.Observations, o)
	}
	return h
}

func BenchmarkWriteHost(b *testing.B) {
	for name, h := range map[string]scanner.Host{"port": sweptHost(1), "talk": talkedHost(1)} {
		b.Run(name, func(b *testing.B) {
			w := record.NewWriter(io.Discard)
			b.ReportAllocs()
			for b.Loop() {
				if err := record.WriteHost[finding](w, h, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkReplay reads hosts with their findings; one operation is one host.
func BenchmarkReplay(b *testing.B) {
	for name, host := range map[string]func(int) scanner.Host{"port": sweptHost, "talk": talkedHost} {
		b.Run(name, func(b *testing.B) {
			var rec bytes.Buffer
			w := record.NewWriter(&rec)
			head := header()
			head.Rows = host(0).Rows
			if err := w.WriteHeader(head); err != nil {
				b.Fatal(err)
			}
			const hosts = 1000
			for i := range hosts {
				h := host(i)
				var fs []finding
				for _, r := range h.Rows {
					fs = append(fs, finding{
						"sweep", r.ID, h.Name, h.Name, "open", "open.port", "TCP 135 accepts connections; what answers was not asked",
						[]string{"TCP 135: SYN-ACK after 1.44ms, TTL 64", "from the site server to the client, on port 135, which is required"},
					})
				}
				if err := record.WriteHost(w, h, fs); err != nil {
					b.Fatal(err)
				}
			}
			if err := w.WriteEnd(record.End{}); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; {
				p, err := record.Open(bytes.NewReader(rec.Bytes()))
				if err != nil {
					b.Fatal(err)
				}
				for _, err := range p.Hosts() {
					if err != nil {
						b.Fatal(err)
					}
					if n++; n >= b.N {
						break
					}
				}
			}
		})
	}
}
