package lab

import (
	"bytes"
	"cmreach/scanner"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// insideEnv tells the second process that it is the one inside. Its value is
// the network namespace of the first.
const insideEnv = "CMREACH_LAB_OUTSIDE"

// reportFD is the descriptor on which the second process says how it fares.
const reportFD = 3

const ready = "ready"

// Enter puts the program into namespaces of its own: network and mount
// namespaces as root, and a user namespace around them for anybody else.
//
// No process can move itself there once it has threads, so Enter starts the
// same program with the same arguments a second time, inside. There Enter
// returns true, and the program goes on. In the first process Enter waits,
// hands on signals, and returns false with the exit code of the second, which
// the first should exit with. When namespaces cannot be had it returns
// [ErrUnavailable], and nothing was done.
func Enter(ctx context.Context) (inside bool, exit int, err error) {
	outside, second := os.LookupEnv(insideEnv)
	if !second {
		return enterFirst(ctx)
	}
	if err := os.Unsetenv(insideEnv); err != nil { // children of this process are no second processes
		return false, 1, fmt.Errorf("lab: %w", err)
	}
	report := os.NewFile(reportFD, "report")
	said, inside := ready, true
	if err := rehearse(ctx, outside); err != nil {
		said, inside, exit = err.Error(), false, 1 // the first process returns this error, this one just ends
	}
	_, err = io.WriteString(report, said)
	if err = errors.Join(err, report.Close()); err != nil {
		return false, 1, fmt.Errorf("lab: the process that started this one is gone: %w", err)
	}
	return inside, exit, nil
}

// rehearse finds out whether a lab can be built here, by building a small one.
// A kernel may grant the namespaces and still refuse what belongs into them.
func rehearse(ctx context.Context, outside string) error {
	unix.CloseOnExec(reportFD)
	if netns, err := os.Readlink("/proc/thread-self/ns/net"); err != nil || netns == outside || !strings.HasPrefix(outside, "net:[") {
		return errors.New("not in a network namespace of its own")
	}
	l, err := Start(ctx, &Network{Domain: "lab.test", Routers: []Router{{
		Name: "r1", Filters: []Filter{{Protocol: scanner.TCP, First: 9, Do: RejectProhibited, To: netip.MustParsePrefix("198.19.255.0/24")}},
	}}})
	if err != nil {
		return err
	}
	return l.Close()
}

func enterFirst(ctx context.Context) (bool, int, error) {
	netns, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return false, 1, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	const own = syscall.CLONE_NEWNET | syscall.CLONE_NEWNS
	var refused error
	for _, flags := range []uintptr{own, own | syscall.CLONE_NEWUSER} {
		if flags == own && os.Geteuid() != 0 {
			continue
		}
		exit, said, err := runInside(ctx, flags, netns)
		switch {
		case err != nil:
			refused = errors.Join(refused, err)
		case said != ready:
			refused = errors.Join(refused, errors.New(said))
		default:
			return false, exit, nil
		}
	}
	return false, 1, fmt.Errorf("%w: %w", ErrUnavailable, refused)
}

// runInside runs this program again in new namespaces and waits for its end.
func runInside(ctx context.Context, flags uintptr, netns string) (exit int, said string, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 1, "", err
	}
	defer func() { _ = r.Close() }()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...) //nolint:noctx,gosec // stopped by signals, to end in order; it is this program as it was called
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), insideEnv+"="+netns)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: flags,
		Pdeathsig:  syscall.SIGKILL, // the lab does not outlive us, even if we are killed
		Setpgid:    true,            // a terminal's Ctrl-C comes to us alone and is handed on once
	}
	if flags&syscall.CLONE_NEWUSER != 0 {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	// The death signal is tied to the thread that starts the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	err = cmd.Start()
	if err = errors.Join(err, w.Close()); err != nil {
		return 1, "", err
	}
	ended := make(chan struct{})
	defer close(ended)
	go handOn(ctx, cmd.Process, signals, ended)
	var b bytes.Buffer
	_, readErr := io.Copy(&b, io.LimitReader(r, 4096)) // ends when the child closes its end, or dies
	waitErr := cmd.Wait()
	var bad *exec.ExitError
	if waitErr != nil && !errors.As(waitErr, &bad) {
		return 1, "", waitErr
	}
	if b.Len() == 0 {
		return 1, "", errors.Join(fmt.Errorf("the process inside ended early: %v", cmd.ProcessState), readErr)
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), b.String(), nil
	}
	return cmd.ProcessState.ExitCode(), b.String(), nil
}

// handOn gives the process the signals that we get; the end of ctx is one.
func handOn(ctx context.Context, p *os.Process, signals <-chan os.Signal, ended <-chan struct{}) {
	done := ctx.Done()
	for {
		var err error
		select {
		case <-ended:
			return
		case s := <-signals:
			err = p.Signal(s)
		case <-done:
			done = nil
			err = p.Signal(syscall.SIGTERM)
		}
		if err != nil { // it has ended
			return
		}
	}
}
