package socket

import (
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// netlinkParse reads an address, with or without a prefix length.
func netlinkParse(s string) (net.IP, *net.IPNet, error) {
	if !strings.Contains(s, "/") {
		if strings.Contains(s, ":") {
			s += "/128"
		} else {
			s += "/32"
		}
	}
	return net.ParseCIDR(s)
}

// The addresses of the lab:
//
//	scan .100.10 -- .100.1 r1 .101.1 -- .101.2 r2 .102.1 -- .102.50 host
const (
	self4, self6 = "198.18.100.10", "fd00:198:100::10"
	r1at4, r1at6 = "198.18.100.1", "fd00:198:100::1"
	r2at4, r2at6 = "198.18.101.2", "fd00:198:101::2"
	host4, host6 = "198.18.102.50", "fd00:198:102::50"
)

const routerRules = `
table inet filter {
	chain forward {
		type filter hook forward priority 0;
		tcp dport 3389 drop
		tcp dport 2701 reject with tcp reset
		tcp dport 10123 reject with icmpx admin-prohibited
		tcp dport 8530 reject with icmpx port-unreachable
		tcp dport 8531 reject with icmpx host-unreachable
		tcp dport 636 reject with icmpx no-route
		udp dport 9 drop
		udp dport 25536 reject with icmpx admin-prohibited
	}
}`

const ownRules = `
table inet filter {
	chain output {
		type filter hook output priority 0;
		tcp dport 9999 reject with icmpx admin-prohibited
		tcp dport 9996 drop
		udp dport 9998 drop
		udp dport 9997 reject with icmpx admin-prohibited
	}
}`

// buildLab makes the routed topology; the scanner is in the test's own
// network namespace.
func buildLab(t *testing.T) (scan, host *space) {
	t.Helper()
	scan, host = newSpace(t, true), newSpace(t, false)
	r1, r2 := newSpace(t, false), newSpace(t, false)
	wire(scan, "s0", []string{self4 + "/24", self6 + "/64"}, r1, "r1a", []string{r1at4 + "/24", r1at6 + "/64"})
	wire(r1, "r1b", []string{"198.18.101.1/24", "fd00:198:101::1/64"}, r2, "r2a", []string{r2at4 + "/24", r2at6 + "/64"})
	wire(r2, "r2b", []string{"198.18.102.1/24", "fd00:198:102::1/64"}, host, "h0", []string{host4 + "/24", host6 + "/64"})
	for _, r := range []*space{r1, r2} {
		r.set("ipv4/ip_forward", "1")
		r.set("ipv6/conf/all/forwarding", "1")
	}
	beyond := []string{"198.18.200.0/24", "198.18.201.0/24", "198.18.202.0/24", "198.18.203.0/24"}
	beyond = append(beyond, "fd00:198:200::/64", "fd00:198:201::/64", "fd00:198:202::/64", "fd00:198:203::/64")
	far := append([]string{"198.18.102.0/24", "fd00:198:102::/64"}, beyond...)
	scan.via(r1at4, r1at6, append(far, "198.18.101.0/24", "fd00:198:101::/64")...)
	r1.via(r2at4, r2at6, far...)
	r2.via("198.18.101.1", "fd00:198:101::1", "198.18.100.0/24", "fd00:198:100::/64", "198.18.200.0/24", "fd00:198:200::/64")
	r2.kind(unix.RTN_UNREACHABLE, "198.18.201.0/24", "fd00:198:201::/64")
	r2.kind(unix.RTN_PROHIBIT, "198.18.202.0/24", "fd00:198:202::/64")
	r2.kind(unix.RTN_BLACKHOLE, "198.18.203.0/24", "fd00:198:203::/64")
	host.via("198.18.102.1", "fd00:198:102::1", "198.18.100.0/23", "fd00:198:100::/64", "fd00:198:101::/64")
	scan.kind(unix.RTN_PROHIBIT, "198.19.1.0/24", "fd00:198:f1::/64")
	scan.kind(unix.RTN_BLACKHOLE, "198.19.2.0/24", "fd00:198:f2::/64")
	scan.kind(unix.RTN_UNREACHABLE, "198.19.3.0/24", "fd00:198:f3::/64")
	r2.nft(routerRules)
	scan.nft(ownRules)
	serve(t, host)
	return scan, host
}

// serve opens TCP 445 with a greeting and echoes UDP 5000 on the host. A
// socket stays in the namespace in which it was made.
func serve(t *testing.T, s *space) {
	t.Helper()
	s.do(func() error {
		listenTCP(t, ":445", func(c net.Conn) {
			_, _ = io.WriteString(c, "hello\n")
			c.Close()
		})
		echoUDP(t, ":5000")
		return nil
	})
}
