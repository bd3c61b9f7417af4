package probes

import (
	"cmreach/probes/wire/rpc"
	"cmreach/scanner"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"
)

// What a conversation takes from a peer at most.
const (
	rpcMaxBytes     = 1 << 20   // on all connections of a conversation
	rpcMaxAnswer    = 256 << 10 // stubs of one answer
	rpcMaxFragments = 64        // fragments of one answer
	rpcMaxFragment  = 16 << 10  // one fragment; we ask for rpcOffer, some peers are generous
	rpcOffer        = 5840      // longest fragment that we say we take, as Windows does
)

// rpcFailure is how a step ended that brought no answer of the protocol.
type rpcFailure struct {
	outcome scanner.Outcome
	reply   scanner.Reply // when no connection came about
	text    string
}

// result is the end of a conversation that did not get beyond this failure.
func (f *rpcFailure) result() scanner.Result {
	return scanner.Result{Outcome: f.outcome, Reply: f.reply, Err: f.text}
}

// String says for people what happened.
func (f *rpcFailure) String() string {
	if f.text == "" {
		return f.outcome.String()
	}
	return f.outcome.String() + ": " + f.text
}

// rpcConn is one association. Its steps must not overlap.
type rpcConn struct {
	conn net.Conn
	ctx  context.Context // it was dialed for, and ends with
	left *int            // bytes that the conversation may still read
	got  []byte          // received and not used yet
	call uint32
	at   uint16 // context of the calls: the place of their interface in the bind
}

// rpcDial opens a connection. It is good for one bind: the Samba domain
// controller refuses a second one on it.
func rpcDial(ctx context.Context, c scanner.Call, left *int) (*rpcConn, *rpcFailure) {
	conn, reply := c.Dial(ctx)
	if conn == nil {
		return nil, &rpcFailure{outcome: reply.Outcome, reply: reply, text: reply.Err}
	}
	return &rpcConn{conn: conn, ctx: ctx, left: left}, nil
}

func (rc *rpcConn) close() { _ = rc.conn.Close() }

// until sets when the next steps end at the latest; the zero time: with the
// context. After a step that ended so the connection is of no use.
func (rc *rpcConn) until(end time.Time) {
	_ = rc.conn.SetDeadline(end)
	if rc.ctx.Err() != nil { // it had ended the waiting already
		_ = rc.conn.SetDeadline(time.Unix(1, 0))
	}
}

// send writes a message.
func (rc *rpcConn) send(m rpc.Message) *rpcFailure {
	pdu, err := m.Encode()
	if err != nil {
		return &rpcFailure{outcome: scanner.LocalError, text: err.Error()}
	}
	if _, err := rc.conn.Write(pdu); err != nil {
		return rc.broken(err)
	}
	return nil
}

// receive reads one message that answers the present call.
func (rc *rpcConn) receive() (rpc.Message, *rpcFailure) {
	pdu, f := rc.pdu()
	if f != nil {
		return nil, f
	}
	m, err := rpc.Decode(pdu)
	if err != nil {
		return nil, &rpcFailure{outcome: scanner.Garbled, text: err.Error()}
	}
	if id := m.Head().CallID; id != rc.call {
		return nil, &rpcFailure{outcome: scanner.Garbled, text: fmt.Sprintf("%s of call %d, want %d", m.Head().Type, id, rc.call)}
	}
	return m, nil
}

// pdu reads one PDU. What cannot begin one is told at its first bytes, so that
// a peer which waits after its banner does not cost the whole time.
func (rc *rpcConn) pdu() ([]byte, *rpcFailure) {
	for {
		if !rpc.CouldBegin(rc.got) {
			return nil, &rpcFailure{outcome: scanner.Foreign, text: "no RPC: the answer begins " + lookedLike(rc.got)}
		}
		if len(rc.got) >= rpc.HeaderLen {
			h, err := rpc.DecodeHeader(rc.got)
			if err != nil {
				return nil, &rpcFailure{outcome: scanner.Garbled, text: err.Error()}
			}
			n := int(h.FragLen)
			if n > rpcMaxFragment {
				return nil, &rpcFailure{outcome: scanner.Garbled, text: fmt.Sprintf("%s of %d bytes, %d were agreed", h.Type, n, rpcOffer)}
			}
			if len(rc.got) >= n {
				pdu := rc.got[:n:n]
				rc.got = rc.got[n:]
				return pdu, nil
			}
		}
		if *rc.left <= 0 {
			return nil, &rpcFailure{outcome: scanner.Garbled, text: fmt.Sprintf("more than %d bytes", rpcMaxBytes)}
		}
		rc.got = withRoom(rc.got)
		have := len(rc.got)
		n, err := rc.conn.Read(rc.got[have:min(cap(rc.got), have+*rc.left)])
		*rc.left -= n
		rc.got = rc.got[:have+n]
		if n == 0 && err != nil {
			return nil, rc.broken(err)
		}
	}
}

