package ike

import (
	"encoding/binary"
	"fmt"
)

// PayloadType is the kind of a payload.
type PayloadType uint8

// The payloads (RFC 2408 3.1, RFC 7296 3.2).
const (
	payloadNone PayloadType = 0

	PayloadSAV1     PayloadType = 1
	PayloadNotifyV1 PayloadType = 11

	PayloadSA     PayloadType = 33
	PayloadKE     PayloadType = 34
	PayloadNonce  PayloadType = 40
	PayloadNotify PayloadType = 41

	payloadEncryptedV2   PayloadType = 46
	payloadEncryptedFrag PayloadType = 53
)

// Payload is one part of a message.
type Payload struct {
	Type     PayloadType
	Critical bool // version 2: who does not know it must refuse the message
	Body     []byte
}

// Message is a whole message. The payloads are left out when they are encrypted.
type Message struct {
	Header
	Payloads []Payload
}

// Parse reads a datagram, without the marker of port 4500.
func Parse(b []byte) (Message, error) {
	h, rest, err := parseHeader(b)
	if err != nil {
		return Message{}, err
	}
	m := Message{Header: h}
	if h.Encrypted() {
		return m, nil
	}
	for next := h.Next; next != payloadNone; {
		if next == payloadEncryptedV2 || next == payloadEncryptedFrag {
			return m, nil // its "next payload" names one inside it (RFC 7296 3.14)
		}
		if len(m.Payloads) == maxPayloads {
			return Message{}, fmt.Errorf("malformed IKE message: more than %d payloads", maxPayloads)
		}
		if len(rest) < payloadHeaderLen {
			return Message{}, fmt.Errorf("malformed IKE message: %d bytes where a payload of type %d begins", len(rest), next)
		}
		n := int(binary.BigEndian.Uint16(rest[2:]))
		if n < payloadHeaderLen || n > len(rest) {
			return Message{}, fmt.Errorf("malformed IKE message: a payload of type %d says that it has %d bytes, %d are left", next, n, len(rest))
		}
		m.Payloads = append(m.Payloads, Payload{Type: next, Critical: rest[1]&0x80 != 0, Body: rest[payloadHeaderLen:n:n]})
		next, rest = PayloadType(rest[0]), rest[n:]
	}
	if len(rest) > 0 {
		return Message{}, fmt.Errorf("malformed IKE message: %d bytes after the last payload", len(rest))
	}
	return m, nil
}

// Marshal writes the message. The header's Next follows from the payloads.
func (m Message) Marshal() []byte {
	h := m.Header
	h.Next = payloadNone
	if len(m.Payloads) > 0 {
		h.Next = m.Payloads[0].Type
	}
	var b []byte
	for i, p := range m.Payloads {
		next := payloadNone
		if i+1 < len(m.Payloads) {
			next = m.Payloads[i+1].Type
		}
		var flags byte
		if p.Critical {
			flags = 0x80
		}
		b = append(b, byte(next), flags)
		b = binary.BigEndian.AppendUint16(b, uint16(payloadHeaderLen+len(p.Body))) //nolint:gosec // what we send is short
		b = append(b, p.Body...)
	}
	return h.marshal(b)
}

// Has reports whether the message has a payload of the type.
func (m Message) Has(t PayloadType) bool {
	_, ok := m.first(t)
	return ok
}

func (m Message) first(t PayloadType) (Payload, bool) {
	for _, p := range m.Payloads {
		if p.Type == t {
			return p, true
		}
	}
	return Payload{}, false
}

// NonESP is what an IKE message on port 4500 begins with, where ESP packets
// begin with an SPI that is not zero (RFC 3948 2.2).
func NonESP() []byte { return make([]byte, 4) }
