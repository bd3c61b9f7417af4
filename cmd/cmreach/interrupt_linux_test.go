package main

import (
	"bufio"
	"bytes"
	"cmreach/scanner/lab"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// silentNetwork has 30 clients, and behind the same router 16,382 addresses
// from which nothing comes: a check of these takes minutes.
func silentNetwork() *lab.Network {
	n := &lab.Network{Domain: "lab.test", Routers: []lab.Router{{
		Name: "r1", Routes: []lab.Route{{To: netip.MustParsePrefix("198.19.128.0/18"), Kind: lab.RouteBlackhole}},
	}}}
	n.Fleets = []lab.Fleet{{
		Name: "clients", Behind: "r1", Host: n.HostByAddr, Listen: lab.ClientPC(),
		Prefixes: []netip.Prefix{netip.MustParsePrefix("198.19.1.0/27")},
	}}
	return n
}

// longCheck is a check of that network which no test waits for to end.
func longCheck(more ...string) []string {
	return append([]string{"check", "-p", "push", "--rate", "500", "-o", "jsonl", "198.19.1.0/27", "198.19.128.0/18"}, more...)
}

// longTargets is how many addresses that are; those of the networks and of
// their broadcasts are left out.
const longTargets = 30 + 16382

// patience is how long a process may take to end that was told to. It only
// keeps a broken program from hanging the tests.
const patience = 30 * time.Second

// await waits for the end of a process and returns its exit code.
func await(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatalf("still running %s after it was told to end", patience)
	}
	return cmd.ProcessState.ExitCode()
}

// TestInterrupt stops a check as soon as something of it is recorded. What is
// recorded must be a whole record of a part of the run.
func TestInterrupt(t *testing.T) {
	needRoot(t)
	prog := buildProgram(t)
	l := startLab(t, silentNetwork())
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd := prog.command(t, nil, longCheck("--only", "icmp,smb")...)
			var errs bytes.Buffer
			cmd.Stderr = &errs
			stdout, err := cmd.StdoutPipe()
			if err == nil {
				err = l.In("", cmd.Start)
			}
			if err != nil {
				t.Fatal(err)
			}
			var rec bytes.Buffer
			stream := bufio.NewReader(io.TeeReader(stdout, &rec))
			for hosts := 0; hosts == 0; {
				line, err := stream.ReadBytes('\n')
				if err != nil {
					t.Fatalf("the record ended: %v\n%s", err, &errs)
				}
				if bytes.Contains(line, []byte(`"finding":`)) {
					hosts++
				}
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, stream); err != nil {
				t.Fatal(err)
			}
			if exit := await(t, cmd); exit != exitInterrupted {
				t.Errorf("exit code %d, want %d\n%s", exit, exitInterrupted, &errs)
			}
			partial(t, prog, rec.Bytes())
		})
	}
}

// partial checks the record of an interrupted run by the program's own report.
func partial(t *testing.T, prog cmreach, rec []byte) {
	t.Helper()
	file := filepath.Join(prog.dir, "partial.jsonl")
	if err := os.WriteFile(file, rec, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := prog.command(t, nil, "report", "-o", "json", file)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("report: exit code %d, want that of the run, %d", code, exitInterrupted)
	}
	var doc document
	if err := json.Unmarshal(out, &doc); err != nil {
		t.Fatalf("report: %v\n%s", err, out)
	}
	if !doc.Run.Interrupted || doc.Run.Complete || doc.Run.Targets != longTargets {
		t.Errorf("run: %+v", doc.Run)
	}
	if n := len(doc.Findings); n == 0 || n%2 != 0 || n != doc.Summary.Paths || n >= 2*doc.Run.Targets {
		t.Errorf("%d findings of two rows each, %d in the summary", n, doc.Summary.Paths)
	}
	for _, f := range doc.Findings {
		want := "open"
		if !netip.MustParsePrefix("198.19.1.0/27").Contains(f.Addr) {
			want = "down"
		}
		if f.State.String() != want {
			t.Errorf("%s %s: %s (%s), want %s", f.Addr, f.Requirement, f.State, f.Reason, want)
		}
	}
}

// TestSecondInterrupt stops a check that cannot end in order, because nobody
// takes its record.
func TestSecondInterrupt(t *testing.T) {
	needRoot(t)
	prog := buildProgram(t)
	l := startLab(t, silentNetwork())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	size, err := unix.FcntlInt(r.Fd(), unix.F_SETPIPE_SZ, 4096)
	if err != nil {
		t.Fatal(err)
	}
	cmd := prog.command(t, nil, longCheck()...)
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &errs
	if err := errors.Join(l.In("", cmd.Start), w.Close()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	until(t, ctx, "the record's header has filled the pipe", func() bool {
		n, err := unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ)
		return err == nil && n == size
	})
	// A signal that comes before the one before it was taken is lost, so it is
	// sent until it works.
	exit := make(chan int, 1)
	go func() { _ = cmd.Wait(); exit <- cmd.ProcessState.ExitCode() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = cmd.Process.Signal(os.Interrupt) // it may have ended
			continue
		case code := <-exit:
			if code != exitInterrupted {
				t.Errorf("exit code %d, want %d\n%s", code, exitInterrupted, &errs)
			}
		case <-ctx.Done():
			t.Error("does not end, however often it is told to")
		}
		break
	}
	if rest, err := io.ReadAll(r); err != nil || strings.Contains(string(rest), `"end":`) {
		t.Errorf("the record has an end (%v): the first signal was enough, and the test proves nothing", err)
	}
}

// until polls for a state of another process.
func until(t *testing.T, ctx context.Context, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-ctx.Done():
			t.Fatalf("it never came about that %s", what)
		case <-tick.C:
		}
	}
}

// TestInterruptDemo interrupts the demonstration, which runs in a second
// process: one signal must stay one, and leave a record with its end.
func TestInterruptDemo(t *testing.T) {
	needRoot(t)
	prog := buildProgram(t)
	cmd := prog.command(t, nil, "demo", "-q", "--dir", "demo")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(prog.dir, "demo", "run.jsonl")
	for range 1000 {
		if b, err := os.ReadFile(name); err == nil && bytes.Contains(b, []byte(`{"finding"`)) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("exit code %d: %v", code, err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	if last := lines[len(lines)-1]; !bytes.HasPrefix(last, []byte(`{"end"`)) || !bytes.Contains(last, []byte(`"interrupted":true`)) {
		t.Errorf("the record ends with %.120s", last)
	}
}
