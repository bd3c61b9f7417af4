package profiles

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
)

// readText reads a text of at most limit bytes as UTF-8. Files that Windows
// tools wrote are at home here: a byte order mark is taken off, UTF-16 with a
// mark (what ">" of Windows PowerShell writes) is converted, CRLF becomes LF.
// Bytes that are no UTF-8 stay: whoever parses can say where they are.
func readText(r io.Reader, limit int64) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	if int64(len(b)) > limit {
		return "", fmt.Errorf("is larger than %s bytes", thousands(uint64(limit))) //nolint:gosec // G115: limits are positive constants
	}
	return decodeText(b)
}

func decodeText(b []byte) (string, error) {
	switch {
	case bytes.HasPrefix(b, []byte{0xef, 0xbb, 0xbf}):
		b = b[3:]
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}):
		return decodeUTF16(b[2:], binary.LittleEndian)
	case bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		return decodeUTF16(b[2:], binary.BigEndian)
	}
	return strings.ReplaceAll(string(b), "\r\n", "\n"), nil
}

func decodeUTF16(b []byte, order binary.ByteOrder) (string, error) {
	if len(b)%2 != 0 {
		return "", errors.New("is cut off in the middle of a UTF-16 character")
	}
	var out strings.Builder // and no list of characters: client lists are long
	out.Grow(len(b) / 2)
	for i := 0; i < len(b); i += 2 {
		r := rune(order.Uint16(b[i:]))
		if utf16.IsSurrogate(r) && i+4 <= len(b) {
			if pair := utf16.DecodeRune(r, rune(order.Uint16(b[i+2:]))); pair != unicode.ReplacementChar {
				out.WriteRune(pair)
				i += 2
				continue
			}
		}
		out.WriteRune(r) // half a pair becomes the replacement character
	}
	return strings.ReplaceAll(out.String(), "\r\n", "\n"), nil
}

// thousands writes a number for people: 16,777,214.
func thousands(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
