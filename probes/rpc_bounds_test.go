package probes

import (
	"cmreach/probes/probetest"
	"cmreach/probes/wire/epm"
	"cmreach/probes/wire/rpc"
	"cmreach/probes/wire/rpc/rpctest"
	"cmreach/scanner"
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRPCBounds holds the conversation with mappers that never end.
func TestRPCBounds(t *testing.T) {
	t.Run("pages", func(t *testing.T) {
		pages := 0
		peer := rpcPeer{invoke: func(*rpc.Request) ([]byte, *rpc.Fault) {
			pages++
			page := epm.LookupResponse{Handle: epm.Handle{UUID: [16]byte{1}}, Max: rpcPageEntries}
			page.Entries = []epm.Entry{{Tower: rpcTowers(uint16(50000 + pages))[0]}}
			return page.Encode(), nil
		}}
		got := RPC().Talk(t.Context(), probetest.Serve(t, peer.serve))
		if got.Outcome != scanner.Spoke || pages != rpcMaxPages || len(got.Reveals) != rpcMaxReveals {
			t.Errorf("outcome %s, %d pages, %d endpoints", got.Outcome, pages, len(got.Reveals))
		}
	})
	t.Run("entries", func(t *testing.T) {
		towers := make([][]byte, 600)
		for i := range towers {
			towers[i] = rpcTowers(50000)[0]
		}
		peer := rpcPeer{invoke: func(*rpc.Request) ([]byte, *rpc.Fault) {
			page := epm.LookupResponse{Handle: epm.Handle{UUID: [16]byte{1}}, Max: rpcPageEntries}
			for _, tower := range towers {
				page.Entries = append(page.Entries, epm.Entry{Tower: tower})
			}
			return page.Encode(), nil
		}}
		rpcWant{
			outcome: scanner.Spoke, proof: scanner.AssuranceRole, ports: []uint16{50000},
			details: []string{"rpc endpoints: 4096"},
		}.check(t, RPC().Talk(t.Context(), probetest.Serve(t, peer.serve)))
	})
	t.Run("fragments", func(t *testing.T) {
		peer := rpcPeer{frag: 32, invoke: func(*rpc.Request) ([]byte, *rpc.Fault) { return make([]byte, 8*rpcMaxFragments+8), nil }}
		rpcWant{outcome: scanner.Garbled, proof: scanner.AssuranceProtocol, err: "more than 64 fragments"}.
			check(t, RPC().Talk(t.Context(), probetest.Serve(t, peer.serve)))
	})
	t.Run("bytes of an answer", func(t *testing.T) {
		peer := rpcPeer{frag: rpcMaxFragment, invoke: func(*rpc.Request) ([]byte, *rpc.Fault) { return make([]byte, rpcMaxAnswer+1), nil }}
		rpcWant{outcome: scanner.Garbled, proof: scanner.AssuranceProtocol, err: "more than 262144 bytes"}.
			check(t, RPC().Talk(t.Context(), probetest.Serve(t, peer.serve)))
	})
	t.Run("bytes of a conversation", func(t *testing.T) {
		pages := 0
		note := strings.Repeat("x", 60)
		peer := rpcPeer{frag: rpcMaxFragment, invoke: func(*rpc.Request) ([]byte, *rpc.Fault) {
			pages++
			page := epm.LookupResponse{Handle: epm.Handle{UUID: [16]byte{1}}}
			page.Entries = []epm.Entry{{Annotation: note, Tower: make([]byte, rpcMaxAnswer-1024)}}
			return page.Encode(), nil
		}}
		rpcWant{outcome: scanner.Spoke, proof: scanner.AssuranceRole, details: []string{"ept_lookup: garbled: more than 1048576 bytes"}}.
			check(t, RPC().Talk(t.Context(), probetest.Serve(t, peer.serve)))
		if pages > 5 {
			t.Errorf("%d pages of a quarter of the limit each", pages)
		}
	})
}

// TestRPCLosesLargeAnswers is a path that swallows full-sized packets: the
// bind is acknowledged, the list never arrives, ept_map does.
func TestRPCLosesLargeAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		quiet := func(q *rpc.Request) ([]byte, *rpc.Fault) {
			if q.Opnum == epm.OpLookup {
				<-ctx.Done()
				return nil, nil
			}
			return rpcMap(49664)(q)
		}
		call := scanner.Call{Depth: scanner.AssuranceIdentity, Dial: func(context.Context) (net.Conn, scanner.Reply) {
			near, far := net.Pipe()
			go func() {
				defer func() { _ = far.Close() }()
				rpcPeer{invoke: quiet, alive: rpcAlive()}.serve(far)
			}()
			return near, scanner.Reply{Outcome: scanner.Answered}
		}}
		got := RPC().Talk(ctx, call)
		got.Identity = scanner.Identity{} // TestRPC looks at it
		rpcWant{
			outcome: scanner.Spoke, proof: scanner.AssuranceRole, ports: []uint16{49664},
			details: []string{"ept_lookup: mute: no answer in time", "com version: 5.7"},
		}.check(t, got)
	})
}

func TestRPCAdversity(t *testing.T) {
	ack := rpctest.Load(t, rpcTranscripts, "cli-epm-lookup")[1].Bytes
	rejected := rpctest.Load(t, rpcTranscripts, "dc-oxid-rejected")[1].Bytes
	nak, err := (&rpc.BindNak{Header: rpc.Header{CallID: 1}, Versions: []rpc.ProtocolVersion{{Major: 5}}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, probe := range []scanner.Probe{RPC(), RPCBind()} {
		t.Run(probe.Name, func(t *testing.T) { probetest.Adversity(t, probe, ack, rejected, nak) })
	}
}
