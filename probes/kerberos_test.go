package probes

import (
	"bytes"
	"cmreach/probes/probetest"
	"cmreach/probes/wire/ber"
	"cmreach/scanner"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// krbError is a KRB-ERROR whose fields a test may change; an empty one is left out.
func krbError(code uint32, change func(fields map[byte][]byte)) []byte {
	name := ber.Encode(ber.Sequence, ber.Encode(ber.Context, ber.EncodeInt(ber.Integer, 2)), ber.Encode(ber.Context+1, ber.Encode(ber.Sequence)))
	fields := map[byte][]byte{
		0: ber.EncodeInt(ber.Integer, 5), 1: ber.EncodeInt(ber.Integer, 30),
		4: ber.EncodeText(ber.GeneralizedTime, "20261121044917Z"), 5: ber.EncodeInt(ber.Integer, 1),
		6: ber.EncodeInt(ber.Integer, code), 9: ber.EncodeText(ber.GeneralString, "LAB.TEST"), 10: name,
	}
	if change != nil {
		change(fields)
	}
	var list [][]byte
	for n := range byte(13) {
		if f := fields[n]; len(f) > 0 {
			list = append(list, ber.Encode(ber.Context+n, f))
		}
	}
	return ber.Encode(kerberosError, ber.Encode(ber.Sequence, list...))
}

func krbFrame(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...)
}

