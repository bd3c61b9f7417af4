package probes

import (
	"cmreach/probes/wire/epm"
	"cmreach/probes/wire/rpc"
	"cmreach/scanner"
	"context"
	"fmt"
	"net/netip"
)

// What is asked of the endpoint mapper at most. A busy domain controller has a
// few hundred entries.
const (
	rpcMaxPages    = 64
	rpcMaxEntries  = 4096
	rpcPageEntries = 100
	rpcMapTowers   = 8
)

// lookup reads the list of endpoints page by page. It reports whether the
// connection is still good for further calls.
func (t *rpcTalk) lookup(rc *rpcConn) (good bool) {
	good = true
	q := epm.LookupRequest{Inquiry: epm.InquireAll, VersionOption: epm.VersionAll, Max: rpcPageEntries}
	for range rpcMaxPages {
		a, f := rc.invoke(epm.OpLookup, q.Encode())
		if f != nil {
			t.interrupted("ept_lookup", f)
			good = false
			break
		}
		if a.fault != nil {
			t.refusal("ept_lookup", a.fault.Status)
			break
		}
		page, err := epm.DecodeLookupResponse(a.stub, a.order)
		if err != nil {
			t.interrupted("ept_lookup", &rpcFailure{outcome: scanner.Garbled, text: err.Error()})
			good = false
			break
		}
		t.spoke(scanner.AssuranceRole)
		// Entries first, status later: Samba's last page has both.
		room := rpcMaxEntries - t.entries
		for _, e := range page.Entries[:min(room, len(page.Entries))] {
			t.entries++
			t.add(e.Tower)
		}
		if !t.status("ept_lookup", page.Status) || page.Status != epm.StatusOK || page.Handle.IsZero() || len(page.Entries) == 0 || t.entries == rpcMaxEntries {
			break
		}
		q.Handle = page.Handle
	}
	if t.result.Proof >= scanner.AssuranceRole {
		t.result.Detail("rpc endpoints", fmt.Sprint(t.entries))
	}
	return good
}

// status notes what an operation of the mapper ended with, and reports whether
// it was answered: with a list, or with the word that there is none.
func (t *rpcTalk) status(operation string, status uint32) bool {
	if status == epm.StatusOK || status == epm.StatusNotRegistered {
		t.answered = true
		return true
	}
	t.result.NeedsCredentials = t.result.NeedsCredentials || rpcDenied(status)
	t.result.Detail(operation, "status "+rpc.StatusText(status))
	return false
}

// interrupted notes that a call had no right answer. Silence and a cut come
// from the network as well as from the peer and take nothing back from what
// was spoken before. Nonsense does, unless the mapper had answered already.
func (t *rpcTalk) interrupted(operation string, f *rpcFailure) {
	if f.outcome == scanner.Garbled && t.result.Proof < scanner.AssuranceRole {
		t.result.Outcome, t.result.Err = scanner.Garbled, operation+": "+f.text
		return
	}
	t.result.Detail(operation, f.String())
}

// rpcKnown is an interface that many Windows machines offer over TCP.
type rpcKnown struct {
	name  string
	iface epm.InterfaceID
}

