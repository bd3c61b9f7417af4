package record_test

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/record"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// counter counts the calls and fails after some of them.
type counter struct {
	bytes.Buffer
	calls, fail int
}

func (c *counter) Write(p []byte) (int, error) {
	c.calls++
	if c.calls == c.fail {
		return 0, errors.New("disk full")
	}
	return c.Buffer.Write(p)
}

// Hosts are gathered; what reaches the file is whole hosts, after 64 KiB at the
// latest and whenever it is asked for.
func TestHostsAreWrittenInBatches(t *testing.T) {
	c := &counter{}
	w := record.NewWriter(c)
	if err := w.WriteHeader(header()); err != nil {
		t.Fatal(err)
	}
	const n = 1000
	for i := range n {
		before := c.Len()
		h := hosts()[0]
		h.Name = fmt.Sprintf("pc-%d", i)
		if err := record.WriteHost(w, h, []opinion{{}, {}}); err != nil {
			t.Fatal(err)
		}
		if got := c.Len() - before; got > 80<<10 {
			t.Errorf("%d bytes were gathered", got)
		}
		if c.Len() == before {
			continue
		}
		if r := replay(c.Bytes()); r.err != nil || len(r.hosts) != i+1 || r.cut.LostBytes > 0 || r.cut.LostHost != "" {
			t.Fatalf("after host %d: %d hosts, %v, %+v", i, len(r.hosts), r.err, r.cut)
		}
	}
	if c.calls < 5 || c.calls > n/20 {
		t.Errorf("%d calls for %d hosts", c.calls, n)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if r := replay(c.Bytes()); len(r.hosts) != n {
		t.Errorf("%d hosts after Flush, want %d", len(r.hosts), n)
	}
	calls := c.calls
	if err := w.Flush(); err != nil || c.calls != calls {
		t.Errorf("an empty Flush: %v, %d calls", err, c.calls-calls)
	}
}

// A host that cannot be written ends the record, but not at the cost of those
// before it.
func TestHostThatCannotBeWritten(t *testing.T) {
	c := &counter{}
	w := record.NewWriter(c)
	bad := hosts()[1]
	bad.Observations[0].Sent = time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := errors.Join(w.WriteHeader(header()), record.WriteHost(w, hosts()[0], []opinion{{}, {}})); err != nil {
		t.Fatal(err)
	}
	if err := record.WriteHost(w, bad, []opinion{{}}); err == nil {
		t.Error("a year of five digits was written")
	}
	if err := record.WriteHost(w, hosts()[0], []opinion{{}, {}}); err == nil {
		t.Error("the record went on after an error")
	}
	if r := replay(c.Bytes()); r.err != nil || len(r.hosts) != 1 || r.cut == nil || r.cut.LostHost != "" {
		t.Errorf("%v, %d hosts, %+v", r.err, len(r.hosts), r.cut)
	}
}

func TestWriteErrorSticks(t *testing.T) {
	c := &counter{fail: 2}
	w := record.NewWriter(c)
	err := w.WriteHeader(header())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err := errors.Join(record.WriteHost(w, hosts()[0], []opinion{{}}), w.Flush())
		if err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("error %v", err)
		}
	}
	if c.calls != 2 {
		t.Errorf("%d writes after an error, want none", c.calls-2)
	}
}

func TestNothingAfterTheEnd(t *testing.T) {
	w := record.NewWriter(&bytes.Buffer{})
	if err := errors.Join(w.WriteHeader(header()), w.WriteEnd(record.End{})); err != nil {
		t.Fatal(err)
	}
	if err := record.WriteHost(w, hosts()[0], []opinion{{}}); err == nil {
		t.Error("a host was written after the end")
	}
}

// A peer that says more than a line holds must not end the run.
func TestTalkativePeer(t *testing.T) {
	h := hosts()[0]
	for i := range 3000 {
		h.Observations[1].Details = append(h.Observations[1].Details, scanner.Detail{Key: fmt.Sprint(i), Value: strings.Repeat("x", 1000)})
	}
	var b bytes.Buffer
	w := record.NewWriter(&b)
	if err := errors.Join(w.WriteHeader(header()), record.WriteHost(w, h, []opinion{{}, {}}), w.WriteEnd(record.End{})); err != nil {
		t.Fatal(err)
	}
	r := replay(b.Bytes())
	if r.err != nil || len(r.hosts) != 1 {
		t.Fatal(r.err, len(r.hosts))
	}
	o := r.hosts[0].Observations[1]
	if len(o.Details) != 1 || !strings.HasPrefix(o.Details[0].Value, "3003 details") || o.Outcome != scanner.Spoke || o.Proof != scanner.AssuranceRole {
		t.Errorf("observation %+v", o)
	}
}
