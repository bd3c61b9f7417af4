package lab

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// longQueue raises the number of connections that may wait to be accepted: one
// listener stands for thousands of hosts. The net package takes its figure
// from another namespace; listening again only sets the figure.
func longQueue(ln net.Listener) error {
	t, ok := ln.(*net.TCPListener)
	if !ok {
		return nil
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return err
	}
	var listenErr error
	err = raw.Control(func(fd uintptr) { listenErr = unix.Listen(int(fd), 65535) })
	return errors.Join(err, listenErr)
}
