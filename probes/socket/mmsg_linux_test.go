package socket

import (
	"testing"

	"golang.org/x/sys/unix"
)

// What has room leaves at once; what has none waits for it, and is no error.
func TestSendBatchWaitsForRoom(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeFD(pair[0]); closeFD(pair[1]) })
	one := [1]byte{1}
	iov := unix.Iovec{Base: &one[0]}
	iov.SetLen(1)
	msgs := make([]mmsghdr, 1<<14) // more than the other end may leave unread
	for i := range msgs {
		msgs[i].head.Iov = &iov
		msgs[i].head.SetIovlen(1)
	}
	waiting := 0
	for range 20 {
		n, err := sendBatch(pair[0], msgs)
		if waiting += n; err != nil || n == 0 || n == len(msgs) {
			t.Fatalf("%d of %d left: %v", n, len(msgs), err)
		}
		read := make(chan error)
		go func(count int) { // begins, as a rule, when the sender waits already
			var buf [8]byte
			for range count {
				if _, err := unix.Read(pair[1], buf[:]); err != nil {
					read <- err
					return
				}
			}
			read <- nil
		}(waiting)
		if n, err := sendBatch(pair[0], msgs[:1]); err != nil || n != 1 {
			t.Fatalf("%d of 1 left, after a wait for room: %v", n, err)
		}
		if err := <-read; err != nil {
			t.Fatal(err)
		}
		waiting = 1
	}
}
