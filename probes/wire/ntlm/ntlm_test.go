package ntlm

import (
	"bytes"
	"cmreach/probes/probetest"
	"encoding/hex"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// transcript returns the NTLM messages of an exchange over SMB. They are the
// last thing in their messages.
func transcript(t testing.TB, file string) (negotiate, challenge []byte) {
	t.Helper()
	var found [][]byte
	for _, m := range probetest.Transcript(t, "../../../testdata/wire/smb/"+file) {
		if at := bytes.Index(m.Bytes, []byte(signature)); at >= 0 {
			found = append(found, m.Bytes[at:])
		}
	}
	if len(found) != 2 {
		t.Fatalf("%s holds %d NTLM messages, want 2", file, len(found))
	}
	return found[0], found[1]
}

func pieces(t testing.TB, labelled ...string) []byte {
	t.Helper()
	var msg []byte
	for i := 0; i < len(labelled); i += 2 {
		b, err := hex.DecodeString(strings.ReplaceAll(labelled[i+1], " ", ""))
		if err != nil {
			t.Fatalf("%s: %v", labelled[i], err)
		}
		msg = append(msg, b...)
	}
	return msg
}

func TestTranscripts(t *testing.T) {
	cases := []struct {
		file   string
		target string
		info   TargetInfo
	}{
		{"samba-client.hex", "PC0001", TargetInfo{
			Computer: "PC0001", Domain: "PC0001", DNSDomain: "", DNSComputer: "vm",
			Timestamp: time.Date(2026, 11, 21, 2, 17, 35, 73629000, time.UTC),
		}},
		{"samba-dc.hex", "LAB", TargetInfo{
			Computer: "DC1", Domain: "LAB", DNSDomain: "lab.test", DNSComputer: "dc1.lab.test",
			Timestamp: time.Date(2026, 11, 21, 2, 17, 31, 285770000, time.UTC),
		}},
	}
	for _, c := range cases {
		t.Run(c.file, func(t *testing.T) {
			negotiate, challenge := transcript(t, c.file)
			n, err := ParseNegotiate(negotiate)
			if err != nil {
				t.Fatal(err)
			}
			if n.Version.String() != "6.1.0" || n.Flags&FlagUnicode == 0 {
				t.Errorf("negotiate %+v", n)
			}
			if got := n.Marshal(); !bytes.Equal(got, negotiate) {
				t.Errorf("marshal:\n%x\nwant what smbclient sent:\n%x", got, negotiate)
			}
			got, err := ParseChallenge(challenge)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.info, got.Info); diff != "" || got.Target != c.target {
				t.Errorf("target %q, want %q; info -want +got:\n%s", got.Target, c.target, diff)
			}
			again, err := ParseChallenge(got.Marshal())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("read again, -first +again:\n%s", diff)
			}
			for i := range len(challenge) {
				if _, err := ParseChallenge(challenge[:i]); err == nil {
					t.Errorf("%d of %d bytes are read as a whole challenge", i, len(challenge))
				}
			}
		})
	}
}

var wholeChallenge = Challenge{
	Flags:     FlagUnicode | FlagTargetDomain | FlagTargetInfo | FlagVersion,
	Target:    "AB",
	Challenge: [8]byte{1, 2, 3, 4, 5, 6, 7, 8},
	Info: TargetInfo{
		Computer: "PC", Domain: "AB", DNSComputer: "pc.ab", DNSDomain: "ab", DNSTree: "t",
		Timestamp: time.Date(2026, 11, 21, 2, 17, 40, 0, time.UTC),
	},
	Version: Version{Major: 10, Build: 26100, Revision: 15},
}

func challengePieces(t testing.TB) []byte {
	return pieces(
		t,
		"signature", "4e544c4d53535000", "type", "02000000",
		"target name length", "0400 0400", "offset 56", "38000000",
		"flags", "01008102", "challenge", "0102030405060708", "reserved", "0000000000000000",
		"target info length", "3c00 3c00", "offset 60", "3c000000",
		"version 10.0.26100", "0a00f465 0000000f",
		"target name", "41004200",
		"domain", "0200 0400 41004200",
		"computer", "0100 0400 50004300",
		"DNS domain", "0400 0400 61006200",
		"DNS computer", "0300 0a00 700063002e0061006200",
		"DNS tree", "0500 0200 7400",
		"timestamp", "0700 0800 00faaf7b5e79dd01",
		"end", "0000 0000",
	)
}

func TestChallenge(t *testing.T) {
	msg := challengePieces(t)
	if got := wholeChallenge.Marshal(); !bytes.Equal(got, msg) {
		t.Errorf("marshal:\n%x\nwant:\n%x", got, msg)
	}
	got, err := ParseChallenge(msg)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wholeChallenge, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got.Version.String() != "10.0.26100" {
		t.Errorf("version %s", got.Version)
	}
}

