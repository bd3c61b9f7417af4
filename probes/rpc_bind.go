package probes

import (
	"cmreach/probes/wire/rpc"
	"cmreach/scanner"
	"context"
)

const rpcBindName = "rpc-bind"

const rpcBindDoc = `binds to a dynamic RPC port

Sends a bind to mgmt, the interface that every RPC server has (C706 appendix Q).
Proves that an RPC server answers on the port: whether it accepts the interface,
rejects it or refuses the association, only RPC speaks like that.
Cannot prove which service it is, nor that WMI's own port is reachable: Windows
Firewall admits dynamic ports for each service by itself.
Needs no rights.`

// RPCBind proves that an RPC server answers on a dynamic port.
func RPCBind() scanner.Probe {
	return scanner.Probe{Name: rpcBindName, Doc: rpcBindDoc, Protocol: scanner.TCP, Talk: talkRPCBind}
}

func talkRPCBind(ctx context.Context, c scanner.Call) scanner.Result {
	left := rpcMaxBytes
	rc, f := rpcDial(ctx, c, &left)
	if f != nil {
		return f.result()
	}
	defer rc.close()
	m, f := rc.bind(rpc.Management)
	if f != nil {
		return f.result()
	}
	result := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
	if fault, ok := m.(*rpc.Fault); ok {
		result.NeedsCredentials = rpcDenied(fault.Status)
	}
	text, _ := rpcRejected(m)
	result.Detail("mgmt bind", text)
	return result
}
