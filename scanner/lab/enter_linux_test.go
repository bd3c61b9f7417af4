package lab_test

import (
	"bufio"
	"cmreach/scanner/lab"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// play plays a part in the tests of this file, in a process of its own.
func play(part string) {
	if part == "" {
		return
	}
	if namespaces, ok := strings.CutPrefix(part, "deny "); ok {
		deny(namespaces)
	}
	if part == "where" {
		fmt.Println(os.Readlink("/proc/self/ns/net"))
		os.Exit(0)
	}
	inside, exit, err := lab.Enter(context.Background())
	if err != nil {
		fmt.Println(errors.Is(err, lab.ErrUnavailable), err)
		os.Exit(99)
	}
	if !inside {
		os.Exit(exit)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM)
	fmt.Println("inside", os.Getpid())
	if part == "wait" {
		s := <-signals
		fmt.Println("got", s)
	}
	os.Exit(42)
}

// deny limits the namespaces that this user namespace may have.
func deny(n string) {
	for _, kind := range []string{"net", "user"} {
		if err := os.WriteFile("/proc/sys/user/max_"+kind+"_namespaces", []byte(n), 0o600); err != nil {
			fmt.Println(err)
			os.Exit(98)
		}
	}
}

// part starts this program again for a part.
func part(t *testing.T, name string, attr *syscall.SysProcAttr) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	if unavailable != "" {
		skip(t, unavailable)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = append(os.Environ(), partEnv+"="+name)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = attr
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	cmd.Stdout = w
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewReader(r)
}

func exitCode(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	var bad *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &bad) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

func TestEnterHandsOnTheExitCode(t *testing.T) {
	cmd, _ := part(t, "exit", nil)
	if got := exitCode(t, cmd); got != 42 {
		t.Errorf("exit code %d, want 42", got)
	}
}

func TestEnterHandsOnSignals(t *testing.T) {
	for _, s := range []unix.Signal{unix.SIGINT, unix.SIGTERM} {
		t.Run(s.String(), func(t *testing.T) {
			cmd, out := part(t, "wait", nil)
			if line, err := out.ReadString('\n'); err != nil || !strings.HasPrefix(line, "inside") {
				t.Fatal(line, err)
			}
			if err := cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			line, err := out.ReadString('\n')
			if got := exitCode(t, cmd); got != 42 || err != nil || line != fmt.Sprintln("got", s) {
				t.Errorf("exit code %d, %q, %v", got, line, err)
			}
		})
	}
}

func TestNothingOutlivesTheFirstProcess(t *testing.T) {
	cmd, out := part(t, "wait", nil)
	line, err := out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	exitCode(t, cmd)
	// The pipe ends when the last process that can write to it has ended.
	if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 {
		t.Errorf("%q, then %q, %v", line, rest, err)
	}
}

// TestUnavailable takes the namespaces away: all of them, and all but the
// first, so that Enter succeeds and the rehearsal inside does not.
func TestUnavailable(t *testing.T) {
	for _, n := range []string{"0", "1"} {
		t.Run(n, func(t *testing.T) {
			cmd, out := part(t, "deny "+n, &syscall.SysProcAttr{
				Cloneflags:  syscall.CLONE_NEWUSER,
				UidMappings: []syscall.SysProcIDMap{{Size: 1, HostID: os.Geteuid()}},
				GidMappings: []syscall.SysProcIDMap{{Size: 1, HostID: os.Getegid()}},
			})
			said, err := io.ReadAll(out)
			if got := exitCode(t, cmd); got != 99 || err != nil || !strings.HasPrefix(string(said), "true lab: needs Linux network namespaces: ") {
				t.Errorf("exit code %d, %q, %v", got, said, err)
			}
		})
	}
}

// TestOrdinaryUser runs the tests of the network again as nobody.
func TestOrdinaryUser(t *testing.T) {
	if unavailable != "" {
		skip(t, unavailable)
	}
	m, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		t.Fatal(err)
	}
	var in, out, size int
	if _, err := fmt.Sscan(string(m), &in, &out, &size); err != nil {
		t.Fatal(err)
	}
	if size == 1 && out != 0 {
		t.Logf("this run is an ordinary user's (%d), so every test is", out)
		return
	}
	dir, err := os.MkdirTemp("", "lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	self, err := os.ReadFile("/proc/self/exe") // where the original lies nobody may look
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "lab.test")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(program, self, 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.v", "-test.run=Demo|OnTheWire|Teardown|ManyAddresses|OrdinaryUser")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CMREACH_REQUIRE=all", "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	b, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(b), "this run is an ordinary user's (65534)") {
		t.Errorf("%v\n%s", err, b)
	}
}
