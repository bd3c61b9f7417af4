package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this test binary the program too, when it is called by its
// name: so the scripts run what a user runs.
func TestMain(m *testing.M) {
	testscript.Main(suite{m}, map[string]func(){"cmreach": main})
}

// suite is all tests, which share one build of the program.
type suite struct{ *testing.M }

// Run runs the tests, and takes that build away.
func (s suite) Run() int {
	code := s.M.Run()
	if err := os.RemoveAll(shared.dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// shared is the program that the tests run in processes of its own.
var shared struct {
	once sync.Once
	dir  string
	err  error
}

// builtProgram builds the program as it is delivered, when the first test asks
// for it; under the race detector with that, which would else see nothing of it.
func builtProgram(t testing.TB) string {
	t.Helper()
	shared.once.Do(func() {
		shared.dir, shared.err = os.MkdirTemp("", "cmreach-built-") // not t.TempDir: others could not enter it
		if shared.err != nil {
			return
		}
		args, cgo := []string{"build", "-o", shared.dir}, "0"
		if underRace {
			args, cgo = append(args, "-race"), "1"
		}
		build := exec.CommandContext(t.Context(), "go", append(args, ".")...)
		build.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
		if out, err := build.CombinedOutput(); err != nil {
			shared.err = fmt.Errorf("build: %w\n%s", err, out)
			return
		}
		shared.err = os.Chmod(shared.dir, 0o755)
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	name := "cmreach"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(shared.dir, name)
}

// fewer is how many of something a test takes: all, or some under the race
// detector, which looks at what goroutines do to one another and finds nothing
// new in the thousandth host. The test says so.
func fewer(t testing.TB, what string, all, some int) int {
	t.Helper()
	if !underRace {
		return all
	}
	t.Logf("under the race detector %d %s, else %d", some, what, all)
	return some
}
