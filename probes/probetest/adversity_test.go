package probetest

import (
	"cmreach/scanner"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
)

// ping is a small protocol with a right probe: "ping\n" is answered "pong\n".
func ping(ctx context.Context, c scanner.Call) scanner.Result {
	conn, reply := c.Dial(ctx)
	if conn == nil {
		return scanner.Result{Outcome: reply.Outcome, Reply: reply}
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := io.WriteString(conn, "ping\n"); err != nil {
		return broken(ctx, err)
	}
	const want = "pong\n"
	got := make([]byte, len(want))
	for n := range got {
		if _, err := io.ReadFull(conn, got[n:n+1]); err != nil {
			return broken(ctx, err)
		}
		if got[n] != want[n] {
			return scanner.Result{Outcome: scanner.Foreign, Err: fmt.Sprintf("answer begins %q", got[:n+1])}
		}
	}
	return scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
}

func broken(ctx context.Context, err error) scanner.Result {
	if ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return scanner.Result{Outcome: scanner.Mute}
	}
	return scanner.Result{Outcome: scanner.Cut, Err: err.Error()}
}

func TestAdversityPassesARightProbe(t *testing.T) {
	Adversity(t, scanner.Probe{Name: "ping", Protocol: scanner.TCP, Talk: ping}, []byte("pong\n"))
}

func TestServe(t *testing.T) {
	for name, peer := range map[string]func(net.Conn){
		"whole":     Say([]byte("pong\n")),
		"in pieces": func(conn net.Conn) { request(conn); Split(conn, []byte("pong\n")); drain(conn) },
	} {
		t.Run(name, func(t *testing.T) {
			call := Serve(t, peer)
			if got := ping(t.Context(), call); got.Outcome != scanner.Spoke {
				t.Errorf("outcome %s (%s), want spoke", got.Outcome, got.Err)
			}
		})
	}
}

// complaints collects what a check reports.
type complaints []string

func (c *complaints) Helper() {}

func (c *complaints) Errorf(format string, args ...any) {
	*c = append(*c, fmt.Sprintf(format, args...))
}

func TestChecksFindWrongResults(t *testing.T) {
	mute := scenario{peer: Mute, want: []scanner.Outcome{scanner.Mute}}
	refused := scenario{reply: scanner.Reply{Outcome: scanner.Refused}, want: []scanner.Outcome{scanner.Refused}}
	cases := []struct {
		name     string
		scenario scenario
		result   scanner.Result
		opened   int
		want     string // part of the complaint; empty: none
	}{
		{"right", mute, scanner.Result{Outcome: scanner.Mute}, 1, ""},
		{"spoke", mute, scanner.Result{Outcome: scanner.Spoke}, 1, "outcome spoke"},
		{"no outcome", mute, scanner.Result{}, 1, "outcome unknown"},
		{"not connected in time", mute, scanner.Result{Outcome: scanner.Silent}, 0, ""},
		{"mute without a connection", mute, scanner.Result{Outcome: scanner.Mute}, 0, "outcome mute"},
		{"reply lost", refused, scanner.Result{Outcome: scanner.Refused}, 0, "want it passed on"},
		{"role proven", mute, scanner.Result{Outcome: scanner.Mute, Proof: scanner.AssuranceRole}, 1, "proof role"},
		{
			"identity", mute,
			scanner.Result{Outcome: scanner.Mute, Identity: scanner.Identity{Computer: "X"}},
			1, "identity",
		},
		{
			"endpoints", mute,
			scanner.Result{Outcome: scanner.Mute, Reveals: []scanner.Endpoint{{Port: 1}}},
			1, "endpoints",
		},
		{"escape", mute, scanner.Result{Outcome: scanner.Mute, Err: "a\x1b[2J"}, 1, "control characters"},
		{"not UTF-8", mute, scanner.Result{Outcome: scanner.Mute, Err: "a\xff"}, 1, "not UTF-8"},
		{
			"long detail", mute,
			scanner.Result{Outcome: scanner.Mute, Details: []scanner.Detail{{Key: "a", Value: strings.Repeat("x", maxText+1)}}},
			1, "text of 1025 bytes",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got complaints
			c.scenario.checkOutcome(&got, c.result, c.opened)
			checkText(&got, c.result)
			switch all := strings.Join(got, "\n"); {
			case c.want == "" && all != "":
				t.Errorf("complaints about a right result: %s", all)
			case !strings.Contains(all, c.want):
				t.Errorf("complaints %q, want %q among them", all, c.want)
			}
		})
	}
}

func TestConverseCatchesAPanic(t *testing.T) {
	var got complaints
	probe := scanner.Probe{Talk: func(context.Context, scanner.Call) scanner.Result { panic("index out of range") }}
	if _, ok := converse(t.Context(), &got, probe, scanner.Call{}); ok || len(got) != 1 {
		t.Errorf("ok %v, complaints %q, want one about the panic", ok, got)
	}
}

func TestWatchCountsAndWaits(t *testing.T) {
	srv := newServer(t, Endless(nil, []byte("x")))
	w := &watch{}
	conn, reply := w.dialer(srv.dial)(t.Context())
	if conn == nil {
		t.Fatalf("dial: %+v", reply)
	}
	_, _ = conn.Write([]byte("go"))
	if _, err := io.CopyN(io.Discard, conn, maxRead+1); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	var got complaints
	w.check(&got)
	if len(got) != 1 || !strings.Contains(got[0], "took") || w.opened() != 1 {
		t.Errorf("complaints %q, opened %d, want one complaint about the bytes of one connection", got, w.opened())
	}
}

func TestDialSaysSilentWhenTheContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	conn, reply := dial(ctx, netip.MustParseAddrPort("127.0.0.1:9"))
	if conn != nil || reply.Outcome != scanner.Silent {
		t.Errorf("conn %v, reply %+v, want silent", conn, reply)
	}
}
