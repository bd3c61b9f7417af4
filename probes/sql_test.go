package probes

import (
	"bufio"
	"cmreach/probes/probetest"
	"cmreach/probes/wire/tds"
	"cmreach/scanner"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sqlAnswer is the answer of SQL Server 2019 to PRELOGIN.
func sqlAnswer(e tds.Encryption) []byte {
	return tds.Packet(tds.TypeResponse, tds.Prelogin{Version: tds.Version{Major: 15, Build: 2000, SubBuild: 5}, HasEncryption: true, Encryption: e}.Marshal())
}

func TestSQL(t *testing.T) {
	version := "version=15.0.2000.5 | encryption="
	right := sqlAnswer(tds.EncryptOff)
	pieces := slices.Concat([]byte{4, 0, 0, 10, 0, 0, 1, 0}, right[8:10], []byte{4, 1, 0, byte(len(right) - 2), 0, 0, 2, 0}, right[10:])
	for _, tt := range []struct {
		name string
		text []byte
		want brief
	}{
		{"answers", right, detailed(roleProven, version+"for the login only")},
		{"in two packets", pieces, detailed(roleProven, version+"for the login only")},
		{"wants encryption", sqlAnswer(tds.EncryptRequired), detailed(roleProven, version+"required")},
		{"cannot encrypt", sqlAnswer(tds.EncryptNotSupported), detailed(roleProven, version+"not supported")},
		{"an encryption of the future", sqlAnswer(0x42), detailed(roleProven, version+"0x42")},
		{"version alone", tds.Packet(tds.TypeResponse, tds.Prelogin{Version: tds.Version{Major: 16}}.Marshal()), detailed(roleProven, "version=16.0.0.0")},
		{"another result", tds.Packet(tds.TypeResponse, []byte("\xaa\x10\x00error")), brief{Outcome: scanner.Garbled}},
		{"its own question", tds.Packet(tds.TypePrelogin, right[8:]), isForeign},
		{"no end", slices.Concat([]byte{4, 0, 0, 8, 0, 0, 1, 0}, []byte{4, 0, 0, 8, 0, 0, 1, 0}, []byte{4, 0, 0, 8, 0, 0, 1, 0}, []byte{4, 0, 0, 8, 0, 0, 1, 0}, right), brief{Outcome: scanner.Garbled}},
		{"a packet of another type follows", slices.Concat([]byte{4, 0, 0, 8, 0, 0, 1, 0}, []byte{3, 1, 0, 8, 0, 0, 1, 0}), brief{Outcome: scanner.Garbled}},
		{"shorter than its header", []byte{4, 1, 0, 7, 0, 0, 1, 0}, brief{Outcome: scanner.Garbled}},
		{"MySQL", []byte("\x4a\x00\x00\x00\x0a8.0.36\x00"), isForeign},
		{"a web server", []byte(answer("400 Bad Request", nginx, "")), isForeign},
	} {
		t.Run(tt.name, func(t *testing.T) {
			call := probetest.Serve(t, probetest.SayAndClose(tt.text))
			if d := cmp.Diff(tt.want, talk(t, SQL(), call, "version", "encryption")); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestSQLRequest holds what is sent, byte by byte ([MS-TDS] 2.2.6.5).
func TestSQLRequest(t *testing.T) {
	want := []byte{
		0x12, 1, 0, 26, 0, 0, 1, 0, // header
		0, 0, 11, 0, 6, // version
		1, 0, 17, 0, 1, // encryption
		0xff,
		0, 0, 0, 0, 0, 0,
		0,
	}
	got := make(chan []byte, 1)
	call := probetest.Serve(t, func(conn net.Conn) {
		b := make([]byte, len(want))
		_, _ = io.ReadFull(conn, b)
		got <- b
		_, _ = conn.Write(sqlAnswer(tds.EncryptOff))
	})
	talk(t, SQL(), call)
	if d := cmp.Diff(want, <-got); d != "" {
		t.Error(d)
	}
}

// TestSQLStrict has a server that wants TLS first, and hangs up otherwise.
func TestSQLStrict(t *testing.T) {
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.leaf(t, nil)}, NextProtos: []string{"tds/8.0"}}
	call := probetest.Serve(t, func(conn net.Conn) {
		first := bufio.NewReader(conn)
		if b, err := first.Peek(1); err != nil || b[0] != 22 {
			_, _ = first.Discard(first.Buffered())
			return
		}
		tlsPeer(config, probetest.SayAndClose(sqlAnswer(tds.EncryptOn)))(peeked{conn, first})
	})
	call.Host = "mp1.lab.test"
	want := brief{
		Outcome: scanner.Spoke, Proof: scanner.AssuranceRole, Identity: "[mp1.lab.test mp1]",
		Details: "encryption=on | encryption=strict: TLS before the first message (TDS 8.0) | tls=TLS 1.3",
	}
	if d := cmp.Diff(want, talk(t, sqlServer(ca.pool), call, "encryption", "tls")); d != "" {
		t.Error(d)
	}
}

func TestSQLForeignText(t *testing.T) {
	call := probetest.Serve(t, probetest.Greet([]byte("SSH-2.0-OpenSSH_9.9\r\n")))
	got := SQL().Talk(t.Context(), call)
	if got.Outcome != scanner.Foreign || !strings.Contains(got.Err, "SSH-2.0-OpenSSH_9.9") {
		t.Errorf("%+v", got)
	}
}

func TestSQLAdversity(t *testing.T) { probetest.Adversity(t, SQL(), sqlAnswer(tds.EncryptOff)) }
