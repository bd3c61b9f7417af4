package notify

import (
	"bytes"
	"cmreach/scanner/cause"
	"cmreach/scanner/history"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// What the receivers of webhooks take at the most.
const (
	slackText   = 3000  // characters of a section
	slackHead   = 150   // of a header
	slackBlocks = 50    // of a message
	teamsBytes  = 28000 // of a whole message, which may have 28 KB
)

func checkWeb(u *url.URL) error {
	if u.Host == "" || u.Hostname() == "" {
		return errors.New("names no host: write " + u.Scheme + "://HOST/PATH")
	}
	return nil
}

// post sends a document to a webhook. It is followed nowhere else: another host
// has no business with it.
func (r Receiver) post(ctx context.Context, body []byte, roots *x509.CertPool) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url.String(), bytes.NewReader(body))
	if err != nil {
		return finalError{errors.New("the URL cannot be asked for")}
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "cmreach")
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: tlsFor("", roots), ForceAttemptHTTP2: true, DisableKeepAlives: true}
	c := http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer t.CloseIdleConnections()
	resp, err := c.Do(req)
	if err != nil {
		return err //nolint:wrapcheck // see why
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.CopyN(io.Discard, resp.Body, 1<<16) // what it says may hold the URL
	return answered(resp)
}

// answered tells what the status means for another try.
func answered(resp *http.Response) error {
	err := fmt.Errorf("it answers with status %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		return laterError{err, retryAfter(resp.Header.Get("Retry-After"), resp.Header.Get("Date"))}
	case code >= 300 && code < 400:
		return finalError{fmt.Errorf("%w: it points elsewhere, which is not followed: give the URL itself", err)}
	default:
		return finalError{fmt.Errorf("%w: check the URL and its key", err)}
	}
}

// retryAfter is seconds, or a time to be compared with the server's own clock;
// 0: it does not say.
func retryAfter(value, date string) time.Duration {
	if s, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	at, err := http.ParseTime(value)
	now, errNow := http.ParseTime(date)
	if err != nil || errNow != nil {
		return 0
	}
	return max(0, at.Sub(now))
}

// document is the body of a generic webhook. The field names are a contract.
type document struct {
	Schema  string           `json:"schema"`
	Kind    string           `json:"kind"` // "notification"
	Subject string           `json:"subject"`
	Text    string           `json:"text"`
	Exit    int              `json:"exit"`
	Run     runDocument      `json:"run"`
	Counts  countsDocument   `json:"counts"`
	Changes *history.Changes `json:"changes,omitempty"` // the lists are cut, their counts are of all
	Diff    *diffDocument    `json:"diff,omitempty"`    // likewise
	Records []report.DiffRun `json:"records,omitempty"` // the files that it is of; of a comparison the old and the new one
	Causes  []causeDocument  `json:"causes"`            // the first ones
	More    string           `json:"more,omitempty"`    // a command
}

type runDocument struct {
	Version  string    `json:"version"`
	Scanner  string    `json:"scanner"`
	Vantage  string    `json:"vantage"`
	Site     string    `json:"site,omitempty"`
	Profiles []string  `json:"profiles"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished,omitzero"`
	Complete bool      `json:"complete"`
	Error    string    `json:"error,omitempty"`
}

type countsDocument struct {
	Hosts       int            `json:"hosts"`
	HostsFailed int            `json:"hosts_failed"`
	Paths       int            `json:"paths"`
	States      verdict.Counts `json:"states"`
	Causes      int            `json:"causes"`
}

// diffDocument is the comparison of two records.
type diffDocument struct {
	Counts  history.DiffCounts `json:"counts"`
	Worse   []history.Item     `json:"worse"`
	Better  []history.Item     `json:"better"`
	Unclear []history.Item     `json:"unclear"`
	Gone    []history.Item     `json:"gone"`
	Added   []history.Item     `json:"added"`
}

type causeDocument struct {
	ID           string        `json:"id"`
	State        verdict.State `json:"state"`
	Reason       string        `json:"reason"`
	Requirements []string      `json:"requirements"`
	Paths        int           `json:"paths"`
	Hosts        int           `json:"hosts"`
	Message      string        `json:"message"`
	Advice       []string      `json:"advice"`
}

func webhookBody(m *Message) []byte {
	h, t := m.Run.Header, m.Run.Tally
	d := document{
		Schema: record.Schema, Kind: "notification", Subject: m.Subject(), Text: m.text(), Exit: m.Exit, More: m.More,
		Run: runDocument{
			Version: h.Version, Scanner: h.Scanner, Vantage: string(h.Vantage), Site: h.Site, Profiles: h.Profiles, Started: h.Started,
			Finished: m.Run.End.Finished, Complete: m.Run.Complete(), Error: m.Run.End.Err,
		},
		Counts: countsDocument{
			Hosts: t.Hosts, HostsFailed: t.HostsBy[verdict.ClassFailed], Paths: t.All.Total(), States: t.All.States, Causes: len(m.Run.Causes),
		},
		Causes: []causeDocument{}, Records: m.Records,
	}
	for _, c := range m.Run.Causes[:min(len(m.Run.Causes), maxItems)] {
		d.Causes = append(d.Causes, shortCause(c))
	}
	if m.Changes != nil {
		c := *m.Changes
		for _, l := range []*[]history.Item{&c.Broken, &c.Recovered, &c.Still, &c.Flapping, &c.Gone, &c.Added} {
			*l = firstItems(*l)
		}
		d.Changes = &c
	}
	if c := m.Diff; c != nil {
		d.Diff = &diffDocument{c.Counts, firstItems(c.Worse), firstItems(c.Better), firstItems(c.Unclear), firstItems(c.Gone), firstItems(c.Added)}
	}
	return marshal(d)
}

