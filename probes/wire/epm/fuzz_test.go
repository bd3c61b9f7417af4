package epm_test

import (
	"cmreach/probes/wire/epm"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// orderOf lets the fuzzer choose the byte order.
func orderOf(big bool) binary.ByteOrder {
	if big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

func seed(f *testing.F, opnum uint16, of func(stubs) [][]byte) {
	for _, name := range []string{"cli-epm-lookup", "dc-epm-lookup", "cli-epm-lookup-single", "dc-epm-map-lsarpc", "cli-epm-map-svcctl"} {
		if s := load(f, name); s.opnum == opnum {
			for _, stub := range of(s) {
				f.Add(stub, false)
			}
		}
	}
}

func answers(s stubs) [][]byte   { return s.answers }
func questions(s stubs) [][]byte { return s.questions }

// same holds two readings of the same thing to be equal. A list without
// elements may be nil or empty.
func same(t *testing.T, first, second any, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%+v was written and cannot be read: %v", first, err)
	}
	if d := cmp.Diff(first, second, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("read again (-first +second):\n%s", d)
	}
}

func FuzzLookupResponse(f *testing.F) {
	seed(f, epm.OpLookup, answers)
	f.Fuzz(func(t *testing.T, b []byte, big bool) {
		p, err := epm.DecodeLookupResponse(b, orderOf(big))
		if err != nil {
			return
		}
		if cap(p.Entries) > len(b) {
			t.Errorf("room for %d entries made for %d bytes", cap(p.Entries), len(b))
		}
		total := 0
		for i, e := range p.Entries {
			total += len(e.Tower)
			// 64 characters without their zero are written with one, cut to 63
			p.Entries[i].Annotation = e.Annotation[:min(len(e.Annotation), 63)]
		}
		if total > 1<<20 {
			return // aliases: each is written in full
		}
		again, err := epm.DecodeLookupResponse(p.Encode(), binary.LittleEndian)
		same(t, p, again, err)
	})
}

func FuzzLookupRequest(f *testing.F) {
	seed(f, epm.OpLookup, questions)
	f.Fuzz(func(t *testing.T, b []byte, big bool) {
		q, err := epm.DecodeLookupRequest(b, orderOf(big))
		if err != nil {
			return
		}
		again, err := epm.DecodeLookupRequest(q.Encode(), binary.LittleEndian)
		same(t, q, again, err)
	})
}

func FuzzMapResponse(f *testing.F) {
	seed(f, epm.OpMap, answers)
	f.Fuzz(func(t *testing.T, b []byte, big bool) {
		p, err := epm.DecodeMapResponse(b, orderOf(big))
		if err != nil {
			return
		}
		total := 0
		for _, tower := range p.Towers {
			total += len(tower)
		}
		if total > 1<<20 {
			return // aliases: each is written in full
		}
		again, err := epm.DecodeMapResponse(p.Encode(), binary.LittleEndian)
		same(t, p, again, err)
	})
}

func FuzzMapRequest(f *testing.F) {
	seed(f, epm.OpMap, questions)
	f.Fuzz(func(t *testing.T, b []byte, big bool) {
		q, err := epm.DecodeMapRequest(b, orderOf(big))
		if err != nil {
			return
		}
		again, err := epm.DecodeMapRequest(q.Encode(), binary.LittleEndian)
		same(t, q, again, err)
	})
}

func FuzzTower(f *testing.F) {
	for _, name := range []string{"cli-epm-lookup", "dc-epm-lookup"} {
		for _, stub := range load(f, name).answers {
			for _, e := range page(f, stub).Entries {
				f.Add(e.Tower)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		tower, err := epm.DecodeTower(b)
		if err != nil {
			return
		}
		tower.Interface()
		tower.TCP()
		tower.UDP()
		again, err := epm.DecodeTower(tower.Encode())
		same(t, tower, again, err)
	})
}
