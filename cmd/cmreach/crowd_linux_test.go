package main

import (
	"bytes"
	"cmreach/scanner/lab"
	"cmreach/scanner/verdict"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// figures are what a run of the program cost.
type figures struct {
	hosts int
	wall  time.Duration
	cpu   time.Duration
	peak  int64 // bytes
	wrong int
}

// checkCrowd runs the program over a crowd whose truth is known, inside its
// network, and holds every verdict against the truth.
func checkCrowd(t testing.TB, prog cmreach, plan *lab.Plan, more ...string) figures {
	t.Helper()
	r := newRoom(t)
	var l *lab.Lab
	if err := r.do(func() (err error) { l, err = lab.Start(t.Context(), plan.Network); return err }); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.do(l.Close); err != nil {
			t.Error(err)
		}
	}()
	list, report, resolv := filepath.Join(prog.dir, "crowd.txt"), filepath.Join(prog.dir, "crowd.json"), filepath.Join(prog.dir, "resolv.conf")
	write(t, list, strings.Join(plan.Targets, "\n"))
	write(t, resolv, "nameserver "+plan.Network.DNS.String()+"\n")
	// A mount namespace of its own lets the program look names up in the lab.
	args := []string{
		"-c", `mount --bind "$0" /etc/resolv.conf && exec "$@"`, resolv, prog.path,
		"check", "-q", "--rate", "max", "--only", "icmp,smb,epm-tcp", "-o", "json=" + report, "-t", list,
	}
	sh := cmreach{path: "/bin/sh", dir: prog.dir}
	cmd := sh.command(t, &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}, append(args, more...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	started := time.Now()
	if err := r.do(cmd.Start); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	f := figures{hosts: len(plan.Targets), wall: time.Since(started)}
	if code := cmd.ProcessState.ExitCode(); code != verdict.ExitFailed && code != verdict.ExitOpen {
		t.Fatalf("exit code %d: %v\n%s", code, err, errs.String())
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Fatal("no resource usage")
	}
	f.cpu, f.peak = cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), usage.Maxrss<<10
	f.wrong = compareCrowd(t, plan.Checks[0].Truth, report)
	return f
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// compareCrowd counts the verdicts that differ from the truth.
func compareCrowd(t testing.TB, truth []lab.Expected, report string) int {
	t.Helper()
	b, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var doc document
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	type key struct {
		host, row string
		addr      netip.Addr
	}
	got := map[key]verdict.Finding{}
	for _, f := range doc.Findings {
		got[key{f.Host, f.Requirement, f.Addr}] = f
	}
	if len(got) != len(truth) || len(doc.Findings) != len(truth) {
		t.Errorf("%d verdicts on %d paths, want %d", len(doc.Findings), len(got), len(truth))
	}
	wrong := 0
	for _, want := range truth {
		f := got[key{want.Host, want.Row, want.Addr}]
		if f.State.String() == want.State && (!want.By.IsValid() || f.By == want.By) {
			continue
		}
		if wrong++; wrong <= 10 {
			t.Errorf("%s %s %s: got %s by %s (%s), want %s by %s", want.Host, want.Addr, want.Row, f.State, f.By, f.Reason, want.State, want.By)
		}
	}
	return wrong
}

// TestCrowd checks thousands of hosts with a known mix of faults.
func TestCrowd(t *testing.T) {
	needRoot(t)
	f := checkCrowd(t, buildProgram(t), lab.Crowd(fewer(t, "hosts", 4096, 512)))
	if f.wrong > 0 {
		t.Errorf("%d verdicts are wrong", f.wrong)
	}
	t.Logf("%d hosts: %s wall, %s CPU, %d MB", f.hosts, f.wall.Round(time.Millisecond), f.cpu.Round(time.Millisecond), f.peak>>20)
}

// BenchmarkCrowd prints what the check of a crowd costs the program: hosts a
// second, processor time and memory, the crowd's own work left out.
func BenchmarkCrowd(b *testing.B) {
	needRoot(b)
	prog := buildProgram(b)
	for _, hosts := range []int{1024, 4096, 16384} {
		b.Run(fmt.Sprintf("hosts=%d", hosts), func(b *testing.B) {
			for b.Loop() {
				f := checkCrowd(b, prog, lab.Crowd(hosts))
				b.ReportMetric(float64(f.hosts)/f.wall.Seconds(), "hosts/s")
				b.ReportMetric(f.cpu.Seconds(), "cpu-s")
				b.ReportMetric(float64(f.peak>>20), "MB")
				b.ReportMetric(float64(f.wrong), "wrong")
			}
		})
	}
}
