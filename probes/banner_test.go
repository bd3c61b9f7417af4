package probes

import (
	"cmreach/probes/probetest"
	"cmreach/scanner"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func bannerOf(t *testing.T, p scanner.Protocol, e scanner.Expect) scanner.Probe {
	t.Helper()
	probe, err := Banner("banner:ours/agent", p, e)
	if err != nil {
		t.Fatal(err)
	}
	return probe
}

func TestBanner(t *testing.T) {
	prefix, pattern := scanner.Expect{Prefix: "AGENT/1 ready"}, scanner.Expect{Pattern: `^220 \S+ ESMTP`}
	asked := scanner.Expect{Send: []byte("HELLO\r\n"), Prefix: "AGENT/1"}
	for _, tt := range []struct {
		name string
		e    scanner.Expect
		peer func(net.Conn)
		want brief
	}{
		{"says it", prefix, probetest.Greet([]byte("AGENT/1 ready\r\n")), detailed(reached, "said=AGENT/1 ready")},
		{"says it byte by byte", prefix, drip("AGENT/1 ready"), detailed(reached, "said=AGENT/1 ready")},
		{"says another thing", prefix, probetest.Greet([]byte("SSH-2.0-OpenSSH_9.2\r\n")), isForeign},
		{"says a part and hangs up", prefix, drip("AGENT/1 re"), brief{Outcome: scanner.Garbled}},
		{"hangs up", prefix, func(net.Conn) {}, brief{Outcome: scanner.Cut}},
		{"is asked and says it", asked, probetest.SayAndClose([]byte("AGENT/1 at your service")), detailed(reached, "said=AGENT/1 at your service")},
		{"repeats the question", asked, func(c net.Conn) { _, _ = io.CopyN(c, c, 7) }, isForeign},
		{"matches", pattern, probetest.Greet([]byte("220 mail.lab.test ESMTP ready\r\n")), detailed(reached, "said=220 mail.lab.test ESMTP ready")},
		{"matches in pieces", pattern, drip("220 mail.lab.test ESMTP"), detailed(reached, "said=220 mail.lab.test ESMTP")},
		{"does not match", pattern, drip("554 go away\r\n"), isForeign},
		{"matches nothing of an endless answer", pattern, drip(strings.Repeat("220-and another thing\r\n", 300)), isForeign},
	} {
		t.Run(tt.name, func(t *testing.T) {
			call := probetest.Serve(t, tt.peer)
			if d := cmp.Diff(tt.want, talk(t, bannerOf(t, scanner.TCP, tt.e), call, "said")); d != "" {
				t.Error(d)
			}
		})
	}
}

// drip says a text byte by byte, and hangs up.
func drip(text string) func(net.Conn) {
	return func(conn net.Conn) {
		for _, b := range []byte(text) {
			if _, err := conn.Write([]byte{b}); err != nil {
				return
			}
		}
	}
}

func TestBannerAdversity(t *testing.T) {
	e := scanner.Expect{Send: []byte("HELLO\r\n"), Prefix: "AGENT/1 ready, version 4.2.0 build 77 on node seven"}
	probetest.Adversity(t, bannerOf(t, scanner.TCP, e), []byte(e.Prefix))
}

// TestBannerMute: a peer that says nothing decides nothing, with a prefix and
// with a pattern; one that says too little for the pattern is another one.
func TestBannerMute(t *testing.T) {
	for _, tt := range []struct {
		e    scanner.Expect
		says string
		want scanner.Outcome
	}{
		{scanner.Expect{Prefix: "A"}, "", scanner.Mute},
		{scanner.Expect{Pattern: "^A"}, "", scanner.Mute},
		{scanner.Expect{Pattern: "^A+B"}, "AAA", scanner.Foreign},
		{scanner.Expect{Prefix: "AAAB"}, "AAA", scanner.Garbled},
	} {
		call := probetest.Serve(t, func(c net.Conn) {
			_, _ = io.WriteString(c, tt.says)
			_, _ = io.Copy(io.Discard, c)
		})
		ctx, cancel := context.WithCancel(t.Context())
		dial := call.Dial
		call.Dial = func(ctx context.Context) (net.Conn, scanner.Reply) {
			conn, reply := dial(ctx)
			return &cancelling{Conn: conn, left: len(tt.says), cancel: cancel}, reply
		}
		if r := bannerOf(t, scanner.TCP, tt.e).Talk(ctx, call); r.Outcome != tt.want {
			t.Errorf("%+v and %q: %s, want %s", tt.e, tt.says, r.Outcome, tt.want)
		}
	}
}

// cancelling ends the conversation when all that the peer says was read.
type cancelling struct {
	net.Conn
	left   int
	cancel func()
}

func (c *cancelling) Read(b []byte) (int, error) {
	if c.left == 0 {
		c.cancel()
		_ = c.SetDeadline(time.Unix(1, 0))
	}
	n, err := c.Conn.Read(b)
	c.left -= n
	return n, err
}

func TestBannerDatagram(t *testing.T) {
	request := []byte("ping")
	for _, tt := range []struct {
		e      scanner.Expect
		answer string
		want   scanner.Outcome
	}{
		{scanner.Expect{Send: request, Prefix: "pong"}, "pong 7", scanner.Spoke},
		{scanner.Expect{Send: request, Prefix: "pong"}, "pon", scanner.Foreign},
		{scanner.Expect{Send: request, Prefix: "pong"}, "ping", scanner.Foreign},
		{scanner.Expect{Send: request, Prefix: "pi"}, "ping", scanner.Spoke}, // an echo service
		{scanner.Expect{Send: request, Pattern: "^pong [0-9]+$"}, "pong 7", scanner.Spoke},
		{scanner.Expect{Send: request, Pattern: "^pong [0-9]+$"}, "pong", scanner.Foreign},
		{scanner.Expect{Send: request, Prefix: "pong"}, "", scanner.Foreign},
	} {
		p := bannerOf(t, scanner.UDP, tt.e)
		if got := p.Request(scanner.Ask{}); string(got) != "ping" {
			t.Errorf("sends %q", got)
		}
		if r := p.Decode(request, []byte(tt.answer)); r.Outcome != tt.want {
			t.Errorf("%+v: %q is %s (%s), want %s", tt.e, tt.answer, r.Outcome, r.Err, tt.want)
		}
	}
	if p := bannerOf(t, scanner.UDP, scanner.Expect{Send: request}); p.Decode != nil {
		t.Error("a row that expects nothing judges the answer")
	}
	if _, err := Banner("x", scanner.TCP, scanner.Expect{Pattern: "["}); err == nil {
		t.Error("a broken pattern is taken")
	}
}

// FuzzBanner: whatever is said, a prefix fits exactly the answers that begin
// with it.
func FuzzBanner(f *testing.F) {
	f.Add("AGENT", "AGENT/1")
	f.Add("AGENT", "AG")
	f.Fuzz(func(t *testing.T, prefix, said string) {
		if prefix == "" || len(said) > bannerMax {
			return
		}
		r := banner{Expect: scanner.Expect{Prefix: prefix}}.decode(nil, []byte(said))
		begins := len(said) >= len(prefix) && said[:len(prefix)] == prefix
		if (r.Outcome == scanner.Spoke) != begins {
			t.Errorf("%q of %q is %s", said, prefix, r.Outcome)
		}
	})
}
