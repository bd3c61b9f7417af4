package ike

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// HeaderLen is the length of the header, the same in both versions (RFC 7296
// 3.1, RFC 2408 3.1).
const HeaderLen = 28

// SPI marks one side of an exchange; RFC 2408 calls it a cookie.
type SPI [8]byte

// Version is the major version in the high half and the minor in the low one.
type Version uint8

// The versions.
const (
	Version1 Version = 0x10
	Version2 Version = 0x20
)

// Major is the version's major number.
func (v Version) Major() uint8 { return uint8(v) >> 4 }

func (v Version) String() string { return fmt.Sprintf("IKEv%d", v.Major()) }

// Exchange is the kind of an exchange.
type Exchange uint8

// The exchanges (RFC 2408 3.1, RFC 7296 3.1).
const (
	ExchangeMainMode      Exchange = 2 // version 1: identity protection
	ExchangeInformationV1 Exchange = 5
	ExchangeInit          Exchange = 34 // version 2: IKE_SA_INIT
)

// The flags (RFC 2408 3.1, RFC 7296 3.1).
const (
	flagEncrypted uint8 = 0x01 // version 1
	flagInitiator uint8 = 0x08 // version 2
	flagResponse  uint8 = 0x20 // version 2
)

// The sizes of a payload's header, and how many payloads a message may have.
const (
	payloadHeaderLen = 4
	maxPayloads      = 64
)

// Header is what every message begins with.
type Header struct {
	Initiator, Responder SPI
	Next                 PayloadType // of the first payload
	Version              Version
	Exchange             Exchange
	Flags                uint8
	MessageID            uint32
}

// Response reports whether a message of version 2 is an answer. Version 1 has
// no such mark.
func (h Header) Response() bool { return h.Flags&flagResponse != 0 }

// Encrypted reports whether the payloads of a message of version 1 are hidden.
func (h Header) Encrypted() bool { return h.Version.Major() == 1 && h.Flags&flagEncrypted != 0 }

// ErrNotIKE says that bytes do not begin as a message of IKE.
var ErrNotIKE = errors.New("not an IKE message")

// parseHeader reads the header and returns what follows. The length in it must
// be that of the datagram.
func parseHeader(b []byte) (Header, []byte, error) {
	if len(b) < HeaderLen {
		return Header{}, nil, fmt.Errorf("%w: %d bytes", ErrNotIKE, len(b))
	}
	h := Header{
		Initiator: SPI(b), Responder: SPI(b[8:]), Next: PayloadType(b[16]), Version: Version(b[17]),
		Exchange: Exchange(b[18]), Flags: b[19], MessageID: binary.BigEndian.Uint32(b[20:]),
	}
	if m := h.Version.Major(); m != 1 && m != 2 {
		return Header{}, nil, fmt.Errorf("%w: version %d.%d", ErrNotIKE, m, h.Version&0xf)
	}
	if n := binary.BigEndian.Uint32(b[24:]); uint64(n) != uint64(len(b)) {
		return Header{}, nil, fmt.Errorf("%w: its length field says %d, it has %d bytes", ErrNotIKE, n, len(b))
	}
	return h, b[HeaderLen:], nil
}

func (h Header) marshal(payloads []byte) []byte {
	b := make([]byte, HeaderLen, HeaderLen+len(payloads))
	copy(b, h.Initiator[:])
	copy(b[8:], h.Responder[:])
	b[16], b[17], b[18], b[19] = byte(h.Next), byte(h.Version), byte(h.Exchange), h.Flags
	binary.BigEndian.PutUint32(b[20:], h.MessageID)
	binary.BigEndian.PutUint32(b[24:], uint32(HeaderLen+len(payloads))) //nolint:gosec // payloads have 16-bit lengths, and are few
	return append(b, payloads...)
}
