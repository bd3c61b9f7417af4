package lab

import (
	"bytes"
	"cmreach/probes/wire/ike"
	"crypto/sha256"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// DHCP is a DHCP server with a scope: DHCPINFORM is answered by DHCPACK with
// the options and without a lease (RFC 2131 4.3.5). Nothing else is answered.
func DHCP() Service {
	return Service{Packet: func(request []byte, h Host) []byte {
		m, err := dhcpv4.FromBytes(request)
		if err != nil || m.OpCode != dhcpv4.OpcodeBootRequest || m.MessageType() != dhcpv4.MessageTypeInform || !h.Addr.Is4() {
			return nil
		}
		ack, err := dhcpv4.NewReplyFromRequest(
			m,
			dhcpv4.WithMessageType(dhcpv4.MessageTypeAck),
			dhcpv4.WithClientIP(m.ClientIPAddr),
			dhcpv4.WithServerIP(h.Addr.AsSlice()),
			dhcpv4.WithOption(dhcpv4.OptServerIdentifier(h.Addr.AsSlice())),
			dhcpv4.WithOption(dhcpv4.OptDomainName(h.DNSDomain)),
		)
		if err != nil {
			return nil
		}
		return ack.ToBytes()
	}}
}

// ikeResponse marks an answer of IKEv2 (RFC 7296 3.1).
const ikeResponse = 0x20

// IKE is an IPsec peer whose policy is for others: it answers, and chooses no
// proposal, in IKEv2 within the exchange (RFC 7296 2.21.1) and in IKEv1 by an
// informational one (RFC 2408 5.4). On port 4500 the marker of RFC 3948 2.2
// comes first; without it the datagram is ESP, and nothing comes back.
func IKE(marker []byte) Service {
	return Service{Packet: func(request []byte, h Host) []byte {
		text, ok := bytes.CutPrefix(request, marker)
		if !ok {
			return nil
		}
		m, err := ike.Parse(text)
		if err != nil || m.Response() {
			return nil
		}
		head := ike.Header{Initiator: m.Initiator, Version: m.Version}
		switch {
		case m.Version == ike.Version2 && m.Exchange == ike.ExchangeInit && m.Has(ike.PayloadSA):
			head.Exchange, head.Flags = m.Exchange, ikeResponse
		case m.Version == ike.Version1 && m.Exchange == ike.ExchangeMainMode && m.Has(ike.PayloadSAV1):
			head.Exchange = ike.ExchangeInformationV1
			cookie := sha256.Sum256(append(m.Initiator[:], h.Addr.AsSlice()...))
			copy(head.Responder[:], cookie[:])
		default:
			return nil
		}
		refusal := ike.NotifyPayload(m.Version, ike.NotifyNoProposal, nil)
		return append(bytes.Clone(marker), ike.Message{Header: head, Payloads: []ike.Payload{refusal}}.Marshal()...)
	}}
}
