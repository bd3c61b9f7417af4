// Package rpctest reads the DCE/RPC transcripts in testdata/wire/rpc, whose
// README tells their form. It is for tests, knows no protocol, and imports
// nothing of cmreach.
package rpctest

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// PDU is one protocol data unit of a transcript.
type PDU struct {
	Client bool // sent by the client
	Bytes  []byte
}

// Load reads the transcript of a name from a directory.
func Load(t testing.TB, dir, name string) []PDU {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name+".txt")) //nolint:gosec // a test's own path
	if err != nil {
		t.Fatal(err)
	}
	var pdus []PDU
	for i, line := range strings.Split(string(text), "\n") {
		switch {
		case line == "" || line[0] == '#':
			continue
		case line[0] == '>' || line[0] == '<':
			pdus = append(pdus, PDU{Client: line[0] == '>'})
		case line[0] != ' ' || len(pdus) == 0:
			t.Fatalf("%s:%d: not a transcript line: %.40q", name, i+1, line)
		}
		b, err := hex.DecodeString(strings.TrimSpace(line[1:]))
		if err != nil {
			t.Fatalf("%s:%d: %v", name, i+1, err)
		}
		last := &pdus[len(pdus)-1]
		last.Bytes = append(last.Bytes, b...)
	}
	if len(pdus) == 0 {
		t.Fatalf("%s: empty transcript", name)
	}
	return pdus
}

// LoadAll reads every transcript of a directory.
func LoadAll(t testing.TB, dir string) map[string][]PDU {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts in %s (%v)", dir, err)
	}
	all := make(map[string][]PDU, len(files))
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".txt")
		all[name] = Load(t, dir, name)
	}
	return all
}
