package record

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrLocked says that another process writes the record now.
var ErrLocked = errors.New("another run writes it now")

// Create makes the file of a new record, empty and locked against other
// writers. What is no regular file, such as a pipe, is opened alone. The lock is
// advisory: readers do not ask for it.
func Create(name string) (f *os.File, regular bool, err error) {
	f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666) //nolint:gosec // the user names the file, and the umask decides
	if err != nil {
		return nil, false, err
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return f, false, nil //nolint:nilerr // what cannot say what it is, is written to
	}
	if err := lock(f); err != nil {
		_ = f.Close()
		return nil, true, err
	}
	if err := f.Truncate(0); err != nil {
		_ = f.Close()
		return nil, true, err
	}
	return f, true, nil
}

// Append opens a record to be gone on with, and locks it against other writers.
func Append(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no file")
	}
	if err == nil {
		err = lock(f)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// Cut takes away what follows the whole part of a record and places the file
// there, so that what is written next goes on with it. It only ever takes away
// what would be written again: a program that is killed in the middle of it has
// lost nothing.
func (s Survey) Cut(f *os.File) error {
	if err := f.Truncate(s.Whole); err != nil {
		return fmt.Errorf("cut the record: %w", err)
	}
	if _, err := f.Seek(s.Whole, io.SeekStart); err != nil {
		return fmt.Errorf("cut the record: %w", err)
	}
	if s.Open {
		if _, err := f.WriteString("\n"); err != nil {
			return fmt.Errorf("cut the record: %w", err)
		}
	}
	return nil
}