// withRoom returns the bytes with room behind them for an answer of the usual
// size: a buffer for the largest would be most of what a conversation costs.
func withRoom(b []byte) []byte {
	const usual = 1 << 10
	if cap(b)-len(b) >= usual/2 {
		return b
	}
	return slices.Grow(b, max(usual, len(b)))
}

// broken says what the end of the connection means.
func (rc *rpcConn) broken(err error) *rpcFailure {
	begun := ""
	if len(rc.got) > 0 {
		begun = fmt.Sprintf(" after %d bytes of an answer", len(rc.got))
	}
	switch {
	case rc.ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded):
		if begun == "" {
			return &rpcFailure{outcome: scanner.Mute, text: "no answer in time"}
		}
		return &rpcFailure{outcome: scanner.Garbled, text: "nothing more in time" + begun}
	case errors.Is(err, io.EOF):
		return &rpcFailure{outcome: scanner.Cut, text: "closed" + begun}
	default:
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err // without the addresses
		}
		return &rpcFailure{outcome: scanner.Cut, text: err.Error() + begun}
	}
}

// bind proposes interfaces and gives the answer: *rpc.BindAck with one
// result or more, *rpc.BindNak or *rpc.Fault.
func (rc *rpcConn) bind(ifaces ...rpc.Syntax) (rpc.Message, *rpcFailure) {
	rc.call++
	contexts := make([]rpc.Context, len(ifaces))
	for i := range ifaces {
		contexts[i] = rpc.Context{ID: uint16(i), Interface: ifaces[i], Transfers: []rpc.Syntax{rpc.NDR}}
	}
	f := rc.send(&rpc.Bind{
		Header: rpc.Header{CallID: rc.call}, MaxXmit: rpcOffer, MaxRecv: rpcOffer, Contexts: contexts,
	})
	if f != nil {
		return nil, f
	}
	m, f := rc.receive()
	if f != nil {
		return nil, f
	}
	switch m := m.(type) {
	case *rpc.BindAck:
		if len(m.Results) == 0 {
			return nil, &rpcFailure{outcome: scanner.Garbled, text: "bind_ack without a result"}
		}
		return m, nil
	case *rpc.BindNak, *rpc.Fault:
		return m, nil
	default: // an echo service sends our bind back
		return nil, &rpcFailure{outcome: scanner.Foreign, text: fmt.Sprintf("answered a bind with a %s", m.Head().Type)}
	}
}

// rpcAnswer is what a call gave: a stub, or a fault.
type rpcAnswer struct {
	stub  []byte
	order binary.ByteOrder
	fault *rpc.Fault
}

// invoke calls an operation of the interface that was bound.
func (rc *rpcConn) invoke(opnum uint16, stub []byte) (rpcAnswer, *rpcFailure) {
	rc.call++
	if f := rc.send(&rpc.Request{Header: rpc.Header{CallID: rc.call}, ContextID: rc.at, Opnum: opnum, Stub: stub}); f != nil {
		return rpcAnswer{}, f
	}
	a := rpc.Assembler{MaxBytes: rpcMaxAnswer, MaxFragments: rpcMaxFragments}
	for {
		m, f := rc.receive()
		if f != nil {
			if f.outcome == scanner.Foreign { // the peer has spoken RPC before
				f.outcome = scanner.Garbled
			}
			return rpcAnswer{}, f
		}
		switch m := m.(type) {
		case *rpc.Fault:
			return rpcAnswer{fault: m}, nil
		case *rpc.Response:
			done, err := a.Add(m)
			if err != nil {
				return rpcAnswer{}, &rpcFailure{outcome: scanner.Garbled, text: err.Error()}
			}
			if done {
				return rpcAnswer{stub: a.Stub(), order: m.Order()}, nil
			}
		default:
			return rpcAnswer{}, &rpcFailure{outcome: scanner.Garbled, text: fmt.Sprintf("answered a request with a %s", m.Head().Type)}
		}
	}
}

// rpcHalf is when half of the time that is left is over: a step that is given up
// then leaves some for the next. Without a deadline it is zero.
func rpcHalf(ctx context.Context) time.Time {
	end, ok := ctx.Deadline()
	if !ok {
		return time.Time{}
	}
	return time.Now().Add(time.Until(end) / 2)
}

// rpcDenied reports whether a status refuses a caller without credentials.
func rpcDenied(status uint32) bool {
	return status == rpc.StatusAccessDenied || status == rpc.StatusSecurityPackage
}