func TestShortForms(t *testing.T) {
	t.Run("negotiate of 16 bytes", func(t *testing.T) {
		got, err := ParseNegotiate(pieces(t, "signature", "4e544c4d53535000", "type", "01000000", "flags", "07820000"))
		if err != nil || got.Flags != 0x8207 {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("challenge without info and version", func(t *testing.T) {
		got, err := ParseChallenge(pieces(t, "signature", "4e544c4d53535000", "type", "02000000",
			"target name", "0300 0300 20000000", "flags: OEM", "02000200", "challenge", "0102030405060708", "name", "41e942"))
		if err != nil || got.Target != "A\ufffdB" || got.Info != (TargetInfo{}) || !got.Version.IsZero() {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("a name that is no UTF-16", func(t *testing.T) {
		got, err := parseTargetInfo(pieces(t, "computer: lone surrogate and odd byte", "0100 0500 00d8 4100 42", "end", "00000000"))
		if err != nil || got.Computer != "\ufffdA" {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestBrokenChallenge(t *testing.T) {
	whole := challengePieces(t)
	broken := func(at int, b ...byte) []byte {
		msg := bytes.Clone(whole)
		copy(msg[at:], b)
		return msg
	}
	cases := []struct {
		name  string
		msg   []byte
		field string
	}{
		{"empty", nil, "signature"},
		{"SPNEGO", []byte{0xa1, 0x81, 0x9c, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "signature"},
		{"cut", whole[:31], "message"},
		{"negotiate", broken(8, 1), "message type"},
		{"target name in the header", broken(16, 8), "target name"},
		{"target name beyond the end", broken(16, 0xff, 0xff, 0xff, 0xff), "target name"},
		{"info beyond the end", broken(44, 0xff, 0xff, 0xff, 0x7f), "target info"},
		{"info too long", broken(40, 0xff, 0xff), "target info"},
		{"info without an end", broken(40, 0x38, 0), "AV pairs"},
		{"info ends in a pair's header", broken(40, 0x3b, 0), "AV pair"},
		{"pair too long", broken(62, 0xff, 0xff), "AV pair"},
		{"short timestamp", broken(60+8+8+8+14+6+2, 4), "timestamp"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseChallenge(c.msg)
			var e *Error
			if !errors.As(err, &e) || e.Field != c.field {
				t.Errorf("error %v, want one about the %s", err, c.field)
			}
		})
	}
}

func TestClockThatNoClockShows(t *testing.T) {
	for _, wire := range []uint64{0, 0x7fffffffffffffff, 0xffffffffffffffff, 2650467744000000000} {
		if got := parseFileTime(wire); !got.IsZero() {
			t.Errorf("%#x is read as %v, want no time", wire, got)
		}
	}
}

func TestLiarGetsNoMemory(t *testing.T) {
	msg := challengePieces(t)
	copy(msg[62:], "\xff\xff") // the first pair says that it has 64 KiB
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := ParseChallenge(msg)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; err == nil || n > 16<<10 {
		t.Errorf("error %v, %d bytes allocated", err, n)
	}
}

func FuzzNegotiate(f *testing.F) {
	for _, file := range []string{"samba-client.hex", "samba-dc.hex"} {
		negotiate, challenge := transcript(f, file)
		f.Add(negotiate)
		f.Add(challenge)
	}
	f.Add(Negotiate{Flags: DefaultFlags, Version: Version{Major: 10, Revision: 15}}.Marshal())
	f.Fuzz(func(t *testing.T, msg []byte) {
		first, err := ParseNegotiate(msg)
		if err != nil {
			return
		}
		again, err := ParseNegotiate(first.Marshal())
		if err != nil || again != first {
			t.Errorf("read again: %+v, %v; want %+v", again, err, first)
		}
	})
}

func FuzzChallenge(f *testing.F) {
	for _, file := range []string{"samba-client.hex", "samba-dc.hex"} {
		negotiate, challenge := transcript(f, file)
		f.Add(negotiate)
		f.Add(challenge)
	}
	f.Add(challengePieces(f))
	f.Fuzz(func(t *testing.T, msg []byte) {
		first, err := ParseChallenge(msg)
		if err != nil || len(msg) > 16<<10 { // longer ones may not fit in our layout
			return
		}
		again, err := ParseChallenge(first.Marshal())
		if err != nil {
			t.Fatalf("what was read is written so that it cannot be read: %v", err)
		}
		first.Flags |= FlagTargetInfo | FlagUnicode // as Marshal says
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("-first +again:\n%s", diff)
		}
	})
}
