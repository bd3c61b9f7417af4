package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// logged holds every line of standard error, or of a file, to the form of the
// log: "logged stderr LEVEL" wants one line of that level at least.
func logged(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: logged FILE LEVEL")
	}
	ts.Check(logLinesOK(ts.ReadFile(args[0]), args[1]))
}

func logLinesOK(text, level string) error {
	found := false
	for line := range strings.Lines(text) {
		var o struct{ Time, Level, Msg string }
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			return errors.New("no JSON: " + line)
		}
		if _, err := time.Parse(time.RFC3339, o.Time); err != nil || o.Level == "" || o.Msg == "" || !strings.HasSuffix(line, "\n") {
			return errors.New("a field is missing: " + line)
		}
		found = found || o.Level == level
	}
	if !found {
		return errors.New("no line of level " + level + " in:\n" + text)
	}
	return nil
}

func TestWantsJSON(t *testing.T) {
	for _, c := range []struct {
		args string
		want bool
	}{
		{"check --log-format=json", true},
		{"check --log-format json x", true},
		{"check --log-format=json --log-format=text", false},
		{"check --log-format=text --log-format json", true},
		{"check --log-format", false},
		{"check -- --log-format=json", false},
		{"check --log-format=xml", false},
		{"check", false},
	} {
		if got := wantsJSON(strings.Fields(c.args)); got != c.want {
			t.Errorf("%q: %v", c.args, got)
		}
	}
}

// Words come in pieces, with line ends of their own, bytes that are no text,
// and no end.
func TestLogLines(t *testing.T) {
	var out bytes.Buffer
	l := newLogLines(&out)
	for _, piece := range []string{"cmreach: one\nt", "wo", "\r\n\n  \nthr\xffee\x1b[K \"4\"\n", "the rest"} {
		if n, err := l.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	l.flush()
	l.flush()
	if err := logLinesOK(out.String(), "info"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		var o struct{ Msg string }
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatal(err)
		}
		got = append(got, o.Msg)
	}
	if want := "one|two|thr\ufffdee\x1b[K \"4\"|the rest"; strings.Join(got, "|") != want {
		t.Errorf("%q, want %q", got, want)
	}
}
