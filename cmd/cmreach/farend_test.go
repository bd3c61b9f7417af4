package main

import (
	"cmreach/probes"
	"cmreach/probes/wire/beacon"
	"cmreach/profiles"
	"cmreach/scanner"
	"testing"
)

// The questions that plans name are those that there are, and nothing asks them
// without a key.
func TestFarEndWords(t *testing.T) {
	key, err := beacon.NewKey([]byte("the key of both ends"))
	if err != nil {
		t.Fatal(err)
	}
	with, without := (&farEndFlags{key: key}).probes(), (&farEndFlags{}).probes()
	for word, proto := range map[string]scanner.Protocol{profiles.FarEndUDP: scanner.UDP, profiles.FarEndTCP: scanner.TCP} {
		if with[word].Protocol != proto {
			t.Errorf("%s: %+v", word, with[word])
		}
		if _, ok := without[word]; ok {
			t.Errorf("%s without a key", word)
		}
	}
	if len(with) != len(without)+2 || len(without) != len(probes.All()) {
		t.Errorf("%d probes with a key, %d without", len(with), len(without))
	}
	if (&farEndFlags{control: 1}).options() != nil {
		t.Error("a plan without a key asks listeners")
	}
}
