package notify

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// rfc5424 is the form of a message: PRI, version, time, host, program, process,
// kind, no structured data, text.
var rfc5424 = regexp.MustCompile(`^<(2[89])>1 2001-09-09T01:47:41\.000Z [!-~]+ cmreach [0-9]+ (changes|result) - (\x{feff}?)cmreach: [^\r\n]+$`)

func checkSyslogText(t *testing.T, text string, severity string) {
	t.Helper()
	m := rfc5424.FindStringSubmatch(text)
	if m == nil || m[1] != severity || len(text) > maxSyslog || !utf8.ValidString(text) {
		t.Fatalf("%d bytes: %q", len(text), text)
	}
	if ascii := !strings.ContainsFunc(strings.TrimPrefix(text, m[0]), func(r rune) bool { return r > 0x7e }); m[3] == "" && !ascii {
		t.Errorf("not ASCII, and no BOM: %q", text)
	}
}

func TestSyslogUDP(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, n := range []int{1, 5000} {
		if err := tell(t.Context(), []Receiver{receiver(t, "syslog://"+conn.LocalAddr().String())}, message(n), Options{}); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 65536)
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		k, _, err := conn.ReadFrom(buf)
		if err != nil {
			t.Fatal(err)
		}
		checkSyslogText(t, string(buf[:k]), "28")
	}
	m := message(0)
	m.Exit = 0
	if text := syslogMessage(m); !strings.Contains(text, "cmreach: 3 recovered at PS1") {
		t.Error(text)
	} else {
		checkSyslogText(t, text, "29")
	}
}

func TestSyslogTCP(t *testing.T) {
	l := listen(t)
	got := readAll(l)
	if err := tell(t.Context(), []Receiver{receiver(t, "syslog+tcp://"+l.Addr().String())}, message(5000), Options{}); err != nil {
		t.Fatal(err)
	}
	text := <-got
	length, msg, _ := strings.Cut(text, " ")
	if length != fmt.Sprint(len(msg)) {
		t.Errorf("length %q of %d bytes", length, len(msg))
	}
	checkSyslogText(t, msg, "28")
}

func TestSyslogLocal(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such socket")
	}
	form := regexp.MustCompile(`^<28>Sep  [89] \d\d:\d\d:41 cmreach\[\d+\]: cmreach: 1 new blocked, [^\r\n]*`)
	path := filepath.Join(t.TempDir(), "log")
	conn, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := tell(t.Context(), []Receiver{receiver(t, "syslog://"+path)}, message(1), Options{}); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 65536)
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	k, _, err := conn.ReadFrom(buf)
	if err != nil || k > maxSyslog || !form.Match(buf[:k]) {
		t.Errorf("%v: %q", err, buf[:k])
	}
	path = filepath.Join(t.TempDir(), "stream")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	got := readAll(l)
	if err := tell(t.Context(), []Receiver{receiver(t, "syslog://"+path)}, message(1), Options{}); err != nil {
		t.Fatal(err)
	}
	if text := <-got; !form.MatchString(text) || !strings.HasSuffix(text, "\n") {
		t.Errorf("%q", text)
	}
}
