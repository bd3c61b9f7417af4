package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// peerLAN is the LAN of testdata/peers with its real servers.
type peerLAN struct {
	prog    cmreach
	scripts string
	prefix  string
	dir     string
	life    *os.File // the servers end when the other end of this pipe is closed
}

// needPrograms leaves the test out when a program of a Debian package is not here.
func needPrograms(t *testing.T, names ...string) {
	t.Helper()
	for _, n := range names {
		if _, err := exec.LookPath(n); err != nil {
			leaveOut(t, fmt.Sprintf("%v: see testdata/peers for the Debian packages", err))
		}
	}
}

// startPeers starts all real servers. Everything of them ends with the test.
func startPeers(t *testing.T) *peerLAN {
	t.Helper()
	needPrograms(t, "bash", "ip", "unshare", "setpriv", "openssl", "smbd", "/usr/libexec/samba/samba-dcerpcd", "samba", "samba-tool", "nginx")
	needPrograms(t, servicePrograms()...)
	scripts, err := filepath.Abs("../../testdata/peers")
	if err != nil {
		t.Fatal(err)
	}
	l := &peerLAN{scripts: scripts, prefix: fmt.Sprintf("cr%d", os.Getpid())}
	l.prog = buildProgram(t)
	if l.dir, err = os.MkdirTemp("", "cmreach-peers-"); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(l.dir, 0o711); err != nil { // every user must find the certificate of the CA
		t.Fatal(errors.Join(err, os.RemoveAll(l.dir)))
	}
	life, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(errors.Join(err, os.RemoveAll(l.dir)))
	}
	l.life = life
	t.Cleanup(func() {
		_, _ = life.Close(), hold.Close()                                     // if nothing else does, this ends the servers
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // that of the test has ended
		defer cancel()
		if err := errors.Join(l.script(ctx, "lan.sh", "down"), os.RemoveAll(l.dir)); err != nil {
			t.Error(err)
		}
	})
	if err := l.script(t.Context(), "lan.sh", "up"); err != nil {
		t.Fatal(err)
	}
	steps := [][]string{
		{"dc.sh", "start"},
		{"pc.sh", "start", "pc0001", "30"},
		{"pc.sh", "start", "old0001", "31", "NT1", "NT1"},
		{"web.sh", "start"},
		{"lan.sh", "host", "ssh0001", "32"},
	}
	steps = append(steps, serviceSteps()...)
	started := make(chan error)
	for _, s := range steps {
		go func() { started <- l.script(t.Context(), s...) }()
	}
	for range steps {
		err = errors.Join(err, <-started)
	}
	if err != nil {
		t.Fatal(err)
	}
	l.banner(t, "ssh0001", ":445", "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
	return l
}

// script runs a script of testdata/peers. If it is given up, what it started
// ends with it.
func (l *peerLAN) script(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(l.scripts, args[0]), args[1:]...)
	cmd.Env = append(os.Environ(), "PEERS_PREFIX="+l.prefix, "PEERS_DIR="+l.dir)
	if args[0] != "lan.sh" {
		cmd.ExtraFiles = []*os.File{l.life}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", args, err, out)
	}
	return nil
}

// banner lets a machine of the LAN greet everybody who connects.
func (l *peerLAN) banner(t *testing.T, machine, at, text string) {
	t.Helper()
	r := openRoom(t, func() error {
		f, err := os.Open("/run/netns/" + l.prefix + "-" + machine)
		if err != nil {
			return err
		}
		return errors.Join(unix.Setns(int(f.Fd()), unix.CLONE_NEWNET), f.Close())
	})
	var ln net.Listener
	err := r.do(func() (err error) {
		ln, err = net.Listen("tcp", at)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(patience))
				_, _ = io.WriteString(c, text)
				_, _ = c.Read(make([]byte, 512))
			}()
		}
	}()
}

// command prepares the program for a run at the scanner's place, where the
// names are those of the LAN.
func (l *peerLAN) command(t *testing.T, attr *syscall.SysProcAttr, args ...string) *exec.Cmd {
	t.Helper()
	cmd := l.prog.command(t, nil, args...)
	var as []string
	if attr != nil { // only root can enter; ip gives the namespace its own /etc/hosts
		user := fmt.Sprint(attr.Credential.Uid)
		as = []string{"setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--inh-caps=-all", "--no-new-privs"}
	}
	line := append([]string{"ip", "netns", "exec", l.prefix + "-scan"}, append(as, cmd.Args...)...)
	in := exec.CommandContext(t.Context(), line[0], line[1:]...)
	in.Dir, in.Env = cmd.Dir, append(cmd.Env, "SSL_CERT_FILE="+filepath.Join(l.dir, "web", "ca", "ca.pem"))
	return in
}

// siteFile writes a site file with a site code.
func (l *peerLAN) siteFile(t *testing.T, code string) string {
	t.Helper()
	file := filepath.Join(l.dir, "site.yaml")
	if err := os.WriteFile(file, []byte("schema: 1\nsite: "+code+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
