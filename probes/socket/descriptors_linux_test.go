package socket

import (
	"cmreach/scanner"
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Running out of descriptors is this machine's fault, and passes.
func TestNoDescriptors(t *testing.T) {
	if stage() == stageOuter {
		mustPass(t, stageLab, &syscall.SysProcAttr{})
		return
	}
	c := open(t, Options{})
	to := closedPort(t, "tcp", "127.0.0.1")
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 64, Max: 64}); err != nil {
		t.Fatal(err)
	}
	var files []*os.File
	for range 64 {
		f, err := os.Open("/dev/null")
		if err != nil {
			break
		}
		files = append(files, f)
	}
	shot := scanner.Shot{Key: 7, Addr: to.Addr(), Port: to.Port(), Protocol: scanner.TCP, Wait: time.Minute}
	sendAll(t, c, []scanner.Shot{shot})
	if r := receive(t, c, 1)[7]; r.Outcome != scanner.LocalError || !r.Temporary {
		t.Errorf("got %+v", r)
	}
	if conn, r := c.DialTCP(t.Context(), to); conn != nil || r.Outcome != scanner.LocalError || !r.Temporary {
		t.Errorf("dial: got %+v", r)
	}
	for _, f := range files {
		f.Close()
	}
	sendAll(t, c, []scanner.Shot{shot})
	if r := receive(t, c, 1)[7]; r.Outcome != scanner.Refused {
		t.Errorf("with descriptors again: got %+v", r)
	}
}

// descriptors counts the open files of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// sameDescriptors waits until as many files are open as before: the listener
// of the test may still be closing what it accepted.
func sameDescriptors(t *testing.T, before int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for descriptors(t) != before {
		select {
		case <-ctx.Done():
			t.Errorf("%d descriptors before, %d after", before, descriptors(t))
			return
		case <-tick.C:
		}
	}
}
