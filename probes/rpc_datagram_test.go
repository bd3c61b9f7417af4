package probes

import (
	"bytes"
	"cmreach/probes/wire/epm"
	"cmreach/probes/wire/rpc"
	"cmreach/scanner"
	"testing"
)

func TestRPCDatagram(t *testing.T) {
	probe := RPCDatagram()
	asked, err := rpc.DecodeDatagram(probe.Request(scanner.Ask{}))
	if err != nil {
		t.Fatal(err)
	}
	q, err := epm.DecodeMapRequest(asked.Body, asked.Order())
	if err != nil {
		t.Fatal(err)
	}
	tower, err := epm.DecodeTower(q.Tower)
	if _, ok := tower.UDP(); err != nil || !ok || asked.Interface != rpc.EndpointMapper || asked.Opnum != epm.OpMap || asked.Flags1&rpc.DatagramIdempotent == 0 {
		t.Errorf("request %+v, tower %v (%v)", asked, tower, err)
	}
	if bytes.Equal(probe.Request(scanner.Ask{}), probe.Request(scanner.Ask{})) {
		t.Error("two requests are one call")
	}
	stranger, err := rpc.DecodeDatagram(RPCDatagram().Request(scanner.Ask{}))
	if err != nil {
		t.Fatal(err)
	}
	wire := func(m *rpc.Datagram) []byte {
		b, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	unknown := []byte{3, 0, 1, 0x1c}
	cases := []struct {
		name   string
		answer []byte
		want   rpcWant
	}{
		{"response", wire(asked.Answer(rpc.DatagramResponse, epm.MapResponse{Status: epm.StatusNotRegistered}.Encode())), rpcWant{outcome: scanner.Spoke, proof: scanner.AssuranceRole, details: []string{"connectionless rpc: response"}}},
		{"response of another kind", wire(asked.Answer(rpc.DatagramResponse, []byte{1})), rpcWant{outcome: scanner.Spoke, proof: scanner.AssuranceProtocol}},
		{"fault", wire(asked.Answer(rpc.DatagramFault, []byte{5, 0, 0, 0})), rpcWant{outcome: scanner.Spoke, proof: scanner.AssuranceProtocol, asks: true, details: []string{"fault: access denied"}}},
		{"reject", wire(asked.Answer(rpc.DatagramReject, unknown)), rpcWant{outcome: scanner.Spoke, proof: scanner.AssuranceProtocol, details: []string{"reject: nca_s_unk_if"}}},
		{"working", wire(asked.Answer(rpc.DatagramWorking, nil)), rpcWant{outcome: scanner.Spoke, proof: scanner.AssuranceProtocol}},
		{"no call", wire(asked.Answer(rpc.DatagramNoCall, nil)), rpcWant{outcome: scanner.Spoke, proof: scanner.AssuranceProtocol}},
		{"echo", wire(asked), rpcWant{outcome: scanner.Foreign, err: "sent the request back"}},
		{"another's call", wire(stranger.Answer(rpc.DatagramReject, unknown)), rpcWant{outcome: scanner.Foreign, err: "a reject of a call that was not made"}},
		{"truncated", wire(asked.Answer(rpc.DatagramFault, unknown))[:82], rpcWant{outcome: scanner.Garbled, err: "malformed DCE/RPC"}},
		{"empty", nil, rpcWant{outcome: scanner.Foreign, err: "no RPC"}},
		{"text", []byte("220 \x1b[2J hello"), rpcWant{outcome: scanner.Foreign, err: "no RPC: the answer begins 220 .[2J hello"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.want.check(t, probe.Decode(nil, c.answer)) })
	}
}

// FuzzRPCDatagram: no answer makes the decoder panic, and none that was not
// asked for is taken for one.
func FuzzRPCDatagram(f *testing.F) {
	probe := RPCDatagram()
	f.Add(probe.Request(scanner.Ask{}))
	m, err := rpc.DecodeDatagram(probe.Request(scanner.Ask{}))
	if err != nil {
		f.Fatal(err)
	}
	for kind := rpc.DatagramPing; kind <= rpc.DatagramCancelAck; kind++ {
		b, err := m.Answer(kind, []byte{5, 0, 0, 0}).Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	fresh := RPCDatagram()
	f.Fuzz(func(t *testing.T, b []byte) {
		probe.Decode(nil, b)
		if got := fresh.Decode(nil, b); got.Outcome == scanner.Spoke || got.Outcome == scanner.OutcomeUnknown {
			t.Errorf("%x is taken for an answer: %+v", b, got)
		}
	})
}
