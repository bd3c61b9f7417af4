package profiles

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
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

// textReader reads a long text as readText does, without holding it. What went
// wrong stays in err, in the words that readText has; a reader sees the end.
type textReader struct {
	in    *bufio.Reader
	limit int64 // bytes that may still come
	begun bool
	order binary.ByteOrder // of UTF-16; nil: UTF-8
	rest  []byte           // decoded, and not asked for yet
	buf   [4 * utf8.UTFMax]byte
	err   error
}

func newTextReader(r io.Reader, limit int64) *textReader {
	return &textReader{in: bufio.NewReaderSize(r, 32<<10), limit: limit}
}

// Read gives UTF-8. The CR of a line's end is left to whoever reads lines.
func (t *textReader) Read(p []byte) (int, error) {
	if t.err != nil {
		return 0, io.EOF
	}
	if !t.begun {
		t.begun = true
		t.mark()
	}
	if t.order == nil {
		n, err := t.in.Read(p[:min(int64(len(p)), t.limit+1)])
		return n, t.spend(n, err)
	}
	n := 0
	for n < len(p) {
		if len(t.rest) == 0 {
			if err := t.decode(); err != nil {
				return n, err
			}
		}
		k := copy(p[n:], t.rest)
		t.rest = t.rest[k:]
		n += k
	}
	return n, nil
}

// line reads a line with its end, before anything else is read.
func (t *textReader) line() (string, error) {
	var b []byte
	var one [1]byte
	for {
		n, err := t.Read(one[:])
		if n == 0 && err != nil {
			return string(b), err
		}
		if b = append(b, one[:n]...); n > 0 && one[0] == '\n' {
			return string(b), nil
		}
	}
}

// mark takes off the byte order mark.
func (t *textReader) mark() {
	head, _ := t.in.Peek(3)
	n := 0
	switch {
	case bytes.HasPrefix(head, []byte{0xef, 0xbb, 0xbf}):
		n = 3
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		n, t.order = 2, binary.LittleEndian
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		n, t.order = 2, binary.BigEndian
	}
	_, _ = t.in.Discard(n)
	t.limit -= int64(n)
}

// spend counts bytes that were read, and keeps what went wrong.
func (t *textReader) spend(n int, err error) error {
	t.limit -= int64(n)
	switch {
	case t.limit < 0:
		t.err = fmt.Errorf("is larger than %s bytes", thousands(targetBytes))
	case err == nil:
		return nil
	case !errors.Is(err, io.EOF):
		t.err = fmt.Errorf("cannot be read: %w", err)
	}
	return io.EOF
}

// decode reads a character of UTF-16.
func (t *textReader) decode() error {
	r, err := t.unit()
	if err != nil {
		return err
	}
	if utf16.IsSurrogate(r) {
		if next, err := t.in.Peek(2); err == nil {
			if pair := utf16.DecodeRune(r, rune(t.order.Uint16(next))); pair != unicode.ReplacementChar {
				if _, err := t.unit(); err != nil {
					return err
				}
				r = pair
			}
		}
	}
	t.rest = utf8.AppendRune(t.buf[:0], r) // half a pair becomes the replacement character
	return nil
}

// unit reads two bytes.
func (t *textReader) unit() (rune, error) {
	var b [2]byte
	n, err := io.ReadFull(t.in, b[:])
	if errors.Is(err, io.ErrUnexpectedEOF) {
		t.err = errors.New("is cut off in the middle of a UTF-16 character")
		return 0, io.EOF
	}
	return rune(t.order.Uint16(b[:])), t.spend(n, err)
}

// thousands writes a number for people: 16,777,214.
func thousands(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
