package main

import (
	"bytes"
	"cmreach/scanner/verdict"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// outlay is what a run of a program cost.
type outlay struct {
	wall, cpu time.Duration
	peak      int64 // bytes of memory that the program held at the most
	packets   int   // sent and received by the scanner's device
	exit      int
}

// sweep is a run of the program over a fleet.
type sweep struct {
	engine string
	user   bool       // an ordinary one
	room   *room      // where it is started; nil: the scanner's namespace
	args   []string   // besides
	during func(*job) // goes on beside it
	cut    bool       // during may interrupt it
}

// job is a program that runs.
type job struct {
	ctx  context.Context // done when the program has ended
	cmd  *exec.Cmd
	errs bytes.Buffer
}

// check runs the program over the fleet and holds what it says against the truth.
func (f *fleet) check(t testing.TB, prog cmreach, s sweep) (*score, outlay) {
	t.Helper()
	dir, err := os.MkdirTemp(prog.dir, "sweep-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	profile, file := filepath.Join(prog.dir, "sweep.yaml"), filepath.Join(dir, "run.jsonl")
	text, err := os.ReadFile("../../testdata/sweep/sweep.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(profile, text, 0o644); err != nil {
		t.Fatal(err)
	}
	var attr *syscall.SysProcAttr
	if s.user {
		attr = asNobody()
	}
	what := []string{"-p", profile, "--depth", "port"}
	if f.talks {
		what = []string{"-p", "push", "--only", "icmp,epm-tcp,smb"}
	}
	args := slices.Concat(what, []string{
		"-q", "--engine", s.engine,
		"--max-targets", fmt.Sprint(f.hosts), "-o", "jsonl=" + file,
	}, s.args, []string{f.targets()})
	j := &job{cmd: prog.command(t, attr, append([]string{"check"}, args...)...)}
	j.cmd.Stderr = &j.errs
	cost, err := f.spend(t, j, s.room, s.during)
	if err != nil {
		t.Fatalf("%v\n%s", err, j.errs.String())
	}
	ends := []int{verdict.ExitFailed, verdict.ExitOpen, verdict.ExitUndecided, verdict.ExitError}
	if s.cut {
		ends = append(ends, exitInterrupted)
	}
	if !slices.Contains(ends, cost.exit) {
		t.Fatalf("exit code %d\n%s", cost.exit, j.errs.String())
	}
	sc, err := f.scoreRecord(file)
	if err != nil {
		t.Fatal(err)
	}
	return sc, cost
}

// spend runs a program in the scanner's namespace and measures it.
func (f *fleet) spend(t testing.TB, j *job, in *room, during func(*job)) (outlay, error) {
	t.Helper()
	if in == nil {
		in = f.scan
	}
	var o outlay
	ctx, done := context.WithCancel(t.Context())
	j.ctx = ctx
	in0, out0 := f.traffic(t)
	started := time.Now()
	if err := in.do(j.cmd.Start); err != nil {
		done()
		return o, err
	}
	finished := make(chan struct{}, 2)
	go func() {
		o.peak = watchPeak(ctx, j.cmd.Process.Pid)
		finished <- struct{}{}
	}()
	go func() {
		if during != nil {
			during(j)
		}
		finished <- struct{}{}
	}()
	err := j.cmd.Wait()
	o.wall = time.Since(started)
	done()
	<-finished
	<-finished
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return o, err
	}
	in1, out1 := f.traffic(t)
	o.packets = in1 - in0 + out1 - out0
	o.cpu = j.cmd.ProcessState.UserTime() + j.cmd.ProcessState.SystemTime()
	o.exit = j.cmd.ProcessState.ExitCode()
	return o, nil
}

// watchPeak reads the most memory that a process held (VmHWM, proc(5)) until
// it ends. What wait4 tells is not it: a process begins with what its parent
// held when it was started.
func watchPeak(ctx context.Context, pid int) (peak int64) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // it may have ended
		if _, rest, ok := strings.Cut(string(b), "VmHWM:"); ok {
			var kb int64
			if _, err := fmt.Sscan(rest, &kb); err == nil {
				peak = kb << 10
			}
		}
		select {
		case <-ctx.Done():
			return peak
		case <-tick.C:
		}
	}
}