func TestKerberos(t *testing.T) {
	with := func(n byte, value []byte) []byte {
		return krbError(6, func(fields map[byte][]byte) { fields[n] = value })
	}
	for _, tt := range []struct {
		name   string
		answer []byte
		want   string
	}{
		{"Samba", serverBytes(t, "dc-kerberos.hex"), "spoke role | answer=the principal is unknown, as it must be (6) | realm=LAB.TEST"},
		{"preauthentication", krbFrame(krbError(25, nil)), "spoke role | answer=preauthentication is wanted (25) | realm=LAB.TEST"},
		{"another realm", krbFrame(krbError(68, nil)), "spoke role | answer=it serves another realm (68) | realm=LAB.TEST"},
		{"generic, and a text", krbFrame(krbError(60, func(f map[byte][]byte) { f[11] = ber.EncodeText(ber.GeneralString, "no\x1b[2J") })), "spoke protocol | answer=a generic error (60) | realm=LAB.TEST | said=no.[2J"},
		{"not the KDC's", krbFrame(krbError(41, nil)), "spoke protocol | answer=an error (41) | realm=LAB.TEST"},
		{"a field of later times", krbFrame(with(12, []byte{4, 0})), "spoke role | answer=the principal is unknown, as it must be (6) | realm=LAB.TEST"},
		{"no code", krbFrame(with(6, nil)), "garbled none (malformed KRB-ERROR: field 6 is missing)"},
		{"version 4", krbFrame(with(0, ber.EncodeInt(ber.Integer, 4))), "garbled none (malformed KRB-ERROR: version 4, type 30)"},
		{"another type", krbFrame(with(1, ber.EncodeInt(ber.Integer, 11))), "garbled none (malformed KRB-ERROR: version 5, type 11)"},
		{"a realm of another kind", krbFrame(with(9, ber.EncodeInt(ber.Integer, 1))), "garbled none (malformed KRB-ERROR: field 9: malformed BER: tag 0x02, want 0x1b)"},
		{"no time", krbFrame(with(4, ber.EncodeText(ber.GeneralizedTime, "yesterday"))), `garbled none (malformed KRB-ERROR: field 4: parsing time "yesterday" as "20060102150405Z": cannot parse "yesterday" as "2006")`},
		{"bytes after it", krbFrame(append(krbError(6, nil), 0)), "garbled none (malformed KRB-ERROR: 1 bytes after it)"},
		{"a ticket", krbFrame(ber.Encode(kerberosReply, ber.Encode(ber.Sequence))), "foreign none (a ticket for a principal that cannot exist: no real key distribution center)"},
		{"SSH", []byte("SSH-2.0-x\r\n"), "foreign none (no Kerberos: the answer begins SSH-2.0-x) | answer=SSH-2.0-x"},
		{"oversized", []byte{0, 1, 0, 0, kerberosError}, "foreign none (no Kerberos: the answer begins bytes 00 01 00 00 7e) | answer=bytes 00 01 00 00 7e"},
		{"another message", krbFrame([]byte{0x30, 0}), "foreign none (no Kerberos: the answer begins bytes 00 00 00 02 30 00) | answer=bytes 00 00 00 02 30 00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if d := cmp.Diff(tt.want, told(Kerberos().Talk(ctx, probetest.Serve(t, probetest.Say(tt.answer))))); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestKerberosClock(t *testing.T) {
	call := probetest.Serve(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		probetest.Split(conn, krbFrame(krbError(6, nil)))
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	want := scanner.Identity{Clock: time.Date(2026, 11, 21, 4, 49, 17, 0, time.UTC)}
	if d := cmp.Diff(want, Kerberos().Talk(ctx, call).Identity); d != "" {
		t.Error(d)
	}
}

// TestKerberosRequest holds the request against the one that Samba answered:
// all but the random name and nonce, which have the same lengths.
func TestKerberosRequest(t *testing.T) {
	recorded := probetest.Transcript(t, ldapTranscripts+"dc-kerberos.hex")[0].Bytes[kerberosFrame:]
	const prefix, digits = "cmreach-", 16
	blank := func(b []byte) []byte {
		b = bytes.Clone(b)
		at := bytes.Index(b, []byte(prefix)) + len(prefix)
		copy(b[at:], strings.Repeat("x", digits))
		nonce := []byte{0xa7}
		at = bytes.LastIndex(b, nonce)
		if at < 0 {
			t.Fatalf("no nonce in % x", b)
		}
		return b[:at]
	}
	const tries = 64
	names := map[string]bool{}
	for range tries {
		b := encodeASRequest("LAB.TEST")
		if len(b) != len(recorded) { // a small nonce is shorter
			continue
		}
		at := bytes.Index(b, []byte(prefix)) + len(prefix)
		names[string(b[at:at+digits])] = true
		if got, want := blank(b), blank(recorded); !bytes.Equal(got, want) && bytes.Count(b, []byte{0xa7}) == 1 {
			t.Fatalf("request % x\nwant    % x", got, want)
		}
	}
	if len(names) < 2 {
		t.Errorf("%d names in %d requests", len(names), tries)
	}
}

func TestKerberosRealm(t *testing.T) {
	for host, realm := range map[string]string{
		"dc1.lab.test": "LAB.TEST", "dc1.lab.test.": "LAB.TEST", "dc1": kerberosNoRealm, "198.18.0.2": kerberosNoRealm, "fd00::1": kerberosNoRealm,
	} {
		asked := make(chan []byte, 1)
		call := probetest.Serve(t, func(conn net.Conn) {
			b := make([]byte, 4096)
			n, _ := conn.Read(b)
			asked <- b[:n]
		})
		call.Host = host
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		Kerberos().Talk(ctx, call)
		cancel()
		if b := <-asked; !bytes.Contains(b, ber.Encode(ber.Context+2, ber.EncodeText(ber.GeneralString, realm))) {
			t.Errorf("%s: request % x, want the realm %s", host, b, realm)
		}
	}
}

func TestKerberosAdversity(t *testing.T) {
	probetest.Adversity(t, Kerberos(), serverBytes(t, "dc-kerberos.hex"))
}

// FuzzKerberosError: no bytes make the decoder panic, and what it takes for an
// error says what an error must.
func FuzzKerberosError(f *testing.F) {
	f.Add(serverBytes(f, "dc-kerberos.hex")[kerberosFrame:])
	f.Add(krbError(68, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeKerberosError(b)
		if err != nil {
			if !errors.Is(err, errKerberos) {
				t.Errorf("error %v", err)
			}
			return
		}
		if e.version != kerberosVersion || e.kind != kerberosTypeError || b[0] != kerberosError {
			t.Errorf("% x is taken for %+v", b, e)
		}
		if r := kerberosResult(b); r.Outcome != scanner.Spoke {
			t.Errorf("% x: %+v", b, r)
		}
	})
}
