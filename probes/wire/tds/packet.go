package tds

import (
	"encoding/binary"
	"fmt"
)

// HeaderLen is the length of the header of each packet ([MS-TDS] 2.2.3.1).
const HeaderLen = 8

// MaxPacket is the longest packet that this package makes or takes: the size
// before another was agreed upon ([MS-TDS] 2.2.3.1.3).
const MaxPacket = 4096

// Type is what a packet carries ([MS-TDS] 2.2.3.1.1).
type Type uint8

// The types of this exchange.
const (
	TypeResponse Type = 0x04 // tabular result: also carries the answer to PRELOGIN
	TypePrelogin Type = 0x12
)

// EndOfMessage is the bit of the status that marks the last packet of a message
// ([MS-TDS] 2.2.3.1.2).
const EndOfMessage = 0x01

// Header is the header of a packet ([MS-TDS] 2.2.3.1).
type Header struct {
	Type   Type
	Status uint8
	Length int // with the header
}

// Last reports whether the message ends with this packet.
func (h Header) Last() bool { return h.Status&EndOfMessage != 0 }

// ParseHeader reads the header of a packet. The process, the packet's number
// and the window say nothing to a client ([MS-TDS] 2.2.3.1.4 to 2.2.3.1.6).
func ParseHeader(b [HeaderLen]byte) (Header, error) {
	h := Header{Type: Type(b[0]), Status: b[1], Length: int(binary.BigEndian.Uint16(b[2:]))}
	if h.Length < HeaderLen || h.Length > MaxPacket {
		return Header{}, &Error{Field: "packet length", Offset: 2, Reason: fmt.Sprintf("%d, want %d to %d", h.Length, HeaderLen, MaxPacket)}
	}
	return h, nil
}

// Packet returns a message as one packet, the first and last. It returns nil
// when it does not fit.
func Packet(t Type, msg []byte) []byte {
	if len(msg) > MaxPacket-HeaderLen {
		return nil
	}
	b := make([]byte, HeaderLen, HeaderLen+len(msg))
	b[0], b[1] = byte(t), EndOfMessage
	binary.BigEndian.PutUint16(b[2:], uint16(HeaderLen+len(msg))) //nolint:gosec // checked above
	b[6] = 1                                                      // the first packet ([MS-TDS] 2.2.3.1.5)
	return append(b, msg...)
}

// Error says where a message is broken.
type Error struct {
	Field  string
	Offset int // from the start of the packet or message
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("tds: %s at byte %d: %s", e.Field, e.Offset, e.Reason)
}
