package notify

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// hook is a webhook that answers with one status after the other.
type hook struct {
	answers []func(w http.ResponseWriter)

	mu     sync.Mutex
	bodies []string
	heads  []http.Header
	paths  []string
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	n := len(h.bodies)
	h.bodies, h.heads, h.paths = append(h.bodies, string(body)), append(h.heads, r.Header), append(h.paths, r.Method+" "+r.URL.String())
	h.mu.Unlock()
	if n < len(h.answers) {
		h.answers[n](w)
	}
}

func status(code int, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

const key = "/services/T000/B000/sEcReTkEy"

// What is wrong for a while is tried again, after a pause; what is wrong for
// good is not; and no error names the path of the webhook.
func TestWebhookTries(t *testing.T) {
	echo := func(w http.ResponseWriter) { http.Error(w, "no such hook: "+key, 404) }
	for name, c := range map[string]struct {
		answers []func(http.ResponseWriter)
		tries   int
		pauses  []time.Duration // the least; nil: none
		err     string
	}{
		"at once":     {nil, 1, nil, ""},
		"accepted":    {[]func(http.ResponseWriter){status(202)}, 1, nil, ""},
		"500 twice":   {[]func(http.ResponseWriter){status(500), status(503)}, 3, []time.Duration{backoff / 2, backoff}, ""},
		"500 always":  {[]func(http.ResponseWriter){status(500), status(500), status(500)}, 3, []time.Duration{backoff / 2, backoff}, "after 3 tries: it answers with status 500 Internal Server Error"},
		"429":         {[]func(http.ResponseWriter){status(429, "Retry-After", "7")}, 2, []time.Duration{7 * time.Second}, ""},
		"429 date":    {[]func(http.ResponseWriter){status(429, "Date", "Sat, 21 Nov 2026 10:00:00 GMT", "Retry-After", "Sat, 21 Nov 2026 10:00:09 GMT")}, 2, []time.Duration{9 * time.Second}, ""},
		"429 too far": {[]func(http.ResponseWriter){status(429, "Retry-After", "3600")}, 1, nil, "after 1 try: it answers with status 429 Too Many Requests: it is to be asked again after 1h0m0s, which is too late"},
		"404":         {[]func(http.ResponseWriter){echo}, 1, nil, "after 1 try: it answers with status 404 Not Found: check the URL and its key"},
		"redirect":    {[]func(http.ResponseWriter){status(302, "Location", key)}, 1, nil, "it points elsewhere, which is not followed"},
	} {
		h := &hook{answers: c.answers}
		s := httptest.NewServer(h)
		var pauses []time.Duration
		err := tell(t.Context(), []Receiver{receiver(t, s.URL+key)}, message(2), noPause(&pauses))
		s.Close()
		switch {
		case (err == nil) != (c.err == ""), err != nil && !strings.HasSuffix(err.Error(), c.err) && !strings.Contains(err.Error(), c.err+":"):
			t.Errorf("%s: %v", name, err)
		case err != nil && (strings.Contains(err.Error(), "sEcReT") || !strings.Contains(err.Error(), s.URL)):
			t.Errorf("%s: %v", name, err)
		}
		if len(h.bodies) != c.tries || len(pauses) != len(c.pauses) {
			t.Errorf("%s: %d tries, pauses %v", name, len(h.bodies), pauses)
			continue
		}
		for i, p := range pauses {
			if p < c.pauses[i] || p > 3*c.pauses[i] {
				t.Errorf("%s: pause %d is %v, want about %v", name, i, p, c.pauses[i])
			}
		}
	}
}

// A webhook that takes the message and never answers does not hold the run.
func TestWebhookHangs(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}))
	defer s.Close()
	defer close(release)
	var pauses []time.Duration
	o := noPause(&pauses)
	o.Timeout = 300 * time.Millisecond
	err := tell(t.Context(), []Receiver{receiver(t, s.URL+key)}, message(1), o)
	if err == nil || !strings.HasSuffix(err.Error(), "no answer in time") || strings.Contains(err.Error(), "sEcReT") {
		t.Error(err)
	}
}

