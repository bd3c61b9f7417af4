package main

import (
	"cmreach/probes"
	"cmreach/probes/wire/beacon"
	"cmreach/profiles"
	"cmreach/scanner"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"
)

// keyVariable is the environment variable of the key of two-ended checks. The
// key is no flag's value, because other users can read those.
const keyVariable = "CMREACH_KEY"

// readKey reads the key of a two-ended check from the file or the environment.
// It is not valid when there is none. The flag is the one that named the file.
func readKey(flag, file string) (beacon.Key, error) {
	text := os.Getenv(keyVariable)
	switch {
	case file == "" && text == "":
		return beacon.Key{}, nil
	case file != "" && text != "":
		return beacon.Key{}, fmt.Errorf("--%s: the key is in the environment (%s) too: give one of them", flag, keyVariable)
	case file == "":
		key, err := beacon.ParseKey(text)
		if err != nil {
			return key, fmt.Errorf("%s: %w: make a key with cmreach listen --new-key FILE", keyVariable, err)
		}
		return key, nil
	}
	f, err := os.Open(file) //nolint:gosec // the user names the file
	if err != nil {
		return beacon.Key{}, fmt.Errorf("--%s: cannot read %s: %w: check the name and the rights", flag, file, reason(err))
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, 4*beacon.MaxKey))
	if err != nil {
		return beacon.Key{}, fmt.Errorf("--%s: cannot read %s: %w: name a file with a key", flag, file, reason(err))
	}
	key, err := beacon.ParseKey(string(b))
	if err != nil {
		return key, fmt.Errorf("--%s: %s: %w: make a key with cmreach listen --new-key FILE", flag, file, err)
	}
	return key, nil
}

// farEndFlags are the flags of check and plan by which listeners are asked.
type farEndFlags struct {
	keyFile string
	control int

	key beacon.Key // after read; not valid: no listener is asked
}

const (
	keyFileFlag = "far-end-key-file"
	controlFlag = "far-end-control"
)

func (f *farEndFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.keyFile, keyFileFlag, "", "ask cmreach listen at the other ends too, with the key of this `FILE` (or of "+keyVariable+")")
	fs.IntVar(&f.control, controlFlag, profiles.DefaultControl, "TCP `PORT` at which cmreach listen says what it holds; 0: none")
}

// read reads the key.
func (f *farEndFlags) read() error {
	var err, portErr error
	f.key, err = readKey(keyFileFlag, f.keyFile)
	if f.control < 0 || f.control > maxPort {
		portErr = fmt.Errorf("--%s: %d is no port: give 1 to 65535, or 0 for none", controlFlag, f.control)
	}
	return errors.Join(err, portErr)
}

const maxPort = 1<<16 - 1

// options is what the plan must know; nil: no listener is asked.
func (f *farEndFlags) options() *profiles.FarEnd {
	if !f.key.Valid() {
		return nil
	}
	return &profiles.FarEnd{Control: uint16(f.control)} //nolint:gosec // read checked it
}

// probes are all probes, and with a key those that ask listeners.
func (f *farEndFlags) probes() map[string]scanner.Probe {
	m := probes.ByName()
	if f.key.Valid() {
		for _, p := range probes.FarEnd(f.key) {
			m[p.Name] = p
		}
	}
	return m
}
