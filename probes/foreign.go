package probes

import (
	"fmt"
	"strings"
	"unicode"
)

// prefixLen is how much of a foreign answer is shown.
const prefixLen = 80

// lookedLike describes the beginning of a foreign answer for people: its first
// line when it is text, its first bytes otherwise.
func lookedLike(answer []byte) string {
	const hexLen = 16
	text := answer[:min(len(answer), 4*prefixLen)]
	for i, b := range text {
		if b == '\r' || b == '\n' {
			text = text[:i]
			break
		}
	}
	clean := printable(string(text), prefixLen)
	if isText(answer) && clean != "" {
		return clean
	}
	return fmt.Sprintf("bytes % x", answer[:min(len(answer), hexLen)])
}

// isText reports whether an answer begins as text protocols do.
func isText(answer []byte) bool {
	const enough = 3
	for _, b := range answer[:min(len(answer), enough)] {
		if b < ' ' || b > '~' {
			return false
		}
	}
	return len(answer) > 0
}

// printable makes text from the network fit for a terminal and a log: at most
// limit bytes, valid UTF-8, and nothing that moves the cursor or turns the
// writing round. Each rune that is left out becomes a dot.
func printable(s string, limit int) string {
	var b strings.Builder
	for _, r := range s {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			r = '.'
		}
		if b.Len()+len(string(r)) > limit {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}
