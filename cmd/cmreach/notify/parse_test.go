package notify

import (
	"cmreach/scanner/history"
	"cmreach/scanner/record"
	"cmreach/scanner/verdict"
	"strings"
	"testing"
)

// A URL that is refused is not shown, and neither is what it was made of.
func TestParseRefuses(t *testing.T) {
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"KEY": "sEcReT", "EMPTY": ""}[name]
		return v, ok
	}
	for _, bad := range []string{
		"", "sEcReT", "://sEcReT", "ftp://host/sEcReT", "https:///sEcReT", "https:sEcReT", "https://host:sEcReT/", "https://h ost/${KEY}", "slack+http://host/sEcReT",
		"https://host/${MISSING}", "https://host/${EMPTY}?sEcReT", "smtp://host", "smtp://host/?from=sEcReT&to=a@b", "smtp://host/?from=a@b.c&to=sEcReT",
		"smtp://host/?from=a@b.c", "smtp://host/?from=a@b.c&to=d@e.f&password=sEcReT", "smtp://user@host/?from=a@b.c&to=d@e.f", "smtp:///?from=a@b.c&to=d@e.f",
		"smtp://host/?from=a@b.c%0d%0aBcc:sEcReT@b.c&to=d@e.f", "syslog://", "syslog:///", "syslog://host/sEcReT", "syslog://sEcReT@host", "syslog+tcp:///dev/log", "syslog://host?sEcReT",
		"https://user:sEcReT@[::1/", "\x00sEcReT", "https://%zz/sEcReT", "smtp://u:sEc ReT@host", "smtp://u:p@w#sEcReT@host",
	} {
		r, err := Parse(bad, env)
		if err == nil {
			t.Errorf("%q: %v", bad, r)
		} else if strings.Contains(err.Error(), "sEcReT") || strings.Contains(err.Error(), "sEc") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestParse(t *testing.T) {
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"KEY": "sEcReT", "URL": "slack+https://hooks.example.com/sEcReT", "PASSWORD": "p%40ss"}[name]
		return v, ok
	}
	for _, c := range []struct {
		url, name string
		plain     bool
	}{
		{"https://host/${KEY}", "https://host", false},
		{" ${URL} ", "slack+https://hooks.example.com", false},
		{"teams+https://u:${KEY}@host:8443/x?sig=${KEY}", "teams+https://host:8443", false},
		{"smtp://user:${PASSWORD}@mx:587/?from=a@b.c&to=d@e.f", "smtp://mx:587", false},
		{"smtp://mx/?from=a@b.c&to=d@e.f", "smtp://mx", true},
		{"syslog://[fd00::1]:514", "syslog://[fd00::1]:514", true},
		{"syslog:///dev/log", "syslog:///", true},
		{"http://localhost:8080/$KEY", "http://localhost:8080", false},
	} {
		r, err := Parse(c.url, env)
		if err != nil || r.String() != c.name || r.Plain() != c.plain {
			t.Errorf("%s: %v, %v, plain %v", c.url, r, err, r.Plain())
		}
		if s := r.redact("x sEcReT y p@ss z"); strings.Contains(c.url, "${") && strings.Contains(s, "sEcReT") && !strings.Contains(c.url, "PASSWORD") || strings.Contains(c.url, "PASSWORD") && strings.Contains(s, "p@ss") {
			t.Errorf("%s: %q", c.url, s)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("https://user:secret@host/path?query")
	f.Add("smtp://u:p@h/?from=a@b.c&to=d@e.f")
	f.Add("syslog:///dev/log")
	f.Add("${A}://${B}")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text, func(name string) (string, bool) { return name, true })
		if err == nil && (r.kind == "" || strings.ContainsAny(r.String(), "\r\n")) {
			t.Errorf("%q: %q", text, r)
		}
	})
}

// The subject says what happened, in as few words as it takes.
func TestSubject(t *testing.T) {
	item := func(s verdict.State) history.Item {
		return history.Item{Requirement: "push/smb", Host: "pc1", State: s}
	}
	for _, c := range []struct {
		changes *history.Changes
		exit    int
		end     string
		want    string
	}{
		{&history.Changes{Counts: history.Counts{Broken: 2}, Broken: []history.Item{item(verdict.Down), item(verdict.Down)}}, 3, "", "2 new down"},
		{&history.Changes{Counts: history.Counts{Broken: 2}, Broken: []history.Item{item(verdict.Down), item(verdict.Blocked)}}, 1, "", "2 new failures"},
		{&history.Changes{Counts: history.Counts{Recovered: 1, Gone: 4, Flapping: 9}, NewlyFlapping: 2}, 0, "", "1 recovered, 2 flapping, 4 no longer checked"},
		{&history.Changes{Counts: history.Counts{Added: 4}}, 0, "", "4 newly checked"},
		{nil, 0, "", "READY, 0 hosts"},
		{nil, 3, "", "NOT DECIDED"},
		{nil, 4, "no route", "the check broke off"},
	} {
		m := message(0)
		m.Changes, m.Exit = c.changes, c.exit
		m.Run.End = record.End{Err: c.end}
		if got, want := m.Subject(), "cmreach: "+c.want+" at PS1 (push) from CM1"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	m := message(1)
	m.Run.Header.Site = strings.Repeat("ü", 1000)
	if n := len([]rune(m.Subject())); n != maxSubject {
		t.Errorf("%d characters", n)
	}
}
