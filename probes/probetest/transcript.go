package probetest

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// Message is one message of a recorded exchange.
type Message struct {
	FromClient bool
	Bytes      []byte
}

// Transcript reads a recorded exchange: lines of hexadecimal bytes, each after
// ">" for the client or "<" for the server. Empty lines divide the messages,
// and lines that begin with "#" are comments.
func Transcript(t testing.TB, path string) []Message {
	t.Helper()
	text, err := os.ReadFile(path) //nolint:gosec // a file of the test
	if err != nil {
		t.Fatalf("reading a transcript: %v", err)
	}
	var messages []Message
	open := false // a message has begun
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" {
			open = false
			continue
		}
		side, digits, _ := strings.Cut(line, " ")
		if side == "#" {
			continue
		}
		b, err := hex.DecodeString(digits)
		if err != nil || (side != ">" && side != "<") {
			t.Fatalf("%s:%d: want \">\" or \"<\" and hexadecimal bytes, have %q", path, n, line)
		}
		if !open {
			messages = append(messages, Message{FromClient: side == ">"})
			open = true
		}
		last := &messages[len(messages)-1]
		if last.FromClient != (side == ">") {
			t.Fatalf("%s:%d: the side changes within a message", path, n)
		}
		last.Bytes = append(last.Bytes, b...)
	}
	if len(messages) == 0 {
		t.Fatalf("%s holds no messages", path)
	}
	return messages
}
