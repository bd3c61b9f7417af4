package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean makes untrusted text fit to be shown on a line: whatever is not
// printable (control characters, ANSI escapes, line ends, overrides of the
// writing direction, bytes that are no UTF-8) is written as an escape, so that
// it can be seen and does nothing. The result is legal in XML 1.0.
func clean(s string) string {
	if isClean(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, r < utf8.RuneSelf && !printable(r):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case printable(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += n
	}
	return b.String()
}

// isClean is asked for every text of every host: almost all are ASCII, or all
// but a sign or two.
func isClean(s string) bool {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c < ' ' || c == 0x7f {
				return false
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || !printable(r) {
			return false
		}
		i += n
	}
	return true
}

// printable leaves out combining marks too: a pile of them covers the lines
// above and below.
func printable(r rune) bool { return unicode.IsPrint(r) && !unicode.Is(unicode.M, r) }

// short cuts a text to a number of runes, and shows that it did.
func short(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	const dots = "..."
	r := []rune(s)
	return string(r[:max(most-len(dots), 0)]) + dots
}

// middle shortens a name whose end may tell it from others.
func middle(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	const dots = "..."
	tail := (most - len(dots)) * 2 / 3
	return string(r[:most-len(dots)-tail]) + dots + string(r[len(r)-tail:])
}
