package probes

import (
	"cmreach/probes/wire/oxid"
	"cmreach/probes/wire/rpc"
	"cmreach/scanner"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

const (
	rpcServerAlive   = "ServerAlive2"
	rpcMaxBindings   = 32  // names, and addresses, that are kept
	rpcMaxName       = 255 // RFC 1035 section 2.3.4
	rpcMaxNetBIOS    = 15  // [MS-NBTE] 2.2.1: 16 characters, the last is the kind
	rpcNameSpecials  = "-_."
	rpcStatusSuccess = 0
)

// identity asks the OXID resolver for the names and addresses of the host. It
// must answer everybody ([MS-DCOM] 3.1.2.5.1.6); Samba has none. Whatever goes
// wrong here takes nothing back from what the mapper said. The mapper's
// connection may be bound to the resolver already; nil: it is not.
func (t *rpcTalk) identity(ctx context.Context, rc *rpcConn) {
	if rc == nil {
		var f *rpcFailure
		if rc, f = rpcDial(ctx, t.call, &t.left); f != nil {
			t.result.Detail(rpcServerAlive, f.String())
			return
		}
		defer rc.close()
		m, f := rc.bind(rpc.ObjectExporter)
		if f != nil {
			t.result.Detail(rpcServerAlive, f.String())
			return
		}
		if text, ok := rpcRejected(m); !ok {
			t.result.Detail(rpcServerAlive, text)
			return
		}
	} else {
		if t.resolver.Result != rpc.Accepted {
			t.result.Detail(rpcServerAlive, t.resolver.String())
			return
		}
		rc.at = 1
	}
	t.serverAlive(rc)
}

// serverAlive calls the OXID resolver on a connection that is bound to it.
func (t *rpcTalk) serverAlive(rc *rpcConn) {
	a, f := rc.invoke(oxid.OpServerAlive2, nil)
	if f != nil {
		t.result.Detail(rpcServerAlive, f.String())
		return
	}
	if a.fault != nil {
		t.result.Detail(rpcServerAlive, "fault: "+rpc.StatusText(a.fault.Status))
		return
	}
	s, err := oxid.Decode(a.stub, a.order)
	if err != nil {
		t.result.Detail(rpcServerAlive, err.Error())
		return
	}
	if s.Status != rpcStatusSuccess {
		t.result.Detail(rpcServerAlive, "status "+rpc.StatusText(s.Status))
		return
	}
	t.spoke(scanner.AssuranceRole)
	t.result.Detail("com version", fmt.Sprintf("%d.%d", s.Major, s.Minor))
	rpcNames(&t.result.Identity, s.Bindings.Strings)
}

// rpcRejected says why a bind was not accepted.
func rpcRejected(m rpc.Message) (text string, ok bool) {
	switch m := m.(type) {
	case *rpc.BindAck:
		return m.Results[0].String(), m.Results[0].Result == rpc.Accepted
	case *rpc.BindNak:
		return "bind_nak: " + m.ReasonText(), false
	case *rpc.Fault:
		return "fault: " + rpc.StatusText(m.Status), false
	default:
		return m.Head().Type.String(), false
	}
}

// rpcNames sorts string bindings into names and addresses. Each is told once,
// and text that is no name is left out.
func rpcNames(id *scanner.Identity, bindings []oxid.StringBinding) {
	var plain []string
	for _, b := range bindings {
		if b.Tower != oxid.TowerTCP {
			continue
		}
		if addr, ok := rpcBindingAddr(b.Address); ok {
			if len(id.Addrs) < rpcMaxBindings && !addr.IsUnspecified() && !slices.Contains(id.Addrs, addr) {
				id.Addrs = append(id.Addrs, addr)
			}
			continue
		}
		name, _, _ := strings.Cut(b.Address, "[") // ServerAlive2 names no ports, other answers do
		if !rpcIsName(name) || len(id.Names) >= rpcMaxBindings || slices.Contains(id.Names, name) {
			continue
		}
		id.Names = append(id.Names, name)
		if len(name) <= rpcMaxNetBIOS && !strings.Contains(name, ".") {
			plain = append(plain, name)
		}
	}
	if len(plain) == 1 {
		id.Computer = plain[0]
	}
}

// rpcBindingAddr reads an address: "192.0.2.1", "192.0.2.1[49666]",
// "2001:db8::1", "[2001:db8::1]" and "fe80::1%12".
func rpcBindingAddr(text string) (netip.Addr, bool) {
	for _, candidate := range []string{
		text,
		strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"),
		text[:max(0, strings.LastIndexByte(text, '['))],
	} {
		if addr, err := netip.ParseAddr(candidate); err == nil {
			return addr.WithZone("").Unmap(), true
		}
	}
	return netip.Addr{}, false
}

// rpcIsName reports whether a text can be a host name.
func rpcIsName(s string) bool {
	if s == "" || len(s) > rpcMaxName {
		return false
	}
	for _, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && !strings.ContainsRune(rpcNameSpecials, r) {
			return false
		}
	}
	return true
}
