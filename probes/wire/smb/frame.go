package smb

import (
	"encoding/binary"
	"fmt"
)

// FrameHeaderLen is the length of the header before each message on TCP 445.
const FrameHeaderLen = 4

// MaxMessage is the longest message that the framing can carry.
const MaxMessage = 1<<24 - 1

// Frame returns a message with the Direct TCP header before it: a zero byte and
// the length in three bytes ([MS-SMB2] 2.1). It returns nil for a message that
// is longer than MaxMessage.
func Frame(msg []byte) []byte {
	if len(msg) > MaxMessage {
		return nil
	}
	b := make([]byte, FrameHeaderLen, FrameHeaderLen+len(msg))
	binary.BigEndian.PutUint32(b, uint32(len(msg))) //nolint:gosec // checked above
	return append(b, msg...)
}

// FrameLength returns the length of the message that follows a Direct TCP
// header ([MS-SMB2] 2.1).
func FrameLength(header [FrameHeaderLen]byte) (int, error) {
	if header[0] != 0 {
		return 0, &Error{Field: "frame type", Offset: 0, Reason: fmt.Sprintf("0x%02x, want 0x00", header[0])}
	}
	return int(header[1])<<16 | int(header[2])<<8 | int(header[3]), nil
}

// Kind is the family of a message, told by its first four bytes.
type Kind uint8

// The message families.
const (
	KindUnknown    Kind = iota // no SMB
	KindSMB1                   // 0xFF 'S' 'M' 'B' ([MS-CIFS] 2.2.3.1)
	KindSMB2                   // 0xFE 'S' 'M' 'B' ([MS-SMB2] 2.2.1)
	KindEncrypted              // 0xFD 'S' 'M' 'B' ([MS-SMB2] 2.2.41)
	KindCompressed             // 0xFC 'S' 'M' 'B' ([MS-SMB2] 2.2.42)
)

// Recognize tells the family of a message.
func Recognize(msg []byte) Kind {
	if len(msg) < 4 || msg[1] != 'S' || msg[2] != 'M' || msg[3] != 'B' {
		return KindUnknown
	}
	switch msg[0] {
	case 0xff:
		return KindSMB1
	case 0xfe:
		return KindSMB2
	case 0xfd:
		return KindEncrypted
	case 0xfc:
		return KindCompressed
	}
	return KindUnknown
}

// Error says where a message is broken.
type Error struct {
	Field  string
	Offset int // from the start of the message
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("smb: %s at byte %d: %s", e.Field, e.Offset, e.Reason)
}

// need reports an Error unless msg holds n bytes at the offset.
func need(msg []byte, field string, offset, n int) error {
	if offset < 0 || n < 0 || offset > len(msg) || n > len(msg)-offset {
		return &Error{Field: field, Offset: offset, Reason: fmt.Sprintf("%d bytes do not fit in a message of %d", n, len(msg))}
	}
	return nil
}

// buffer returns the n bytes at an offset that the message itself gave. They
// must lie behind the fixed part. An empty buffer may have any offset.
func buffer(msg []byte, field string, offset, n, fixed int) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	if offset < fixed {
		return nil, &Error{Field: field, Offset: offset, Reason: fmt.Sprintf("lies before the end of the fixed part (%d)", fixed)}
	}
	if err := need(msg, field, offset, n); err != nil {
		return nil, err
	}
	return msg[offset : offset+n : offset+n], nil
}
