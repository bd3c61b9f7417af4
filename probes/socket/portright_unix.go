//go:build unix

package socket

import (
	"errors"
	"syscall"
)

// inUse reports whether a port is taken.
func inUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// noRight reports whether a port is not for this user.
func noRight(err error) bool {
	return errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM)
}
