package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this test binary the program too, when it is called by its
// name: so the scripts run what a user runs.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"cmreach": main})
}
