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
func sendBatch(fd int, msgs []mmsghdr) (int, error) {
	return batch(unix.SYS_SENDMMSG, fd, msgs, 0)
}

// recvBatch receives what is there already.
func recvBatch(fd int, msgs []mmsghdr) (int, error) {
	return batch(unix.SYS_RECVMMSG, fd, msgs, unix.MSG_DONTWAIT)
}

func batch(call uintptr, fd int, msgs []mmsghdr, flags int) (int, error) {
	if len(msgs) == 0 {
		return 0, nil
	}
	for {
		n, _, errno := unix.Syscall6(call, uintptr(fd), uintptr(unsafe.Pointer(&msgs[0])), uintptr(len(msgs)), uintptr(flags), 0, 0) //nolint:gosec // descriptors are positive
		switch {
		case errno == 0:
			return int(n), nil
		case !errors.Is(errno, unix.EINTR):
			return 0, errno
		}
	}
}
