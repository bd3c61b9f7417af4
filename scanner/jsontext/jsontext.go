// Package jsontext appends values to a line as encoding/json writes them, byte
// for byte, without reflection and without garbage: a run writes many millions.
// It knows the grammar of JSON (RFC 8259) and no message.
package jsontext

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"
)

const hex = "0123456789abcdef"

// String appends s in quotes, without the escapes for HTML. Bytes that are no
// UTF-8 become U+FFFD; the line separators U+2028 and U+2029 are escaped, as
// encoding/json does.
func String(b []byte, s string) []byte {
	b = append(b, '"')
	from := len(b)
	b = append(b, s...)
	if !plain(b[from:]) {
		b = escape(b[:from], s)
	}
	return append(b, '"')
}

// plain reports whether the text needs no escape and is ASCII. It looks at
// eight bytes at a time.
func plain(p []byte) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for len(p) >= 8 {
		v := binary.LittleEndian.Uint64(p)
		// The top bit of a byte is set where the byte is not ASCII, below a
		// space, a quote or a backslash; a borrow from a byte that is such a
		// one may set it for the next as well, which changes nothing.
		quote, slash := v^ones*'"', v^ones*'\\'
		if (v|(v-ones*' ')|(quote-ones)|(slash-ones))&tops != 0 {
			return false
		}
		p = p[8:]
	}
	for _, c := range p {
		if c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// Bare reports whether a text stands in JSON as it is, between its quotes: it
// has no quote, no backslash and no control character.
func Bare(p []byte) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for len(p) >= 8 {
		v := binary.LittleEndian.Uint64(p)
		quote, slash := v^ones*'"', v^ones*'\\'
		if ((v-ones*' ')&^v|(quote-ones)&^quote|(slash-ones)&^slash)&tops != 0 {
			return false
		}
		p = p[8:]
	}
	for _, c := range p {
		if c < ' ' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// escape appends s rune by rune.
func escape(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			b = ascii(b, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(b, `\ufffd`...)
		case r == '\u2028' || r == '\u2029':
			b = append(b, `\u202`...)
			b = append(b, hex[r&0xf])
		default:
			b = append(b, s[i:i+n]...)
		}
		i += n
	}
	return b
}

func ascii(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	if c < ' ' {
		return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
	}
	return append(b, c)
}

// Word appends a text that is known to need no escape, in quotes.
func Word(b []byte, s string) []byte {
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// Time appends a time as RFC 3339 has it. Years beyond four digits are an error.
func Time(b []byte, t time.Time) ([]byte, error) {
	b, err := t.AppendText(append(b, '"'))
	return append(b, '"'), err
}

// Addr appends an address; the zero address is an empty text.
func Addr(b []byte, a netip.Addr) []byte {
	if a.Zone() != "" { // a zone may be any text
		return String(b, a.String())
	}
	b = append(b, '"')
	if a.IsValid() {
		b = a.AppendTo(b)
	}
	return append(b, '"')
}

// Int appends a whole number.
func Int(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// Strings appends a list of texts; an absent list is null.
func Strings(b []byte, list []string) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = String(b, s)
	}
	return append(b, ']')
}

// Addrs appends a list of addresses; an absent list is null.
func Addrs(b []byte, list []netip.Addr) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, a := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = Addr(b, a)
	}
	return append(b, ']')
}