// An interrupt ends it.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	h := &hook{answers: []func(http.ResponseWriter){status(500), status(500), status(500)}}
	s := httptest.NewServer(h)
	defer s.Close()
	o := Options{Pause: func(ctx context.Context, _ time.Duration) error { cancel(); return wait(ctx, time.Hour) }}
	if err := tell(ctx, []Receiver{receiver(t, s.URL+key)}, message(1), o); err == nil || len(h.bodies) != 1 {
		t.Errorf("%v after %d tries", err, len(h.bodies))
	}
}

// The certificate of the server is proven.
func TestWebhookTLS(t *testing.T) {
	h := &hook{}
	s := httptest.NewUnstartedServer(h)
	cert, pool := authority(t)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that must fail
	s.TLS = tlsFor("", nil)
	s.TLS.Certificates = append(s.TLS.Certificates, cert)
	s.StartTLS()
	defer s.Close()
	for _, scheme := range []string{"https", "slack+https", "teams+https"} {
		url := scheme + strings.TrimPrefix(s.URL, "https")
		var pauses []time.Duration
		o := noPause(&pauses)
		if err := tell(t.Context(), []Receiver{receiver(t, url+key)}, message(1), o); err == nil || !strings.Contains(err.Error(), "after 1 try: ") || !strings.Contains(err.Error(), "certificate") || len(h.bodies) > 0 {
			t.Errorf("%s: sent to a server that proves nothing: %v", scheme, err)
		}
		o.Roots = pool
		if err := tell(t.Context(), []Receiver{receiver(t, url+key)}, message(1), o); err != nil || len(h.bodies) != 1 || h.paths[0] != "POST "+key {
			t.Errorf("%s: %v, %v", scheme, err, h.paths)
		}
		h.bodies, h.paths = nil, nil
	}
}

func TestWebhookDocument(t *testing.T) {
	h := &hook{}
	s := httptest.NewServer(h)
	defer s.Close()
	url := strings.Replace(s.URL, "http://", "http://user:pa%40ss@", 1) + key
	if err := tell(t.Context(), []Receiver{receiver(t, url)}, message(5000), Options{}); err != nil {
		t.Fatal(err)
	}
	if got := h.heads[0].Get("Authorization"); got != "Basic dXNlcjpwYUBzcw==" {
		t.Errorf("authorization %q", got)
	}
	var d struct {
		Schema, Kind, Subject, Text, More string
		Exit                              int
		Run                               struct {
			Scanner, Site, Vantage string
			Profiles               []string
		}
		Changes struct {
			Broken []struct{ Requirement, Host, Addr, State, Was string }
			Counts struct{ Broken, Recovered int }
		}
		Causes []struct {
			Message string
			Advice  []string
		}
	}
	if err := json.Unmarshal([]byte(h.bodies[0]), &d); err != nil {
		t.Fatal(err)
	}
	if d.Schema != "cmreach/1" || d.Kind != "notification" || d.Exit != 1 || d.Run.Scanner != "CM1" || d.Changes.Counts.Broken != 5000 || d.Changes.Counts.Recovered != 3 {
		t.Errorf("%+v", d)
	}
	if d.Subject != "cmreach: 5000 new failures, 3 recovered at PS1 (push) from CM1" {
		t.Errorf("subject %q", d.Subject)
	}
	if len(d.Changes.Broken) != maxItems || len(d.Causes) != 1 || len(d.Causes[0].Advice) != 3 || len(h.bodies[0]) > 64<<10 {
		t.Errorf("%d paths, %d causes, %d bytes", len(d.Changes.Broken), len(d.Causes), len(h.bodies[0]))
	}
	if b := d.Changes.Broken[0]; b.Host != hostile || b.State != "blocked" || b.Was != "open" {
		t.Errorf("%+v", b)
	}
}

