package probes

import (
	"cmreach/probes/wire/epm"
	"cmreach/probes/wire/rpc"
	"cmreach/scanner"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/netip"
)

const rpcDatagramDoc = `asks the RPC endpoint mapper by one connectionless datagram

Sends ept_map over ncadg_ip_udp (C706 chapter 12, version 4), marked idempotent.
Any connectionless PDU of the same call is an answer: a response, a fault, a
reject, "working" or "no call".
Silence decides nothing: Windows Vista and later have no listener on UDP 135.
Needs no rights.`

// RPCDatagram asks the endpoint mapper on UDP 135. Its requests carry a call
// identifier that only this value can make, so that a stray or forged datagram
// is not taken for an answer.
func RPCDatagram() scanner.Probe {
	var key rpcKey
	_, _ = rand.Read(key[:]) // never fails (crypto/rand)
	return scanner.Probe{
		Name: "rpc-udp", Doc: rpcDatagramDoc, Protocol: scanner.UDP,
		Request: key.request, Decode: key.decode,
	}
}

// rpcKey makes and knows activity identifiers: half of each is random, the
// other half proves the first.
type rpcKey [32]byte

func (k rpcKey) activity() rpc.UUID {
	var u rpc.UUID
	_, _ = rand.Read(u[:8])
	u[6] = u[6]&0x0f | 0x40 // version 4, RFC 9562 section 5.4
	k.sign(&u)
	return u
}

// sign fills the second half.
func (k rpcKey) sign(u *rpc.UUID) {
	mac := hmac.New(sha256.New, k[:])
	_, _ = mac.Write(u[:8]) // never fails (hash.Hash)
	copy(u[8:], mac.Sum(nil))
	u[8] = u[8]&0x3f | 0x80 // variant, RFC 9562 section 4.1
}

func (k rpcKey) made(u rpc.UUID) bool {
	want := u
	k.sign(&want)
	return hmac.Equal(u[:], want[:])
}

// request asks where the event log is, over UDP.
func (k rpcKey) request(scanner.Ask) []byte {
	tower := epm.UDPTower(rpcWellKnown()[0].iface, rpcTransfer(), netip.AddrPort{})
	b, err := rpc.NewDatagram(rpc.EndpointMapper, epm.OpMap, k.activity(), rpcMapRequest(tower)).Encode()
	if err != nil {
		return nil // only a body of 64 KiB is too long
	}
	return b
}

func (k rpcKey) decode(_, answer []byte) scanner.Result {
	m, err := rpc.DecodeDatagram(answer)
	switch {
	case errors.Is(err, rpc.ErrNotRPC):
		return scanner.Result{Outcome: scanner.Foreign, Err: "no RPC: the answer begins " + lookedLike(answer)}
	case err != nil:
		return scanner.Result{Outcome: scanner.Garbled, Err: err.Error()}
	case !k.made(m.Activity):
		return scanner.Result{Outcome: scanner.Foreign, Err: "a " + m.Type.String() + " of a call that was not made"}
	case m.Type == rpc.DatagramRequest:
		return scanner.Result{Outcome: scanner.Foreign, Err: "sent the request back"}
	}
	result := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
	text := m.Type.String()
	if status, ok := m.Status(); ok {
		text += ": " + rpc.StatusText(status)
		result.NeedsCredentials = rpcDenied(status)
	}
	if m.Type == rpc.DatagramResponse {
		if _, err := epm.DecodeMapResponse(m.Body, m.Order()); err == nil {
			result.Proof = scanner.AssuranceRole
		}
	}
	result.Detail("connectionless rpc", text)
	return result
}
