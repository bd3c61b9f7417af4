package socket

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of sendmmsg(2) and recvmmsg(2).
type mmsghdr struct {
	head unix.Msghdr
	size uint32 // bytes that were sent or received
}

// sendBatch sends the messages until one fails and returns how many left. The
// error is that of the first that did not.
//
// The Go scheduler is not told of the call while there is room in the socket's
// buffer: it lasts less than a millisecond, and to give the processor away and
// get it back for each batch costs more. Only to wait for room is left to it.
func sendBatch(fd int, msgs []mmsghdr) (int, error) {
	n, err := batch(unix.SYS_SENDMMSG, fd, msgs, unix.MSG_DONTWAIT)
	if !errors.Is(err, unix.EAGAIN) {
		return n, err
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&msgs[0])), 1, 0, 0, 0) //nolint:gosec // descriptors are positive
		switch {
		case errno == 0:
			return int(n), nil
		case !errors.Is(errno, unix.EINTR):
			return 0, errno
		}
	}
}

// recvBatch receives what is there already.
func recvBatch(fd int, msgs []mmsghdr) (int, error) {
	return batch(unix.SYS_RECVMMSG, fd, msgs, unix.MSG_DONTWAIT)
}

// batch makes a call that does not wait.
func batch(call uintptr, fd int, msgs []mmsghdr, flags int) (int, error) {
	if len(msgs) == 0 {
		return 0, nil
	}
	for {
		n, _, errno := unix.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(&msgs[0])), uintptr(len(msgs)), uintptr(flags), 0, 0) //nolint:gosec // descriptors are positive
		switch {
		case errno == 0:
			return int(n), nil
		case !errors.Is(errno, unix.EINTR):
			return 0, errno
		}
	}
}
