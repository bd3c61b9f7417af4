package probes

import (
	"cmreach/probes/wire/epm"
	"cmreach/probes/wire/rpc"
	"cmreach/scanner"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The ports of the endpoint mapper, and where Windows' dynamic ports begin
// (RFC 6335 section 6).
const (
	rpcMapperPort   = 135
	rpcFirstDynamic = 49152
	rpcMaxReveals   = 16
)

const rpcDoc = `asks the RPC endpoint mapper and the OXID resolver who they are and which ports they know

Sends, without credentials: a bind to the endpoint mapper and ept_lookup (C706
appendix O); when that is refused or gives nothing, ept_map of well-known
interfaces. When names are asked for, the same bind proposes IObjectExporter
too, for ServerAlive2 ([MS-DCOM] 3.1.2.5.1.6); a peer that does not take both at
once is asked on connections of their own.
Proves that an RPC server answers, that it is an endpoint mapper, and what the
host calls itself. It names the dynamic TCP ports that the mapper knows.
Cannot prove that WMI is reachable: its port is told to authenticated callers only.
A refusal (bind_nak, access denied) proves the path as well as an answer does.
Needs no rights.`

// RPC asks the endpoint mapper on TCP 135 and reveals the dynamic ports.
func RPC() scanner.Probe {
	return scanner.Probe{Name: "rpc", Doc: rpcDoc, Protocol: scanner.TCP, Talk: talkRPC}
}

// rpcTalk is one conversation with the services behind port 135.
type rpcTalk struct {
	call   scanner.Call
	left   int // bytes that may still be read
	result scanner.Result

	answered bool     // by the mapper, at least one of its operations
	entries  int      // endpoints that the mapper told of
	ports    []uint16 // TCP ports among them

	resolver *rpc.ContextResult // what the mapper's bind said of the OXID resolver; nil: nothing
}

func talkRPC(ctx context.Context, c scanner.Call) scanner.Result {
	t := &rpcTalk{call: c, left: rpcMaxBytes}
	rc := t.mapper(ctx)
	if t.result.Outcome == scanner.Spoke && c.Depth >= scanner.AssuranceIdentity {
		t.identity(ctx, rc)
	}
	if rc != nil {
		rc.close()
	}
	t.reveal()
	return t.result
}

// spoke notes that the protocol was spoken, and how far that proves who it was.
func (t *rpcTalk) spoke(proof scanner.Assurance) {
	t.result.Outcome = scanner.Spoke
	t.result.Proof = max(t.result.Proof, proof)
}

// mapper asks the endpoint mapper for all it knows, and when it does not say,
// for what every Windows has. It returns the connection if the answer to its
// bind was about the OXID resolver too, and nil otherwise.
func (t *rpcTalk) mapper(ctx context.Context) *rpcConn {
	rc, m, f := t.open(ctx)
	if f != nil {
		t.result = f.result()
		return nil
	}
	t.spoke(scanner.AssuranceProtocol)
	good := true
	if t.accepted("endpoint mapper", m) {
		rc.until(rpcHalf(ctx))
		good = t.lookup(rc)
		if t.result.Outcome == scanner.Spoke && t.entries == 0 {
			t.mapKnown(ctx)
			if t.answered {
				t.result.NeedsCredentials = false
			}
		}
	}
	if ack, ok := m.(*rpc.BindAck); ok && good && len(ack.Results) > 1 {
		rc.until(time.Time{})
		t.resolver = &ack.Results[1]
		return rc
	}
	rc.close()
	return nil
}

// open binds a connection to the endpoint mapper, and to the OXID resolver when
// names are asked for. A peer that will not answer such a bind gets one for the
// mapper alone.
func (t *rpcTalk) open(ctx context.Context) (*rpcConn, rpc.Message, *rpcFailure) {
	ifaces := []rpc.Syntax{rpc.EndpointMapper, rpc.ObjectExporter}
	if t.call.Depth < scanner.AssuranceIdentity {
		ifaces = ifaces[:1]
	}
	for {
		rc, f := rpcDial(ctx, t.call, &t.left)
		if f != nil {
			return nil, nil, f
		}
		m, f := rc.bind(ifaces...)
		acked := false
		if f == nil {
			_, acked = m.(*rpc.BindAck)
		}
		refused := f == nil && !acked || f != nil && f.outcome == scanner.Cut
		switch {
		case refused && len(ifaces) > 1 && ctx.Err() == nil:
			ifaces = ifaces[:1]
		case f == nil:
			return rc, m, nil
		default:
			rc.close()
			return nil, nil, f
		}
		rc.close()
	}
}

// accepted reports whether a bind was accepted, and notes why not.
func (t *rpcTalk) accepted(service string, m rpc.Message) bool {
	switch m := m.(type) {
	case *rpc.BindAck:
		if m.Results[0].Result == rpc.Accepted {
			return true
		}
		t.result.Detail(service, m.Results[0].String())
	case *rpc.BindNak:
		t.result.NeedsCredentials = t.result.NeedsCredentials || rpcNakAsks(m.Reason)
		t.result.Detail(service, "bind_nak: "+m.ReasonText())
	case *rpc.Fault:
		t.refusal(service, m.Status)
	}
	return false
}

// rpcNakAsks reports whether a bind_nak is taken for a wish for credentials. A
// server that is busy or speaks another version has no such wish.
func rpcNakAsks(reason uint16) bool {
	return reason != rpc.NakCongestion && reason != rpc.NakLocalLimit && reason != rpc.NakProtocolVersion
}

// refusal notes a fault, and whether it asks for credentials. A mapper that
// hides its interface from a stranger says so by nca_s_unk_if.
func (t *rpcTalk) refusal(service string, status uint32) {
	t.result.Detail(service, "fault: "+rpc.StatusText(status))
	denied := rpcDenied(status) || status == rpc.StatusUnknownInterface
	t.result.NeedsCredentials = t.result.NeedsCredentials || denied
}

// add notes the ports of a tower.
func (t *rpcTalk) add(octets []byte) {
	tower, err := epm.DecodeTower(octets)
	if err != nil {
		return // one broken tower is no reason to lose the others
	}
	if at, ok := tower.TCP(); ok && at.Port() != 0 && at.Port() != rpcMapperPort {
		t.ports = append(t.ports, at.Port())
	}
}

// reveal names the ports that were learned: dynamic ones first, lowest first,
// because services that start with the machine have the lowest.
func (t *rpcTalk) reveal() {
	if t.result.Outcome != scanner.Spoke || t.result.Proof < scanner.AssuranceRole {
		return
	}
	slices.SortFunc(t.ports, func(a, b uint16) int {
		if (a >= rpcFirstDynamic) != (b >= rpcFirstDynamic) {
			return int(b) - int(a)
		}
		return int(a) - int(b)
	})
	ports := slices.Compact(t.ports)
	more := max(0, len(ports)-rpcMaxReveals)
	ports = ports[:len(ports)-more]
	words := make([]string, len(ports))
	for i, p := range ports {
		t.result.Reveals = append(t.result.Reveals, scanner.Endpoint{Protocol: scanner.TCP, Port: p, Probe: rpcBindName})
		words[i] = fmt.Sprint(p)
	}
	switch {
	case len(words) == 0:
		t.result.Detail("rpc ports", "none named")
	case more > 0:
		t.result.Detail("rpc ports", fmt.Sprintf("%s and %d more", strings.Join(words, " "), more))
	default:
		t.result.Detail("rpc ports", strings.Join(words, " "))
	}
}
