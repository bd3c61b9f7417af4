package beacon

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"errors"
)

// Size is the length of every message.
const Size = macAt + macLen

// MaxPorts is how many ports an answer can name.
const MaxPorts = 40

// Magic begins every message.
const Magic = "cmreach1"

const (
	kindAt    = 8
	protoAt   = 9
	portAt    = 10
	nonceAt   = 12
	nonceLen  = 16
	sinceAt   = nonceAt + nonceLen
	untilAt   = sinceAt + 4
	countAt   = untilAt + 4
	portsAt   = countAt + 1
	portLen   = 3
	macAt     = portsAt + MaxPorts*portLen
	macLen    = 16
	question  = 1
	answer    = 2
	bodyStart = sinceAt // what only answers have
)

// Protocol carries a message; the values are IANA's protocol numbers.
type Protocol uint8

// The protocols.
const (
	TCP Protocol = 6
	UDP Protocol = 17
)

// Port is a port of the asked machine.
type Port struct {
	Protocol Protocol
	Number   uint16
}

// Nonce tells questions apart.
type Nonce [nonceLen]byte

// Status is what the asked machine says of itself.
type Status struct {
	Since uint32 // milliseconds since it began to listen
	Until uint32 // milliseconds until it ends
	Ports []Port // that it holds at the address that was asked, at most MaxPorts
}

// Errors of the readers. Whoever answers tells its peer none of them.
var (
	ErrNotBeacon = errors.New("no message of a two-ended check")
	ErrSignature = errors.New("signed with another key, or changed on the way")
	ErrEcho      = errors.New("the question came back, and no answer")
	ErrOther     = errors.New("the answer to another question")
	ErrMalformed = errors.New("malformed message of a two-ended check")
)

// Question makes a new question for a port.
func (k Key) Question(p Port) []byte {
	b := make([]byte, Size)
	copy(b, Magic)
	b[kindAt], b[protoAt] = question, byte(p.Protocol)
	binary.BigEndian.PutUint16(b[portAt:], p.Number)
	_, _ = rand.Read(b[nonceAt:sinceAt]) // never fails (crypto/rand)
	copy(b[macAt:], k.sum(b[:macAt]))
	return b
}

// ReadQuestion returns the nonce of a question that a holder of the key asked
// of this port.
func (k Key) ReadQuestion(b []byte, p Port) (Nonce, error) {
	if err := k.read(b); err != nil {
		return Nonce{}, err
	}
	if b[kindAt] != question || port(b[protoAt:]) != p {
		return Nonce{}, ErrOther
	}
	return Nonce(b[nonceAt:sinceAt]), nil
}

// Answer makes the answer to a question that ReadQuestion accepted. Of the
// ports it names the first MaxPorts.
func (k Key) Answer(asked []byte, s Status) []byte {
	b := make([]byte, Size)
	copy(b, asked[:bodyStart])
	b[kindAt] = answer
	binary.BigEndian.PutUint32(b[sinceAt:], s.Since)
	binary.BigEndian.PutUint32(b[untilAt:], s.Until)
	ports := s.Ports[:min(len(s.Ports), MaxPorts)]
	b[countAt] = byte(len(ports)) //nolint:gosec // at most MaxPorts
	for i, p := range ports {
		at := portsAt + i*portLen
		b[at] = byte(p.Protocol)
		binary.BigEndian.PutUint16(b[at+1:], p.Number)
	}
	copy(b[macAt:], k.sum(b[:macAt]))
	return b
}

// ReadAnswer returns what the answer to a question says.
func (k Key) ReadAnswer(asked, b []byte) (Status, error) {
	if err := k.read(b); err != nil {
		return Status{}, err
	}
	switch {
	case b[kindAt] == question:
		return Status{}, ErrEcho
	case b[kindAt] != answer, int(b[countAt]) > MaxPorts:
		return Status{}, ErrMalformed
	case len(asked) != Size || string(asked[protoAt:bodyStart]) != string(b[protoAt:bodyStart]):
		return Status{}, ErrOther
	}
	s := Status{Since: binary.BigEndian.Uint32(b[sinceAt:]), Until: binary.BigEndian.Uint32(b[untilAt:])}
	for i := range int(b[countAt]) {
		s.Ports = append(s.Ports, port(b[portsAt+i*portLen:]))
	}
	return s, nil
}

// read checks the form and the signature.
func (k Key) read(b []byte) error {
	switch {
	case len(b) != Size || string(b[:kindAt]) != Magic:
		return ErrNotBeacon
	case !k.Valid() || !hmac.Equal(b[macAt:], k.sum(b[:macAt])):
		return ErrSignature
	default:
		return nil
	}
}

func port(b []byte) Port {
	return Port{Protocol: Protocol(b[0]), Number: binary.BigEndian.Uint16(b[1:])}
}
