package lab

import "errors"

// ErrUnavailable says that this machine does not let us have network
// namespaces, for whatever reason; the error that wraps it names the reason.
// [Loopback] works all the same.
var ErrUnavailable = errors.New("lab: needs Linux network namespaces")
