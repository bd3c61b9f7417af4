package lab_test

import (
	"cmreach/scanner/lab"
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
)

// unavailable says why there are no namespaces; empty when there are.
var unavailable string

// TestMain runs the tests inside namespaces, where these are to be had.
func TestMain(m *testing.M) {
	play(os.Getenv(partEnv))
	inside, exit, err := lab.Enter(context.Background())
	switch {
	case errors.Is(err, lab.ErrUnavailable):
		unavailable = err.Error()
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	case !inside:
		os.Exit(exit)
	}
	os.Exit(m.Run())
}

// partEnv makes this program play a part in a test of Enter, see enter_linux_test.go.
const partEnv = "CMREACH_LAB_TEST_PART"

// skip leaves a test out, and says so as a failure when all must run.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CMREACH_REQUIRE") == "all" {
		t.Fatal("must run, but: " + why)
	}
	t.Skip(why)
}

// start builds a network, or skips the test.
func start(t *testing.T, n *lab.Network) *lab.Lab {
	t.Helper()
	if unavailable != "" {
		skip(t, unavailable)
	}
	if n.HasIPv6() && !lab.IPv6() {
		skip(t, "the kernel has no IPv6")
	}
	l, err := lab.Start(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return l
}
