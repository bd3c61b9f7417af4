package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// startHook starts a webhook for the rest of the script: "hook NAME [STATUS...]".
// Its address is in the environment, NAME; it answers with one status after
// the other and with 200 after the last. What it gets is appended to the file
// NAME, a body a line.
func startHook(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: hook NAME [STATUS...]")
	}
	file, answers := ts.MkAbs(args[0]), args[1:]
	ts.Check(os.WriteFile(file, nil, 0o644))
	var mu sync.Mutex
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, err := io.ReadAll(r.Body)
		f, errOpen := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0o644)
		if err == nil && errOpen == nil {
			_, err = f.WriteString(string(body) + "\n")
			err = errors.Join(err, f.Close())
		}
		code := http.StatusOK
		if len(answers) > 0 {
			code, _ = strconv.Atoi(answers[0])
			answers = answers[1:]
		}
		if err != nil || errOpen != nil {
			code = http.StatusTeapot
		}
		w.WriteHeader(code)
	}))
	ts.Defer(s.Close)
	ts.Setenv(args[0], s.URL)
}

// bodies holds the number of messages that a webhook got: "bodies NAME 2".
func bodies(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: bodies NAME COUNT")
	}
	if got := strconv.Itoa(strings.Count(ts.ReadFile(args[0]), "\n")); got != args[1] {
		ts.Fatalf("%s messages, want %s", got, args[1])
	}
}
