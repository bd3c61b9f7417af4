package probes

import (
	"bytes"
	"cmreach/probes/probetest"
	"cmreach/probes/wire/beacon"
	"cmreach/scanner"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func farEndKey(t testing.TB, secret string) beacon.Key {
	t.Helper()
	k, err := beacon.NewKey([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

const farEndSecret = "the key of both ends"

func TestFarEndUDP(t *testing.T) {
	key := farEndKey(t, farEndSecret)
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	f := farEnd{key: key, now: func() time.Time { return now }}
	asked := f.request(scanner.Ask{To: netip.MustParseAddrPort("198.18.1.5:9")})
	if _, err := key.ReadQuestion(asked, beacon.Port{Protocol: beacon.UDP, Number: 9}); err != nil {
		t.Fatal(err)
	}
	status := beacon.Status{Since: 60_000, Until: 840_000, Ports: []beacon.Port{
		{Protocol: beacon.UDP, Number: 25536}, {Protocol: beacon.TCP, Number: 2701}, {Protocol: beacon.UDP, Number: 9}, {Protocol: 99, Number: 1},
	}}
	answer := key.Answer(asked, status)
	want := scanner.Result{
		Outcome: scanner.Spoke, Proof: scanner.AssurancePortOpen,
		FarEnd:  &scanner.FarEnd{Since: now.Add(-time.Minute), Until: now.Add(839 * time.Second), UDP: []uint16{9, 25536}, TCP: []uint16{2701}},
		Details: []scanner.Detail{{Key: "cmreach listen", Value: "answers here"}},
	}
	stranger := farEndKey(t, "the key of somebody else")
	another := f.request(scanner.Ask{To: netip.MustParseAddrPort("198.18.1.5:9")})
	many := bytes.Clone(answer)
	many[len(many)-1] ^= 1
	cases := []struct {
		name   string
		answer []byte
		want   scanner.Result
	}{
		{"answer", answer, want},
		{"echo", asked, scanner.Result{Outcome: scanner.Foreign, Err: "the question came back, and no answer"}},
		{"another key", stranger.Answer(asked, status), scanner.Result{Outcome: scanner.Foreign, Err: "signed with another key, or changed on the way"}},
		{"changed", many, scanner.Result{Outcome: scanner.Foreign, Err: "signed with another key, or changed on the way"}},
		{"an old answer", key.Answer(another, status), scanner.Result{Outcome: scanner.Foreign, Err: "the answer to another question"}},
		{"discard service with a sense of humour", []byte("hello\x1b"), scanner.Result{Outcome: scanner.Foreign, Err: "no message of a two-ended check: the answer begins hello."}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, f.decode(asked, c.answer), cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// farEndPeer answers as a listener does.
func farEndPeer(t *testing.T, key beacon.Key) func(net.Conn) {
	return func(conn net.Conn) {
		asked := make([]byte, beacon.Size)
		if _, err := io.ReadFull(conn, asked); err != nil {
			t.Error(err)
			return
		}
		probetest.Split(conn, key.Answer(asked, beacon.Status{Until: 60, Ports: []beacon.Port{{Protocol: beacon.TCP, Number: 2701}}}))
	}
}

func TestFarEndTCP(t *testing.T) {
	talk := FarEnd(farEndKey(t, farEndSecret))[1].Talk
	got := talk(t.Context(), probetest.Serve(t, farEndPeer(t, farEndKey(t, farEndSecret))))
	if got.Outcome != scanner.Spoke || got.FarEnd == nil || !cmp.Equal(got.FarEnd.TCP, []uint16{2701}) || got.FarEnd.UDP != nil {
		t.Errorf("%+v", got)
	}
	got = talk(t.Context(), probetest.Serve(t, farEndPeer(t, farEndKey(t, "the key of somebody else"))))
	if got.Outcome != scanner.Foreign || got.FarEnd != nil {
		t.Errorf("another key: %+v", got)
	}
}

func TestFarEndAdversity(t *testing.T) {
	key := farEndKey(t, farEndSecret)
	probetest.Adversity(t, FarEnd(key)[1], key.Answer(key.Question(beacon.Port{Protocol: beacon.TCP, Number: 2701}), beacon.Status{}))
}

func FuzzFarEnd(f *testing.F) {
	probe := FarEnd(farEndKey(f, farEndSecret))[0]
	asked := probe.Request(scanner.Ask{To: netip.MustParseAddrPort("198.18.1.5:9")})
	f.Add(asked)
	f.Add(farEndKey(f, "the key of somebody else").Answer(asked, beacon.Status{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r := probe.Decode(asked, b); r.Outcome == scanner.Spoke {
			t.Error("an answer is accepted that was made without the key")
		}
	})
}
