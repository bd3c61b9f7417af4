package main

import (
	"bytes"
	"cmreach/scanner"
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
	pr := p.newProgress(10, false)
	pr.show(scanner.Progress{Hosts: 1}, 1)
	pr.clear()
	if errs.Len() > 0 {
		t.Errorf("wrote %q", &errs)
	}
	pr.w = &errs
	pr.clear()
	if errs.Len() > 0 {
		t.Errorf("cleared a line that was not there: %q", &errs)
	}
	pr.show(scanner.Progress{Hosts: 1, Packets: 3}, 1)
	pr.clear()
	if got := errs.String(); got[:4] != "\r\x1b[K" || got[len(got)-4:] != "\r\x1b[K" {
		t.Errorf("wrote %q", got)
	}
}
