package main

import (
	"cmreach/probes/socket"
	"cmreach/scanner"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// The engines, as --engine and the record name them.
const (
	engineAuto    = "auto"
	engineRaw     = "raw"
	engineConnect = "connect"
)

// engine is what sends and dials for a run.
type engine struct {
	scanner.Sweeper
	scanner.Dialer
	io.Closer
	name      string
	source    func(to netip.Addr) netip.Addr
	notes     []string      // what this machine does not allow
	hindsight time.Duration // see [scanner.Config]
	why       string        // why it is not the raw one, in brackets; empty when it was asked for
}

// openEngine opens the engine of that name. auto takes the raw one where this
// machine has it and this user may use it.
// frames is given its packets, see [socket.Options].
func openEngine(name string, frames func(socket.Frame)) (*engine, error) {
	var why error
	if name != engineConnect {
		raw, err := socket.NewRaw(socket.Options{Frames: frames})
		switch {
		case err == nil:
			return &engine{Sweeper: raw, Dialer: raw, Closer: raw, name: engineRaw, source: raw.Source, notes: raw.Notes()}, nil
		case name == engineRaw && errors.Is(err, socket.ErrNoRaw):
			return nil, fmt.Errorf("--engine raw: %w: run as root, or setcap cap_net_raw+ep on the program, or leave it to --engine auto", err)
		case name == engineRaw:
			return nil, fmt.Errorf("--engine raw: %w", err)
		}
		why = err
	}
	c, err := socket.NewConnect(socket.Options{})
	if err != nil {
		return nil, fmt.Errorf("this machine cannot send: %w", err)
	}
	e := &engine{Sweeper: c, Dialer: c, Closer: c, name: engineConnect, source: c.Source, notes: c.Notes(), hindsight: c.Hindsight()}
	if why != nil {
		e.why = fmt.Sprintf(" (%v)", why)
		e.notes = append(e.notes, "the portable engine sends: it is slower, and the kernel connects for it: an answered attempt is reset at once"+e.why)
	}
	return e, nil
}
