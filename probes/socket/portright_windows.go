package socket

import (
	"errors"

	"golang.org/x/sys/windows"
)

// inUse reports whether a port is taken. A port that another program holds for
// itself alone is refused as if there were no right to it (SO_EXCLUSIVEADDRUSE).
func inUse(err error) bool {
	return errors.Is(err, windows.WSAEADDRINUSE) || errors.Is(err, windows.WSAEACCES)
}

// noRight: Windows has no ports for privileged users only.
func noRight(error) bool { return false }
