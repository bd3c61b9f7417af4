package smb

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// headerLen is the length of the SMB2 header.
const headerLen = 64

// Command is an SMB2 command ([MS-SMB2] 2.2.1.2).
type Command uint16

// The commands of this package.
const (
	CommandNegotiate    Command = 0
	CommandSessionSetup Command = 1
)

// Flags of the SMB2 header ([MS-SMB2] 2.2.1.2).
const (
	flagResponse = 0x00000001
	flagAsync    = 0x00000002
)

// Header is the SMB2 header, sync or async ([MS-SMB2] 2.2.1). Marshal of a
// message fills Command and Response by itself.
type Header struct {
	CreditCharge uint16
	Status       Status // of a response
	Command      Command
	Credits      uint16
	Response     bool
	Async        bool
	MessageID    uint64
	SessionID    uint64
}

// ParseHeader reads the SMB2 header of a message.
func ParseHeader(msg []byte) (Header, error) {
	if Recognize(msg) != KindSMB2 {
		return Header{}, &Error{Field: "protocol id", Offset: 0, Reason: "not SMB2"}
	}
	if err := need(msg, "header", 0, headerLen); err != nil {
		return Header{}, err
	}
	if n := binary.LittleEndian.Uint16(msg[4:]); n != headerLen {
		return Header{}, &Error{Field: "header structure size", Offset: 4, Reason: fmt.Sprintf("%d, want %d", n, headerLen)}
	}
	flags := binary.LittleEndian.Uint32(msg[16:])
	return Header{
		CreditCharge: binary.LittleEndian.Uint16(msg[6:]),
		Status:       Status(binary.LittleEndian.Uint32(msg[8:])),
		Command:      Command(binary.LittleEndian.Uint16(msg[12:])),
		Credits:      binary.LittleEndian.Uint16(msg[14:]),
		Response:     flags&flagResponse != 0,
		Async:        flags&flagAsync != 0,
		MessageID:    binary.LittleEndian.Uint64(msg[24:]),
		SessionID:    binary.LittleEndian.Uint64(msg[40:]),
	}, nil
}

// marshal writes the header and makes room for n bytes behind it.
func (h Header) marshal(command Command, response bool, n int) []byte {
	b := make([]byte, headerLen+n)
	copy(b, "\xfeSMB")
	binary.LittleEndian.PutUint16(b[4:], headerLen)
	binary.LittleEndian.PutUint16(b[6:], h.CreditCharge)
	binary.LittleEndian.PutUint32(b[8:], uint32(h.Status))
	binary.LittleEndian.PutUint16(b[12:], uint16(command))
	binary.LittleEndian.PutUint16(b[14:], h.Credits)
	var flags uint32
	if response {
		flags |= flagResponse
	}
	if h.Async {
		flags |= flagAsync
	}
	binary.LittleEndian.PutUint32(b[16:], flags)
	binary.LittleEndian.PutUint64(b[24:], h.MessageID)
	binary.LittleEndian.PutUint64(b[40:], h.SessionID)
	return b
}

// expect reads the header and holds it to be what the caller parses: the
// command, the direction, and the structure size of the body.
func expect(msg []byte, command Command, response bool, size uint16, fixed int) (Header, error) {
	h, err := ParseHeader(msg)
	if err != nil {
		return h, err
	}
	if h.Command != command {
		return h, &Error{Field: "command", Offset: 12, Reason: fmt.Sprintf("%d, want %d", h.Command, command)}
	}
	if h.Response != response {
		return h, &Error{Field: "flags", Offset: 16, Reason: fmt.Sprintf("response is %t, want %t", h.Response, response)}
	}
	if response && h.Status.isError() {
		return h, h.Status
	}
	if err := need(msg, "body", headerLen, fixed); err != nil {
		return h, err
	}
	if n := binary.LittleEndian.Uint16(msg[headerLen:]); n != size {
		return h, &Error{Field: "structure size", Offset: headerLen, Reason: fmt.Sprintf("%d, want %d", n, size)}
	}
	return h, nil
}

// ErrorResponse is the answer to a request that failed ([MS-SMB2] 2.2.2).
// There is no parser for it: the parsers of the other responses return the
// Status as their error.
type ErrorResponse struct {
	Header Header // with Command and Status
}

// Marshal writes the message.
func (r ErrorResponse) Marshal() []byte {
	const size = 9 // the structure and one byte that stands for no error data
	b := r.Header.marshal(r.Header.Command, true, size)
	binary.LittleEndian.PutUint16(b[headerLen:], size)
	return b
}

// GUID is a globally unique identifier as it stands on the wire ([MS-DTYP] 2.3.4.2).
type GUID [16]byte

// String writes the identifier in the usual form; the first three groups are
// little-endian on the wire.
func (g GUID) String() string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x",
		binary.LittleEndian.Uint32(g[0:]), binary.LittleEndian.Uint16(g[4:]), binary.LittleEndian.Uint16(g[6:]), g[8:10], g[10:16])
}

// IsZero reports whether no identifier was given.
func (g GUID) IsZero() bool { return g == GUID{} }

// A FILETIME counts steps of 100 ns since 1601 ([MS-DTYP] 2.3.3).
const (
	fileTimeSecond = 10_000_000
	fileTimeEpoch  = 11_644_473_600 // seconds from 1601 to 1970
)

// parseFileTime reads a FILETIME. Zero means that no time is given. So do times
// after the year 9999, which neither a clock shows nor RFC 3339 can write.
func parseFileTime(v uint64) time.Time {
	if v == 0 || v > math.MaxInt64 {
		return time.Time{}
	}
	t := time.Unix(int64(v/fileTimeSecond)-fileTimeEpoch, int64(v%fileTimeSecond)*100).UTC()
	if t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

// fileTime is the reverse of parseFileTime. Times before 1601 become zero.
func fileTime(t time.Time) uint64 {
	seconds := t.Unix() + fileTimeEpoch
	if t.IsZero() || seconds < 0 || t.Year() > 9999 {
		return 0
	}
	return uint64(seconds)*fileTimeSecond + uint64(t.Nanosecond()/100) //nolint:gosec // not negative
}
