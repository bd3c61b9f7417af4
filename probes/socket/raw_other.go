//go:build !linux

package socket

import "errors"

// Raw is the raw engine, which only Linux has.
type Raw struct{ *Connect }

// ErrNoRaw is why there is no raw engine.
var ErrNoRaw = errors.New("the raw engine is for Linux only")

// NewRaw returns [ErrNoRaw].
func NewRaw(Options) (*Raw, error) { return nil, ErrNoRaw }

// portWindow is for the raw engine.
type portWindow struct{}