// Slack: nobody's name calls the channel, and no block is longer than it may be.
func TestSlack(t *testing.T) {
	for _, n := range []int{1, 20, 5000} {
		var msg slackMessage
		body := slackBody(message(n))
		if err := json.Unmarshal(body, &msg); err != nil {
			t.Fatal(err)
		}
		if len(msg.Blocks) < 4 || len(msg.Blocks) > slackBlocks || msg.Text == "" {
			t.Errorf("%d blocks, text %q", len(msg.Blocks), msg.Text)
		}
		for i, b := range msg.Blocks {
			most := slackText
			if i == 0 {
				most = slackHead
			}
			if size := len([]rune(b.Text.Text)); size == 0 || size > most {
				t.Errorf("block %d has %d characters", i, size)
			}
			if b.Text.Type == "mrkdwn" && strings.ContainsAny(b.Text.Text, "<>\r\x1b") {
				t.Errorf("not escaped: %q", b.Text.Text)
			}
		}
		if all := string(body); !strings.Contains(all, "permit TCP 445") || !strings.Contains(all, "cmreach report -v run.jsonl") {
			t.Errorf("what to do is missing: %s", all)
		}
	}
	if s := string(slackBody(message(1))); !strings.Contains(s, `cmreach: 1 new blocked, 3 recovered at PS1 (push) from CM1`) {
		t.Error(s)
	}
	if s := string(slackBody(message(5000))); !strings.Contains(s, `more`) {
		t.Error("what is left out is not said")
	}
}

// Teams: a card of runs without Markdown, smaller than it may be.
func TestTeams(t *testing.T) {
	m := message(5000)
	for i := range m.Changes.Broken {
		m.Changes.Broken[i].Message = strings.Repeat("<ü\x01>", 400)
	}
	m.Changes.Recovered, m.Changes.Gone = m.Changes.Broken, m.Changes.Broken
	m.Changes.Counts.Recovered, m.Changes.Counts.Gone = 5000, 5000
	for _, m := range []*Message{message(1), message(5000), m} {
		body := teamsBody(m)
		var msg teamsMessage
		if err := json.Unmarshal(body, &msg); err != nil {
			t.Fatal(err)
		}
		if len(body) > teamsBytes {
			t.Errorf("%d bytes", len(body))
		}
		if msg.Type != "message" || len(msg.Attachments) != 1 || msg.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive" || !strings.Contains(string(body), `"contentUrl":null`) {
			t.Fatalf("%s", body)
		}
		for _, b := range msg.Attachments[0].Content.Body {
			if b.Type != "RichTextBlock" || len(b.Inlines) != 1 || b.Inlines[0].Type != "TextRun" || strings.ContainsAny(b.Inlines[0].Text, "\r\n\x1b") {
				t.Errorf("%+v", b)
			}
		}
	}
	big := len(teamsBody(m))
	if big < teamsBytes/2 {
		t.Errorf("the big one has %d bytes: it does not try the bound", big)
	}
}

func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		value string
		want  time.Duration
	}{{"", 0}, {"3", 3 * time.Second}, {"-3", 0}, {"x", 0}, {"99999999999999999999", 0}, {"Sat, 21 Nov 2026 09:00:00 GMT", 0}, {"Sat, 21 Nov 2026 10:01:00 GMT", time.Minute}} {
		if got := retryAfter(c.value, "Sat, 21 Nov 2026 10:00:00 GMT"); got != c.want {
			t.Errorf("%q: %v", c.value, got)
		}
	}
	if got := retryAfter("Sat, 21 Nov 2026 10:01:00 GMT", ""); got != 0 {
		t.Error(got)
	}
}

// One receiver that cannot be told takes nothing from the others.
func TestSeveral(t *testing.T) {
	h := &hook{}
	s := httptest.NewServer(h)
	defer s.Close()
	l := listen(t)
	gone := "http://" + l.Addr().String()
	_ = l.Close()
	err := tell(t.Context(), []Receiver{receiver(t, gone+key), receiver(t, s.URL+key), receiver(t, "syslog:///no/such/sEcReT")}, message(1), Options{Pause: func(context.Context, time.Duration) error { return nil }})
	if err == nil || len(h.bodies) != 1 {
		t.Fatalf("%v, %d", err, len(h.bodies))
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "could not notify "+gone+" after 3 tries: ") || !strings.HasPrefix(lines[1], "could not notify syslog:/// after 3 tries: ") || slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, "sEcReT") && strings.Contains(l, gone) }) {
		t.Errorf("%q", lines)
	}
}
