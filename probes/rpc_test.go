package probes

import (
	"cmreach/probes/probetest"
	"cmreach/probes/wire/epm"
	"cmreach/probes/wire/oxid"
	"cmreach/probes/wire/rpc"
	"cmreach/scanner"
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// rpcWant is what the tables look at.
type rpcWant struct {
	outcome  scanner.Outcome
	proof    scanner.Assurance
	asks     bool // for credentials
	identity scanner.Identity
	ports    []uint16
	details  []string // parts of "key: value", in any order
	err      string   // part of it
}

func (w rpcWant) check(t *testing.T, got scanner.Result) {
	t.Helper()
	if got.Outcome != w.outcome || got.Proof != w.proof || got.NeedsCredentials != w.asks {
		t.Errorf("outcome %s, proof %s, needs credentials %t, err %q; want %s, %s, %t",
			got.Outcome, got.Proof, got.NeedsCredentials, got.Err, w.outcome, w.proof, w.asks)
	}
	if d := cmp.Diff(w.identity, got.Identity, cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Errorf("identity (-want +got):\n%s", d)
	}
	var ports []uint16
	for _, e := range got.Reveals {
		if e.Protocol != scanner.TCP || e.Probe != "rpc-bind" {
			t.Errorf("revealed %+v", e)
		}
		ports = append(ports, e.Port)
	}
	if !slices.Equal(ports, w.ports) {
		t.Errorf("ports %v, want %v", ports, w.ports)
	}
	var all strings.Builder
	for _, d := range got.Details {
		all.WriteString(d.Key + ": " + d.Value + "\n")
	}
	for _, d := range w.details {
		if !strings.Contains(all.String(), d) {
			t.Errorf("details\n%swant %q among them", all.String(), d)
		}
	}
	if !strings.Contains(got.Err, w.err) || w.err == "" && got.Err != "" {
		t.Errorf("err %q, want %q in it", got.Err, w.err)
	}
}

// TestRPCTranscripts holds the conversation with what real servers said.
func TestRPCTranscripts(t *testing.T) {
	for name, c := range map[string]struct {
		lookup string
		want   rpcWant
	}{
		"client PC: entries together with the last status": {"cli-epm-lookup", rpcWant{
			outcome: scanner.Spoke, proof: scanner.AssuranceRole, ports: []uint16{49664, 49665, 49666},
			details: []string{
				"rpc endpoints: 38", "rpc ports: 49664 49665 49666",
				"ServerAlive2: provider_rejection: abstract_syntax_not_supported",
			},
		}},
		"domain controller: an empty last page": {"dc-epm-lookup", rpcWant{
			outcome: scanner.Spoke, proof: scanner.AssuranceRole, ports: []uint16{49152, 49153, 49154},
			details: []string{"rpc endpoints: 53"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			call := probetest.Serve(t, rpcReplay(t, map[rpc.Syntax]string{
				rpc.EndpointMapper: c.lookup, rpc.ObjectExporter: "dc-oxid-rejected",
			}))
			c.want.check(t, RPC().Talk(t.Context(), call))
		})
	}
}

func TestRPC(t *testing.T) {
	many := []uint16{5985, 135, 0, 1024}
	for p := range uint16(20) {
		many = append(many, 49671-p)
	}
	alive := scanner.Identity{
		Computer: "PC0001", Names: []string{"PC0001", "pc0001.lab.example"},
		Addrs: []netip.Addr{netip.MustParseAddr("198.18.0.30"), netip.MustParseAddr("fd00:198::30")},
	}
	cases := []struct {
		name string
		peer rpcPeer
		want rpcWant
	}{
		{"Windows", rpcPeer{invoke: rpcLookup(49665, 49664, 49664), alive: rpcAlive()}, rpcWant{
			outcome: scanner.Spoke, proof: scanner.AssuranceRole, ports: []uint16{49664, 49665}, identity: alive,
			details: []string{"com version: 5.7", "rpc endpoints: 3"},
		}},
		{"many small fragments", rpcPeer{invoke: rpcLookup(many...), frag: 128}, rpcWant{
			outcome: scanner.Spoke, proof: scanner.AssuranceRole,
			ports:   []uint16{49652, 49653, 49654, 49655, 49656, 49657, 49658, 49659, 49660, 49661, 49662, 49663, 49664, 49665, 49666, 49667},
			details: []string{"and 6 more", "rpc endpoints: 24"},
		}},
		{"ports below the dynamic ones come last", rpcPeer{invoke: rpcLookup(5985, 1024, 60000)}, rpcWant{
			outcome: scanner.Spoke, proof: scanner.AssuranceRole, ports: []uint16{60000, 1024, 5985},
		}},
		{"look-up denied, map answered", rpcPeer{invoke: rpcMap(49664)}, rpcWant{
			outcome: scanner.Spoke, proof: scanner.AssuranceRole, ports: []uint16{49664},
			details: []string{"ept_lookup: fault: access denied (0x00000005)", "rpc interfaces: 9 of 9"},
		}},
		{"nothing registered", rpcPeer{invoke: rpcLookup()}, rpcWant{
			outcome: scanner.Spoke, proof: scanner.AssuranceRole, details: []string{"rpc endpoints: 0", "rpc ports: none named", "0 of 9"},
		}},
		{"both denied", rpcPeer{invoke: rpcFault(rpc.StatusAccessDenied)}, rpcWant{
			outcome: scanner.Spoke, proof: scanner.AssuranceProtocol, asks: true,
			details: []string{"ept_lookup: fault: access denied", "ept_map: fault: access denied"},
		}},
		{"both denied, names told", rpcPeer{invoke: rpcFault(rpc.StatusAccessDenied), alive: rpcAlive()}, rpcWant{
			outcome: scanner.Spoke, proof: scanner.AssuranceRole, asks: true, identity: alive,
		}},
		{"interface hidden", rpcPeer{invoke: rpcFault(rpc.StatusUnknownInterface)}, rpcWant{
			outcome: scanner.Spoke, proof: scanner.AssuranceProtocol, asks: true, details: []string{"nca_s_unk_if (0x1c010003)"},
		}},
		{"another fault", rpcPeer{invoke: rpcFault(rpc.StatusBadStub)}, rpcWant{
			outcome: scanner.Spoke, proof: scanner.AssuranceProtocol, details: []string{"bad stub data"},
		}},
		{"connection cut at each call", rpcPeer{invoke: func(*rpc.Request) ([]byte, *rpc.Fault) { return nil, nil }}, rpcWant{
			outcome: scanner.Spoke, proof: scanner.AssuranceProtocol, details: []string{"ept_lookup: cut", "ept_map: cut"},
		}},
		{"broken stub", rpcPeer{invoke: func(*rpc.Request) ([]byte, *rpc.Fault) { return []byte("nonsense"), nil }}, rpcWant{
			outcome: scanner.Garbled, proof: scanner.AssuranceProtocol, err: "ept_lookup: epm: ept_lookup response",
		}},
		{"denied by status", rpcPeer{invoke: func(q *rpc.Request) ([]byte, *rpc.Fault) {
			return epm.LookupResponse{Status: rpc.StatusAccessDenied}.Encode(), nil
		}}, rpcWant{
			outcome: scanner.Spoke, proof: scanner.AssuranceRole, asks: true, details: []string{"ept_lookup: status access denied"},
		}},
		{"another status", rpcPeer{invoke: func(q *rpc.Request) ([]byte, *rpc.Fault) {
			return epm.LookupResponse{Status: epm.StatusCantPerform}.Encode(), nil
		}}, rpcWant{
			outcome: scanner.Spoke, proof: scanner.AssuranceRole, details: []string{"ept_lookup: status 0x16c9a0cd", "ept_map: status 0x16c9a0cd"},
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.want.check(t, RPC().Talk(t.Context(), probetest.Serve(t, c.peer.serve)))
		})
	}
}

// TestRPCBigEndian has a server whose bind answers and faults are big endian.
func TestRPCBigEndian(t *testing.T) {
	peer := rpcPeer{big: true, invoke: rpcFault(rpc.StatusAccessDenied)}
	want := rpcWant{outcome: scanner.Spoke, proof: scanner.AssuranceProtocol, asks: true}
	want.check(t, RPC().Talk(t.Context(), probetest.Serve(t, peer.serve)))
}

func TestRPCBindAnswers(t *testing.T) {
	nak := func(reason uint16) func(*rpc.Bind) rpc.Message {
		return func(b *rpc.Bind) rpc.Message {
			return &rpc.BindNak{Header: rpc.Header{CallID: b.CallID}, Reason: reason}
		}
	}
	result := func(r rpc.ContextResult) func(*rpc.Bind) rpc.Message {
		return func(b *rpc.Bind) rpc.Message { return rpcPeer{}.ack(b, r) }
	}
	spoke := rpcWant{outcome: scanner.Spoke, proof: scanner.AssuranceProtocol}
	asks := spoke
	asks.asks = true
	cases := []struct {
		name string
		bind func(*rpc.Bind) rpc.Message
		rpc  rpcWant
		bare rpcWant // of rpc-bind
		says string  // in the details of both
	}{
		{"nak", nak(rpc.NakUnspecified), asks, spoke, "bind_nak: reason_not_specified"},
		{"nak, authentication", nak(rpc.NakAuthType), asks, spoke, "bind_nak: authentication_type_not_recognized"},
		{"nak, busy", nak(rpc.NakCongestion), spoke, spoke, "bind_nak: temporary_congestion"},
		{"nak, version", nak(rpc.NakProtocolVersion), spoke, spoke, "bind_nak: protocol_version_not_supported"},
		{"rejected", result(rpc.ContextResult{Result: rpc.ProviderRejection, Reason: rpc.ReasonAbstractSyntax}), spoke, spoke, "provider_rejection: abstract_syntax_not_supported"},
		{"rejected by the user", result(rpc.ContextResult{Result: rpc.UserRejection}), spoke, spoke, "user_rejection: reason_not_specified"},
		{"fault", func(b *rpc.Bind) rpc.Message {
			return &rpc.Fault{Header: rpc.Header{CallID: b.CallID}, Status: rpc.StatusAccessDenied}
		}, asks, asks, "fault: access denied"},
		{
			"no result", func(b *rpc.Bind) rpc.Message { return &rpc.BindAck{Header: rpc.Header{CallID: b.CallID}} },
			rpcWant{outcome: scanner.Garbled, err: "bind_ack without a result"},
			rpcWant{outcome: scanner.Garbled, err: "bind_ack without a result"},
			"",
		},
		{
			"another call", func(b *rpc.Bind) rpc.Message { return &rpc.BindNak{Header: rpc.Header{CallID: b.CallID + 1}} },
			rpcWant{outcome: scanner.Garbled, err: "bind_nak of call 2"},
			rpcWant{outcome: scanner.Garbled, err: "bind_nak of call 2"},
			"",
		},
		{
			"echo", func(b *rpc.Bind) rpc.Message { return b },
			rpcWant{outcome: scanner.Foreign, err: "answered a bind with a bind"},
			rpcWant{outcome: scanner.Foreign, err: "answered a bind with a bind"},
			"",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.says != "" {
				c.rpc.details, c.bare.details = []string{c.says}, []string{c.says}
			}
			peer := rpcPeer{bind: c.bind}
			c.rpc.check(t, RPC().Talk(t.Context(), probetest.Serve(t, peer.serve)))
			c.bare.check(t, RPCBind().Talk(t.Context(), probetest.Serve(t, peer.serve)))
		})
	}
}

// TestRPCBindTranscripts binds to what Samba's dynamic ports said.
func TestRPCBindTranscripts(t *testing.T) {
	for _, c := range []struct{ transcript, says string }{
		{"cli-dynamic-mgmt", "mgmt bind: accepted"},
		{"dc-dynamic-mgmt", "mgmt bind: accepted"},
		{"dc-dynamic-epm-rejected", "mgmt bind: provider_rejection"},
	} {
		t.Run(c.transcript, func(t *testing.T) {
			call := probetest.Serve(t, rpcReplay(t, map[rpc.Syntax]string{rpc.Management: c.transcript}))
			rpcWant{outcome: scanner.Spoke, proof: scanner.AssuranceProtocol, details: []string{c.says}}.
				check(t, RPCBind().Talk(t.Context(), call))
		})
	}
}

// TestRPCDepth counts connections: names cost one of their own.
func TestRPCDepth(t *testing.T) {
	peer := rpcPeer{invoke: rpcLookup(49664), alive: rpcAlive()}
	for depth, want := range map[scanner.Assurance]int32{scanner.AssuranceProtocol: 1, scanner.AssuranceRole: 1, scanner.AssuranceIdentity: 2} {
		var dials atomic.Int32
		call := probetest.Serve(t, peer.serve)
		dial := call.Dial
		call.Depth = depth
		call.Dial = func(ctx context.Context) (net.Conn, scanner.Reply) {
			dials.Add(1)
			return dial(ctx)
		}
		got := RPC().Talk(t.Context(), call)
		if dials.Load() != want || got.Identity.IsZero() != (want == 1) || len(got.Reveals) != 1 {
			t.Errorf("depth %s: %d connections, %+v", depth, dials.Load(), got)
		}
	}
}

// TestRPCBoth: a peer that takes both interfaces in one bind is asked on one
// connection, and one that refuses such a bind on connections of their own.
func TestRPCBoth(t *testing.T) {
	takes := rpcPeer{invoke: rpcLookup(49664), alive: rpcAlive()}
	takes.bind = func(b *rpc.Bind) rpc.Message {
		ack := takes.ack(b, rpc.ContextResult{Transfer: rpc.NDR}).(*rpc.BindAck)
		for range b.Contexts[1:] {
			ack.Results = append(ack.Results, rpc.ContextResult{Transfer: rpc.NDR})
		}
		return ack
	}
	lacks, refuses := takes, takes
	lacks.bind = func(b *rpc.Bind) rpc.Message {
		ack := takes.bind(b).(*rpc.BindAck)
		for i := range ack.Results[1:] {
			ack.Results[i+1] = rpc.ContextResult{Result: rpc.ProviderRejection, Reason: rpc.ReasonAbstractSyntax}
		}
		return ack
	}
	refuses.bind = func(b *rpc.Bind) rpc.Message {
		if len(b.Contexts) > 1 {
			return &rpc.BindNak{Header: rpc.Header{CallID: b.CallID}}
		}
		return takes.bind(b)
	}
	for name, tt := range map[string]struct {
		peer  rpcPeer
		dials int32
		named bool
	}{"takes": {takes, 1, true}, "lacks": {lacks, 1, false}, "refuses": {refuses, 3, true}} {
		var dials atomic.Int32
		call := probetest.Serve(t, tt.peer.serve)
		dial := call.Dial
		call.Depth = scanner.AssuranceIdentity
		call.Dial = func(ctx context.Context) (net.Conn, scanner.Reply) {
			dials.Add(1)
			return dial(ctx)
		}
		got := RPC().Talk(t.Context(), call)
		if dials.Load() != tt.dials || got.Identity.IsZero() == tt.named || got.NeedsCredentials || len(got.Reveals) != 1 || got.Proof != scanner.AssuranceRole {
			t.Errorf("%s: %d connections, %+v", name, dials.Load(), got)
		}
	}
}

func TestRPCNames(t *testing.T) {
	cases := []struct {
		name     string
		bindings []string
		want     scanner.Identity
	}{
		{"none", nil, scanner.Identity{}},
		{"two plain names", []string{"A", "B"}, scanner.Identity{Names: []string{"A", "B"}}},
		{"long and qualified names", []string{"A-NAME-OF-16-CHR", "a.example"}, scanner.Identity{Names: []string{"A-NAME-OF-16-CHR", "a.example"}}},
		{"no names", []string{"", "a b", "\x1b[2J", "höst", strings.Repeat("x", 256)}, scanner.Identity{}},
		{"addresses", []string{"192.0.2.1[49666]", "192.0.2.1", "[2001:db8::1]", "fe80::1%12", "0.0.0.0", "::ffff:192.0.2.2", "PC[1]"}, scanner.Identity{
			Computer: "PC", Names: []string{"PC"},
			Addrs: []netip.Addr{
				netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"),
				netip.MustParseAddr("fe80::1"), netip.MustParseAddr("192.0.2.2"),
			},
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var bindings []oxid.StringBinding
			for _, b := range c.bindings {
				bindings = append(bindings, oxid.StringBinding{Tower: oxid.TowerTCP, Address: b})
			}
			var got scanner.Identity
			rpcNames(&got, bindings)
			rpcWant{identity: c.want}.check(t, scanner.Result{Identity: got})
		})
	}
	var many []oxid.StringBinding
	for i := range 100 {
		many = append(many, oxid.StringBinding{Tower: oxid.TowerTCP, Address: strings.Repeat("x", i+1)},
			oxid.StringBinding{Tower: oxid.TowerTCP, Address: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}).String()})
	}
	var got scanner.Identity
	rpcNames(&got, many)
	if len(got.Names) != rpcMaxBindings || len(got.Addrs) != rpcMaxBindings {
		t.Errorf("%d names and %d addresses are kept", len(got.Names), len(got.Addrs))
	}
}
