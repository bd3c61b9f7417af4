//go:build !windows

package main

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncFolder makes a new name in a folder outlast a loss of power.
func syncFolder(name string) error {
	d, err := os.Open(name) //nolint:gosec // the folder of a file that the user names
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) { // a file system that cannot
		err = nil
	}
	return errors.Join(err, d.Close())
}
