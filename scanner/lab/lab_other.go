//go:build !linux

package lab

import "context"

// Enter returns [ErrUnavailable]: only Linux has network namespaces.
func Enter(context.Context) (inside bool, exit int, err error) { return false, 1, ErrUnavailable }

// Start returns [ErrUnavailable]: only Linux has network namespaces.
func Start(context.Context, *Network) (*Lab, error) { return nil, ErrUnavailable }

// IPv6 reports whether a lab can have IPv6 here.
func IPv6() bool { return false }

// namespaces is what a lab holds of the operating system: nothing here.
type namespaces struct{}

func (*namespaces) close() error { return nil }