// firstItems are as many as a message has room for; none is [] and not null.
func firstItems(list []history.Item) []history.Item {
	return append([]history.Item{}, list[:min(len(list), maxItems)]...)
}

func shortCause(c cause.Cause) causeDocument {
	return causeDocument{c.ID, c.State, c.Reason, c.Requirements, c.Paths, c.Hosts, c.Message, append([]string{}, c.Advice[:min(len(c.Advice), 3)]...)}
}

// marshal writes what cannot fail: there are words and numbers only.
func marshal[T any](v T) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte(`{}`)
	}
	return b
}

// slackMessage is what an incoming webhook of Slack takes: Block Kit.
type slackMessage struct {
	Text   string       `json:"text"` // of the notification on the screen
	Blocks []slackBlock `json:"blocks"`
}

type slackBlock struct {
	Type string    `json:"type"`
	Text slackPart `json:"text"`
}

type slackPart struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Verbatim bool   `json:"verbatim,omitempty"` // names of channels and URLs are no links
}

// slackEscape takes what has a meaning in mrkdwn: of the three characters all
// mentions and links are made.
var slackEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func slackBody(m *Message) []byte {
	subject := m.Subject()
	msg := slackMessage{Text: slackEscape.Replace(subject)}
	msg.Blocks = append(msg.Blocks, slackBlock{"header", slackPart{Type: "plain_text", Text: cut(subject, slackHead)}})
	for _, s := range m.sections() {
		if len(msg.Blocks) == slackBlocks {
			break
		}
		text := "*" + slackEscape.Replace(s.title) + "*"
		for i, l := range s.lines {
			l = "\n" + slackEscape.Replace(l)
			rest := fmt.Sprintf("\nand %d lines more", len(s.lines)-i)
			if len([]rune(text+l))+len(rest) > slackText {
				text += rest
				break
			}
			text += l
		}
		msg.Blocks = append(msg.Blocks, slackBlock{"section", slackPart{Type: "mrkdwn", Text: text, Verbatim: true}})
	}
	return marshal(msg)
}

// teamsMessage is what a Workflows webhook of Teams takes: a message with an
// Adaptive Card. Its text is in runs, which have no Markdown: nobody's host
// name becomes a link.
type teamsMessage struct {
	Type        string            `json:"type"`
	Attachments []teamsAttachment `json:"attachments"`
}

type teamsAttachment struct {
	ContentType string  `json:"contentType"`
	ContentURL  *string `json:"contentUrl"`
	Content     card    `json:"content"`
}

type card struct {
	Schema  string     `json:"$schema"`
	Type    string     `json:"type"`
	Version string     `json:"version"`
	Body    []richText `json:"body"`
	Teams   cardTeams  `json:"msteams"`
}

type cardTeams struct {
	Width string `json:"width"`
}

type richText struct {
	Type    string    `json:"type"`
	Spacing string    `json:"spacing,omitempty"`
	Inlines []textRun `json:"inlines"`
}

type textRun struct {
	Type   string `json:"type"`
	Text   string `json:"text"`
	Weight string `json:"weight,omitempty"`
	Size   string `json:"size,omitempty"`
}

func teamsBody(m *Message) []byte {
	c := card{Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.4", Teams: cardTeams{"Full"}}
	add := func(spacing string, run textRun) {
		run.Type = "TextRun"
		c.Body = append(c.Body, richText{"RichTextBlock", spacing, []textRun{run}})
	}
	build := func() []byte {
		return marshal(teamsMessage{"message", []teamsAttachment{{ContentType: "application/vnd.microsoft.card.adaptive", Content: c}}})
	}
	add("", textRun{Text: m.Subject(), Weight: "Bolder", Size: "Medium"})
	size := len(build())
	for _, s := range m.sections() {
		add("Medium", textRun{Text: s.title, Weight: "Bolder"})
		size += len(marshal(c.Body[len(c.Body)-1])) + 1
		for _, l := range s.lines {
			block := richText{"RichTextBlock", "None", []textRun{{Type: "TextRun", Text: l}}}
			if size += len(marshal(block)) + 1; size > teamsBytes-500 { // room for what follows
				add("Medium", textRun{Text: "There is more: " + cut(m.More, 200)})
				return build()
			}
			c.Body = append(c.Body, block)
		}
	}
	return build()
}
