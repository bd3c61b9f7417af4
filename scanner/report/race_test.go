//go:build race

package report_test

import (
	"flag"
	"os"
	"testing"
)

// underRace says that the race detector watches.
const underRace = true

// TestMain lets a property be tried on few examples: the detector looks at what
// goroutines do to one another, and finds nothing new in the hundredth.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "10"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
