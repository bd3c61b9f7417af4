package record

import (
	"bytes"
	"cmreach/scanner"
	"fmt"
	"unicode/utf8"
)

// What a run reports while it goes on must be what its record gives later. A
// record holds no reading of the monotonic clock, no bytes that are no UTF-8,
// and no line without an end.

// HeaderAsRead is the header as it will be read from the record.
func HeaderAsRead(h Header) (Header, error) {
	h.Schema = Schema
	b, err := encode(Message{Header: &h})
	if err != nil {
		return h, fmt.Errorf("record: encode a message: %w", err)
	}
	m, err := decode(b, 1)
	if err != nil {
		return h, syntax(1, err)
	}
	return *m.Header, nil
}

// EndAsRead is the end as it will be read from the record.
func EndAsRead(e End) (End, error) {
	b, err := encode(Message{End: &e})
	if err != nil {
		return e, fmt.Errorf("record: encode a message: %w", err)
	}
	m, err := decode(b, 2)
	if err != nil {
		return e, syntax(2, err)
	}
	return *m.End, nil
}

// AsRead makes a host what will be read of it from the record. Almost every one
// is so already.
func AsRead(h *scanner.Host) error {
	same := utf8.ValidString(h.Name) && utf8.ValidString(h.Boundary)
	for _, d := range h.Tags {
		same = same && utf8.ValidString(d.Key) && utf8.ValidString(d.Value)
	}
	for i := range h.Observations {
		o := &h.Observations[i]
		o.Sent = o.Sent.Round(0) // without the monotonic clock
		o.Identity.Clock = o.Identity.Clock.Round(0)
		same = same && readsTheSame(o)
	}
	if same {
		return nil
	}
	return reread(h)
}

// readsTheSame reports whether an observation is read as it was written: its
// texts are UTF-8, and short enough for a line even if each byte is escaped.
func readsTheSame(o *scanner.Observation) bool {
	size := 0
	ok := func(s string) bool {
		size += len(s) + 32 // names and commas
		return utf8.ValidString(s)
	}
	same := o.FarEnd == nil && ok(o.Rationed.Zone()) && ok(o.Probe) && ok(o.Asked) && ok(o.Err)
	if !o.Identity.IsZero() {
		id := &o.Identity
		same = same && ok(id.Computer) && ok(id.Domain) && ok(id.DNSName) && ok(id.DNSDomain) && ok(id.OS) && ok(id.ServerID)
		for _, n := range id.Names {
			same = same && ok(n)
		}
		for _, a := range id.Addrs {
			same = same && ok(a.Zone())
			size += 64
		}
	}
	for i := range o.Details {
		same = same && ok(o.Details[i].Key) && ok(o.Details[i].Value)
	}
	return same && size < MaxLine/8
}

// reread writes a host and reads it again. Its rows are the same values as
// before.
func reread(h *scanner.Host) error {
	var b bytes.Buffer
	w := NewWriter(&b)
	if err := w.WriteHeader(Header{}); err != nil {
		return err
	}
	if err := WriteHost[struct{}](w, *h, nil); err != nil {
		return err
	}
	if err := w.WriteEnd(End{}); err != nil {
		return err
	}
	p, err := Open(&b)
	if err != nil {
		return err
	}
	for _, row := range h.Rows {
		p.rows[row.ID] = row
	}
	for e, err := range p.Hosts() {
		if err != nil {
			return err
		}
		h.Name, h.Boundary, h.Tags, h.Observations = e.Host.Name, e.Host.Boundary, e.Host.Tags, e.Host.Observations
	}
	return nil
}
