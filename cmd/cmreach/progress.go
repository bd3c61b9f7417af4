package main

import (
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// plainEvery is how often a line is written where there is no terminal.
const plainEvery = 10 * time.Second

// progress is the line on a terminal that says how far a run is, or lines in a
// log.
type progress struct {
	w       io.Writer // nil: nobody wants it
	columns func() int
	plain   bool // no terminal: a line now and then, which stays
	planned int
	before  int // of these were done before
	started time.Time
	shown   bool
	lined   time.Time // when the last line was written
	packets uint64    // at that time, or at the last look
	looked  time.Time
	rate    float64 // packets a second, lately
}

// newProgress shows progress on standard error: on one line if that is a
// terminal, and in lines that stay if it is none and they are asked for (-v).
func (p *program) newProgress(planned int, quiet, verbose bool) *progress {
	now := time.Now()
	pr := &progress{planned: planned, started: now, lined: now, looked: now}
	if quiet {
		return pr
	}
	f, ok := p.stderr.(*os.File)
	switch {
	case ok && term.IsTerminal(int(f.Fd())):
		pr.w, pr.columns = f, func() int {
			width, _, err := term.GetSize(int(f.Fd()))
			if err != nil {
				return 0
			}
			return width
		}
	case verbose:
		pr.w, pr.plain = p.stderr, true
	}
	return pr
}

// show is called with the progress, some times a second.
func (pr *progress) show(ev scanner.Progress, done int, t *verdict.Tally) {
	if pr.w == nil {
		return
	}
	pr.at(time.Now(), ev, done, t)
}

// at is show at some time.
func (pr *progress) at(now time.Time, ev scanner.Progress, done int, t *verdict.Tally) {
	pr.measure(now, ev.Packets)
	line := pr.line(ev, done, now.Sub(pr.started)) + soFar(t)
	switch {
	case !pr.plain:
		pr.shown = true
		width := 0
		if pr.columns != nil {
			width = pr.columns()
		}
		if width > 1 && len(line) >= width { // the rate and what is found tell more than what was sent
			line = strings.Replace(line, fmt.Sprintf(", %d packets", ev.Packets), "", 1)
			line = strings.Replace(line, "waiting for the last answers", "the last answers", 1)
		}
		fmt.Fprintf(pr.w, "\r\x1b[K%s", fitted(line, width))
	case now.Sub(pr.lined) >= plainEvery:
		pr.lined = now
		fmt.Fprintln(pr.w, line)
	}
}

// measure keeps the rate of the last second or so.
func (pr *progress) measure(now time.Time, packets uint64) {
	since := now.Sub(pr.looked)
	if since < time.Second || packets < pr.packets {
		return
	}
	pr.rate = float64(packets-pr.packets) / since.Seconds()
	pr.packets, pr.looked = packets, now
}

// line is the text of the progress after some time.
func (pr *progress) line(ev scanner.Progress, done int, after time.Duration) string {
	s := fmt.Sprintf("%d of %s, %d packets", done, count(pr.planned, "host"), ev.Packets)
	if pr.rate >= 1 {
		s += fmt.Sprintf(", %.0f/s", pr.rate)
	}
	if loss := ev.Stats.Loss(); loss > 0.001 {
		s += fmt.Sprintf(", %.1f%% loss", loss*100)
	}
	if done > pr.before && done < pr.planned {
		left := time.Duration(float64(after) / float64(done-pr.before) * float64(pr.planned-done))
		if left = left.Round(time.Second); left > 0 {
			s += fmt.Sprintf(", about %s left", left)
		} else {
			s += ", waiting for the last answers"
		}
	}
	return s
}

// soFar is how the hosts stand that are done; empty: none is.
func soFar(t *verdict.Tally) string {
	if t == nil || t.Hosts == 0 {
		return ""
	}
	by := t.HostsBy
	s := fmt.Sprintf("; ready %d", by[verdict.ClassPassed]+by[verdict.ClassSatisfied])
	for _, c := range []struct {
		word  string
		class verdict.Class
	}{{"not ready", verdict.ClassFailed}, {"not decided", verdict.ClassUndecided}, {"error", verdict.ClassError}} {
		if n := by[c.class]; n > 0 {
			s += fmt.Sprintf(", %s %d", c.word, n)
		}
	}
	return s
}

// fitted cuts a line to the width of the terminal less one column, where the
// cursor stays: a line that wraps cannot be written over. It is cut between its
// parts, as half a number is a wrong one. 0: not known.
func fitted(s string, width int) string {
	if width <= 1 || len(s) < width {
		return s
	}
	s = s[:width-1]
	if at := strings.LastIndexAny(s, ",;"); at > 0 {
		return s[:at]
	}
	return s
}

// clear removes the line.
func (pr *progress) clear() {
	if pr.shown {
		fmt.Fprint(pr.w, "\r\x1b[K")
	}
}
