package lab_test

import (
	"cmreach/probes/wire/epm"
	"cmreach/probes/wire/ntlm"
	"cmreach/probes/wire/oxid"
	"cmreach/probes/wire/rpc"
	"cmreach/probes/wire/smb"
	"cmreach/probes/wire/spnego"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"
)

// dial connects with a deadline for everything that follows.
func dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{Timeout: 10 * time.Second}
	c, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	return c, c.SetDeadline(time.Now().Add(10 * time.Second))
}

// challenged asks an SMB server who it is.
func challenged(ctx context.Context, to netip.AddrPort) (ntlm.TargetInfo, error) {
	c, err := dial(ctx, to)
	if err != nil {
		return ntlm.TargetInfo{}, err
	}
	defer c.Close()
	msg, err := exchangeSMB(c, smb.NegotiateRequest{Dialects: smb.Dialects(), Contexts: []smb.Context{smb.PreauthContext(make([]byte, 32))}}.Marshal())
	if err != nil {
		return ntlm.TargetInfo{}, err
	}
	n, err := smb.ParseNegotiateResponse(msg)
	if err != nil || n.Dialect != smb.Dialect311 {
		return ntlm.TargetInfo{}, fmt.Errorf("negotiate: %v, %w", n.Dialect, err)
	}
	token := spnego.Init{Mechs: []spnego.OID{spnego.OIDNTLM}, Token: ntlm.Negotiate{Flags: ntlm.DefaultFlags}.Marshal()}.Marshal()
	msg, err = exchangeSMB(c, smb.SessionSetupRequest{Header: smb.Header{MessageID: 1}, Security: token}.Marshal())
	if err != nil {
		return ntlm.TargetInfo{}, err
	}
	s, err := smb.ParseSessionSetupResponse(msg)
	if err != nil || s.Header.Status != smb.StatusMoreProcessingRequired || s.Header.MessageID != 1 {
		return ntlm.TargetInfo{}, fmt.Errorf("session setup: %+v, %w", s.Header, err)
	}
	r, err := spnego.ParseResp(s.Security)
	if err != nil {
		return ntlm.TargetInfo{}, err
	}
	ch, err := ntlm.ParseChallenge(r.Token)
	return ch.Info, err
}

func exchangeSMB(c net.Conn, request []byte) ([]byte, error) {
	if _, err := c.Write(smb.Frame(request)); err != nil {
		return nil, err
	}
	var h [smb.FrameHeaderLen]byte
	if _, err := io.ReadFull(c, h[:]); err != nil {
		return nil, err
	}
	n, err := smb.FrameLength(h)
	if err != nil {
		return nil, err
	}
	msg := make([]byte, n)
	_, err = io.ReadFull(c, msg)
	return msg, err
}

// bound is a connection on which an interface was bound.
type bound struct{ net.Conn }

// bind connects and binds one interface.
func bind(ctx context.Context, to netip.AddrPort, id rpc.Syntax) (*bound, error) {
	c, err := dial(ctx, to)
	if err != nil {
		return nil, err
	}
	b := &bound{c}
	m, err := b.exchange((&rpc.Bind{
		Header: rpc.Header{CallID: 1}, MaxXmit: 5840, MaxRecv: 5840,
		Contexts: []rpc.Context{{Interface: id, Transfers: []rpc.Syntax{rpc.NDR}}},
	}).Encode())
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	ack, ok := m.(*rpc.BindAck)
	if !ok || len(ack.Results) != 1 || ack.Results[0].Result != rpc.Accepted {
		return nil, errors.Join(fmt.Errorf("bind: %+v", m), c.Close())
	}
	return b, nil
}

func (b *bound) exchange(pdu []byte, err error) (rpc.Message, error) {
	if err != nil {
		return nil, err
	}
	if _, err := b.Write(pdu); err != nil {
		return nil, err
	}
	head := make([]byte, rpc.HeaderLen)
	if _, err := io.ReadFull(b, head); err != nil {
		return nil, err
	}
	h, err := rpc.DecodeHeader(head)
	if err != nil {
		return nil, err
	}
	rest := make([]byte, int(h.FragLen)-len(head))
	if _, err := io.ReadFull(b, rest); err != nil {
		return nil, err
	}
	return rpc.Decode(append(head, rest...))
}

func (b *bound) call(opnum uint16, stub []byte) (*rpc.Response, error) {
	m, err := b.exchange((&rpc.Request{Header: rpc.Header{CallID: 2}, Opnum: opnum, Stub: stub}).Encode())
	if err != nil {
		return nil, err
	}
	r, ok := m.(*rpc.Response)
	if !ok {
		return nil, fmt.Errorf("call: %+v", m)
	}
	return r, nil
}

// mapped asks the endpoint mapper for all its ports, in pages of the size.
func mapped(ctx context.Context, to netip.AddrPort, page uint32) ([]uint16, error) {
	b, err := bind(ctx, to, rpc.EndpointMapper)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	var ports []uint16
	for q := (epm.LookupRequest{VersionOption: epm.VersionAll, Max: page}); len(ports) < 100; {
		m, err := b.call(epm.OpLookup, q.Encode())
		if err != nil {
			return nil, err
		}
		r, err := epm.DecodeLookupResponse(m.Stub, m.Order())
		if err != nil {
			return nil, err
		}
		for _, e := range r.Entries {
			t, err := epm.DecodeTower(e.Tower)
			if err != nil {
				return nil, err
			}
			ap, ok := t.TCP()
			if !ok || to.Addr().Is4() && ap.Addr() != to.Addr() {
				return nil, fmt.Errorf("tower %v", ap)
			}
			ports = append(ports, ap.Port())
		}
		if r.Handle.IsZero() {
			break
		}
		q.Handle = r.Handle
	}
	slices.Sort(ports)
	return ports, nil
}

// alive asks ServerAlive2 for the names and addresses of the machine.
func alive(ctx context.Context, to netip.AddrPort) ([]string, error) {
	b, err := bind(ctx, to, rpc.ObjectExporter)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	m, err := b.call(oxid.OpServerAlive2, nil)
	if err != nil {
		return nil, err
	}
	a, err := oxid.Decode(m.Stub, m.Order())
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range a.Bindings.Strings {
		names = append(names, s.Address)
	}
	return names, nil
}
