package main

import (
	"cmreach/scanner"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// progress is the line on a terminal that says how far a run is.
type progress struct {
	w       io.Writer // nil: no terminal, or nobody wants it
	planned int
	before  int // of these were done before
	started time.Time
	shown   bool
}

// newProgress shows progress on standard error if that is a terminal.
func (p *program) newProgress(planned int, quiet bool) *progress {
	pr := &progress{planned: planned, started: time.Now()}
	if f, ok := p.stderr.(*os.File); ok && !quiet && term.IsTerminal(int(f.Fd())) {
		pr.w = f
	}
	return pr
}

func (pr *progress) show(ev scanner.Progress, done int) {
	if pr.w == nil {
		return
	}
	pr.shown = true
	fmt.Fprintf(pr.w, "\r\x1b[K%s", pr.line(ev, done, time.Since(pr.started)))
}

// line is the text of the progress after some time.
func (pr *progress) line(ev scanner.Progress, done int, after time.Duration) string {
	s := fmt.Sprintf("%d of %s, %d packets", done, count(pr.planned, "host"), ev.Packets)
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

// clear removes the line.
func (pr *progress) clear() {
	if pr.shown {
		fmt.Fprint(pr.w, "\r\x1b[K")
	}
}
