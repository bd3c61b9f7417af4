package main

import (
	"bytes"
	"cmreach/scanner/verdict"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// What the tests against real networks share: the right to run, a network
// namespace, the program as it is delivered, and what it says.

// leaveOut skips a test that cannot run here, or fails it where all must run.
func leaveOut(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CMREACH_REQUIRE") == "all" {
		t.Fatalf("CMREACH_REQUIRE=all, but: %s", why)
	}
	t.Skip(why)
}

// needRoot leaves the test out for want of rights, and in short runs.
func needRoot(t testing.TB) {
	t.Helper()
	switch {
	case testing.Short():
		leaveOut(t, "left out by -short")
	case os.Geteuid() != 0:
		leaveOut(t, "needs root: it makes network namespaces and runs the program as two users")
	}
}

// nobody is an ordinary user without any capability.
const nobody = 65534

// asNobody are the attributes of a process of that user.
func asNobody() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}

// cmreach is the program, built as it is delivered, with a place where any
// user may write.
type cmreach struct {
	path string
	dir  string
}

func buildProgram(t testing.TB) cmreach {
	t.Helper()
	path := builtProgram(t)
	dir, err := os.MkdirTemp("", "cmreach-e2e-") // not t.TempDir: others could not enter it
	if err != nil {
		t.Fatal(err)
	}
	p := cmreach{path: path, dir: filepath.Join(dir, "out")}
	t.Cleanup(func() {
		p.raced(t)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	err = errors.Join(
		os.Chmod(dir, 0o755),
		os.Mkdir(p.dir, 0o777),
		os.Chmod(p.dir, 0o777),
	)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// raceLog is where the race detector writes, in the program's folder, with the
// number of the process: a process that is killed tells nothing by its exit code.
const raceLog = "data-race"

// raced fails the test if the race detector wrote anything.
func (p cmreach) raced(t testing.TB) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(p.dir, raceLog+".*"))
	if err != nil {
		t.Error(err)
	}
	for _, name := range logs {
		text, err := os.ReadFile(name)
		t.Errorf("%s: %v\n%s", name, err, text)
	}
}

// command prepares the program for a run.
func (p cmreach) command(t testing.TB, attr *syscall.SysProcAttr, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.path, args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "TMPDIR="+p.dir, "HOME="+p.dir, "GORACE=log_path="+filepath.Join(p.dir, raceLog))
	cmd.SysProcAttr = attr
	return cmd
}

// document is what the program says in JSON.
type document struct {
	Schema string `json:"schema"`
	Run    struct {
		Complete    bool     `json:"complete"`
		Interrupted bool     `json:"interrupted"`
		Targets     int      `json:"targets"`
		Notes       []string `json:"notes"`
	} `json:"run"`
	Summary struct {
		Exit  int `json:"exit"`
		Paths int `json:"paths"`
	} `json:"summary"`
	Findings []verdict.Finding `json:"findings"`
}

// finish waits for a run that was started with its output in out, and returns
// what it said and its exit code.
func finish(t testing.TB, cmd *exec.Cmd, out, errs *bytes.Buffer) (document, int) {
	t.Helper()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var doc document
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatalf("%v\nexit code %d, standard error:\n%s\nstandard output:\n%.2000s", err, cmd.ProcessState.ExitCode(), errs, out)
	}
	return doc, cmd.ProcessState.ExitCode()
}

// room is a thread in a network namespace of its own. Namespaces of the kernel
// belong to threads, so what must happen inside is handed to it.
type room struct{ work chan func() }

// newRoom makes a network namespace, which ends with the test.
func newRoom(t testing.TB) *room {
	t.Helper()
	return openRoom(t, func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("new network namespace: %w", err)
		}
		return nil
	})
}

// openRoom starts a thread and moves it by enter.
func openRoom(t testing.TB, enter func() error) *room {
	t.Helper()
	r := &room{work: make(chan func())}
	entered := make(chan error)
	go r.serve(enter, entered)
	if err := <-entered; err != nil {
		if errors.Is(err, unix.EPERM) {
			leaveOut(t, err.Error())
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { close(r.work) })
	return r
}

func (r *room) serve(enter func() error, entered chan<- error) {
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	if unix.Gettid() == unix.Getpid() {
		// The main thread does not end with its goroutine, and /proc/self shows
		// its namespace: keep it here and take another one.
		done := make(chan struct{})
		go func() { defer close(done); r.serve(enter, entered) }()
		<-done
		runtime.UnlockOSThread()
		return
	}
	err := enter()
	entered <- err
	if err != nil {
		return
	}
	for f := range r.work {
		f()
	}
}

// do runs f in the namespace and waits for its end. Sockets that f opens and
// processes that it starts belong there.
func (r *room) do(f func() error) error {
	done := make(chan error)
	r.work <- func() { done <- f() }
	return <-done
}
