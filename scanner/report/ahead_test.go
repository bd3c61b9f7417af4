package report_test

import (
	"bytes"
	"cmreach/scanner/report"
	"io"
	"sync/atomic"
	"testing"
)

// slow gives a record in small pieces, and notices who reads it when it is closed.
type slow struct {
	r      io.Reader
	closed atomic.Bool
	late   *atomic.Bool
}

func (s *slow) Read(p []byte) (int, error) {
	if s.closed.Load() {
		s.late.Store(true)
	}
	return s.r.Read(p[:min(len(p), 100)])
}

func (s *slow) Close() error {
	s.closed.Store(true)
	return nil
}

// A walk that is left lets go of its record, wherever it is left.
func TestLeavingAWalk(t *testing.T) {
	rec := runs()[0].record(t)
	var late atomic.Bool
	run, err := report.Load(func() (io.ReadCloser, error) {
		return &slow{r: bytes.NewReader(rec), late: &late}, nil
	}, report.Options{Judge: judge})
	if err != nil {
		t.Fatal(err)
	}
	for most := 1; most <= run.Tally.Hosts; most++ {
		n := 0
		for _, err := range run.Hosts() {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == most {
				break
			}
		}
		if n != most {
			t.Errorf("%d hosts, want %d", n, most)
		}
	}
	if late.Load() {
		t.Error("a record was read after it was closed")
	}
}