// rpcWellKnown lists what is asked for when the mapper gives no list; the
// event log is offered by every Windows client.
func rpcWellKnown() []rpcKnown {
	return []rpcKnown{
		{"eventlog6", epm.InterfaceID{UUID: rpc.UUID{0xf6, 0xbe, 0xaf, 0xf7, 0x1e, 0x19, 0x4f, 0xbb, 0x9f, 0x8f, 0xb8, 0x9e, 0x20, 0x18, 0x33, 0x7c}, Major: 1}},
		{"lsarpc", epm.InterfaceID{UUID: rpc.UUID{0x12, 0x34, 0x57, 0x78, 0x12, 0x34, 0xab, 0xcd, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab}}},
		{"samr", epm.InterfaceID{UUID: rpc.UUID{0x12, 0x34, 0x57, 0x78, 0x12, 0x34, 0xab, 0xcd, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0x89, 0xac}, Major: 1}},
		{"winreg", epm.InterfaceID{UUID: rpc.UUID{0x33, 0x8c, 0xd0, 0x01, 0x22, 0x44, 0x31, 0xf1, 0xaa, 0xaa, 0x90, 0x00, 0x38, 0x00, 0x10, 0x03}, Major: 1}},
		{"svcctl", epm.InterfaceID{UUID: rpc.UUID{0x36, 0x7a, 0xbb, 0x81, 0x98, 0x44, 0x35, 0xf1, 0xad, 0x32, 0x98, 0xf0, 0x38, 0x00, 0x10, 0x03}, Major: 2}},
		{"task scheduler", epm.InterfaceID{UUID: rpc.UUID{0x86, 0xd3, 0x59, 0x49, 0x83, 0xc9, 0x40, 0x44, 0xb4, 0x24, 0xdb, 0x36, 0x32, 0x31, 0xfd, 0x0c}, Major: 1}},
		{"atsvc", epm.InterfaceID{UUID: rpc.UUID{0x1f, 0xf7, 0x06, 0x82, 0x0a, 0x51, 0x30, 0xe8, 0x07, 0x6d, 0x74, 0x0b, 0xe8, 0xce, 0xe9, 0x8b}, Major: 1}},
		{"srvsvc", epm.InterfaceID{UUID: rpc.UUID{0x4b, 0x32, 0x4f, 0xc8, 0x16, 0x70, 0x01, 0xd3, 0x12, 0x78, 0x5a, 0x47, 0xbf, 0x6e, 0xe1, 0x88}, Major: 3}},
		{"netlogon", epm.InterfaceID{UUID: rpc.UUID{0x12, 0x34, 0x56, 0x78, 0x12, 0x34, 0xab, 0xcd, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0xcf, 0xfb}, Major: 1}},
	}
}

// mapKnown asks for well-known interfaces one by one.
func (t *rpcTalk) mapKnown(ctx context.Context) {
	if half := rpcHalf(ctx); !half.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, half)
		defer cancel()
	}
	rc, f := rpcDial(ctx, t.call, &t.left)
	if f != nil {
		t.result.Detail("ept_map", f.String())
		return
	}
	defer rc.close()
	m, f := rc.bind(rpc.EndpointMapper)
	if f != nil {
		t.result.Detail("ept_map", f.String())
		return
	}
	if !t.accepted("ept_map", m) {
		return
	}
	found := 0
	for _, known := range rpcWellKnown() {
		a, f := rc.invoke(epm.OpMap, rpcMapRequest(epm.TCPTower(known.iface, rpcTransfer(), netip.AddrPort{})))
		if f != nil {
			t.interrupted("ept_map", f)
			break
		}
		if a.fault != nil {
			t.refusal("ept_map", a.fault.Status)
			break
		}
		answer, err := epm.DecodeMapResponse(a.stub, a.order)
		if err != nil {
			t.interrupted("ept_map", &rpcFailure{outcome: scanner.Garbled, text: err.Error()})
			break
		}
		t.spoke(scanner.AssuranceRole)
		if len(answer.Towers) > 0 {
			found++
		}
		for _, tower := range answer.Towers[:min(len(answer.Towers), rpcMapTowers)] {
			t.add(tower)
		}
		if !t.status("ept_map", answer.Status) {
			break
		}
	}
	if t.result.Proof >= scanner.AssuranceRole {
		t.result.Detail("rpc interfaces", fmt.Sprintf("%d of %d well-known ones", found, len(rpcWellKnown())))
	}
}

// rpcTransfer is NDR as towers name it.
func rpcTransfer() epm.InterfaceID {
	return epm.InterfaceID{UUID: rpc.NDR.UUID, Major: rpc.NDR.Major, Minor: rpc.NDR.Minor}
}

// rpcMapRequest asks for a tower. Clients name the null object rather than
// none, and so do we.
func rpcMapRequest(tower epm.Tower) []byte {
	var null [16]byte
	return epm.MapRequest{Object: &null, Tower: tower.Encode(), Max: rpcMapTowers}.Encode()
}
