package main

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"strings"
	"testing"
	"time"
)

func TestProgressLine(t *testing.T) {
	for _, tt := range []struct {
		name    string
		planned int
		ev      scanner.Progress
		hosts   int
		after   time.Duration
		want    string
	}{
		{"nothing yet", 200, scanner.Progress{Packets: 12}, 0, time.Second, "0 of 200 hosts, 12 packets"},
		{"a quarter", 200, scanner.Progress{Hosts: 50, Packets: 900}, 50, 10 * time.Second, "50 of 200 hosts, 900 packets, about 30s left"},
		{"the tail", 200, scanner.Progress{Hosts: 199, Packets: 2000}, 199, 10 * time.Second, "199 of 200 hosts, 2000 packets, waiting for the last answers"},
		{"done", 1, scanner.Progress{Hosts: 1, Packets: 5}, 1, time.Second, "1 of 1 host, 5 packets"},
		{"names with two addresses", 200, scanner.Progress{Hosts: 216, Packets: 5000}, 150, time.Minute, "150 of 200 hosts, 5000 packets, about 20s left"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pr := &progress{planned: tt.planned}
			if got := pr.line(tt.ev, tt.hosts, tt.after); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestProgressIsForTerminals: what is no terminal gets no line, and nothing is
// cleared that was not shown.
func TestProgressIsForTerminals(t *testing.T) {
	var errs bytes.Buffer
	p := &program{stderr: &errs}
	pr := p.newProgress(10, false, false)
	pr.show(scanner.Progress{Hosts: 1}, 1, nil)
	pr.clear()
	if errs.Len() > 0 {
		t.Errorf("wrote %q", &errs)
	}
	pr.w = &errs
	pr.clear()
	if errs.Len() > 0 {
		t.Errorf("cleared a line that was not there: %q", &errs)
	}
	pr.show(scanner.Progress{Hosts: 1, Packets: 3}, 1, nil)
	pr.clear()
	if got := errs.String(); got[:4] != "\r\x1b[K" || got[len(got)-4:] != "\r\x1b[K" {
		t.Errorf("wrote %q", got)
	}
}

// tallied is a tally of hosts with one path each.
func tallied(states ...verdict.State) *verdict.Tally {
	t := verdict.NewTally(verdict.DefaultFail)
	for _, s := range states {
		t.AddHost([]verdict.Finding{{Requirement: "push/smb", Required: true, State: s}})
	}
	return t
}

// With -v there are lines that stay, one in ten seconds; with -q there is none.
func TestProgressInALog(t *testing.T) {
	var errs bytes.Buffer
	p := &program{stderr: &errs}
	pr := p.newProgress(200, false, true)
	start := pr.started
	tally := tallied(verdict.Open, verdict.Open, verdict.Blocked, verdict.Down, verdict.Error)
	for i := range 100 { // 25 seconds, four times a second
		now := start.Add(time.Duration(i+1) * 250 * time.Millisecond)
		pr.at(now, scanner.Progress{Packets: uint64(i+1) * 25}, i, tally)
	}
	pr.clear()
	want := "39 of 200 hosts, 1000 packets, 100/s, about 41s left; ready 2, not ready 1, not decided 1, error 1\n" +
		"79 of 200 hosts, 2000 packets, 100/s, about 31s left; ready 2, not ready 1, not decided 1, error 1\n"
	if got := errs.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	errs.Reset()
	pr = p.newProgress(200, true, true)
	pr.show(scanner.Progress{}, 1, tally)
	if errs.Len() > 0 {
		t.Errorf("with -q: %q", &errs)
	}
}

// The line is never wider than the terminal, keeps its last column free, and has
// no half number: what was sent goes first.
func TestProgressFits(t *testing.T) {
	for _, tt := range []struct {
		columns int
		want    string
	}{
		{0, "50 of 200 hosts, 1000 packets, 5/s, waiting for the last answers; ready 1, not ready 1"},
		{200, "50 of 200 hosts, 1000 packets, 5/s, waiting for the last answers; ready 1, not ready 1"},
		{80, "50 of 200 hosts, 5/s, the last answers; ready 1, not ready 1"},
		{61, "50 of 200 hosts, 5/s, the last answers; ready 1, not ready 1"},
		{60, "50 of 200 hosts, 5/s, the last answers; ready 1"},
		{20, "50 of 200 hosts"},
		{10, "50 of 200"},
		{2, "5"},
	} {
		var out bytes.Buffer
		pr := &progress{w: &out, columns: func() int { return tt.columns }, planned: 200, rate: 5}
		pr.at(pr.started, scanner.Progress{Packets: 1000}, 50, tallied(verdict.Open, verdict.Blocked))
		if got := strings.TrimPrefix(out.String(), "\r\x1b[K"); got != tt.want {
			t.Errorf("%d columns: %q, want %q", tt.columns, got, tt.want)
		}
	}
}
