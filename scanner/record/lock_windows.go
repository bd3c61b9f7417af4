package record

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lock takes the file for this process, until it closes it or ends in whatever
// way. Windows holds others off the bytes that are locked: this one lies far
// behind the end of any record.
func lock(f *os.File) error {
	at := windows.Overlapped{OffsetHigh: 1 << 30}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return ErrLocked
	}
	return err
}
