package record

import (
	"bytes"
	"cmreach/scanner"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// errWriterClosed is what every call after Close gets.
var errWriterClosed = errors.New("record: already closed")

// Writer writes a record. Whatever belongs together (the header, one host,
// one cause) reaches the underlying writer in a single call, so a run that is
// killed leaves whole lines, except perhaps the last one. It is not safe for
// use by several goroutines, and after the first error it only repeats it.
type Writer struct {
	w   io.Writer
	buf bytes.Buffer
	err error
}

// NewWriter returns a Writer to w. It does not buffer across calls.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// WriteHeader opens the record; it fills in the schema.
func (w *Writer) WriteHeader(h Header) error {
	h.Schema = Schema
	w.line(Message{Header: &h})
	return w.flush()
}

// WriteProgress notes how far the run is.
func (w *Writer) WriteProgress(p Progress) error {
	w.line(Message{Progress: &p})
	return w.flush()
}

// WriteHost writes all of one host: its paths, what was observed of it, and
// what that was found to mean. A host without a row has nothing to record.
func WriteHost[F any](w *Writer, h scanner.Host, findings []F) error {
	if len(h.Rows) == 0 {
		return w.err
	}
	boundary, tags, addresses := h.Boundary, h.Tags, h.Addresses
	for _, row := range h.Rows {
		w.line(Message{Path: &Path{Host: h.Name, Addr: h.Addr, Requirement: row.ID, Boundary: boundary, Tags: tags, Addresses: addresses}})
		boundary, tags, addresses = "", nil, 0
	}
	for _, o := range h.Observations {
		w.observation(Observation{Host: h.Name, Addr: h.Addr, Observation: o})
	}
	for _, f := range findings {
		w.line(Message{Finding: w.raw("finding", f)})
	}
	return w.flush()
}

// WriteCause writes one cause. Causes follow the last host.
func WriteCause[C any](w *Writer, c C) error {
	w.line(Message{Cause: w.raw("cause", c)})
	return w.flush()
}

// WriteEnd closes the record: nothing may follow. It does not close the
// underlying writer.
func (w *Writer) WriteEnd(e End) error {
	w.line(Message{End: &e})
	err := w.flush()
	if err == nil {
		w.err = errWriterClosed
	}
	return err
}

// raw encodes a value that another package defines.
func (w *Writer) raw(kind string, v any) json.RawMessage {
	b, err := encode(v)
	if err != nil {
		w.fail(fmt.Errorf("record: encode %s: %w", kind, err))
		return json.RawMessage("null")
	}
	return b
}

// observation writes an observation, without its details where a peer said
// more than a line can hold: a stranger's flood must not end the run.
func (w *Writer) observation(o Observation) {
	b, err := encode(Message{Observation: &o})
	if err == nil && len(b) > MaxLine {
		dropped := len(o.Details) + len(o.Identity.Names) + len(o.Identity.Addrs)
		o.Identity = scanner.Identity{}
		o.Err = o.Err[:min(len(o.Err), 1024)]
		o.Details = []scanner.Detail{{
			Key:   "record",
			Value: strconv.Itoa(dropped) + " details and the identity left out: longer than a line of the record may be",
		}}
		b, err = encode(Message{Observation: &o})
	}
	w.add(b, err)
}

// line appends one message to what the next flush writes.
func (w *Writer) line(m Message) {
	b, err := encode(m)
	w.add(b, err)
}

func (w *Writer) add(b []byte, err error) {
	switch {
	case err != nil:
		w.fail(fmt.Errorf("record: encode a message: %w", err))
	case len(b) > MaxLine:
		w.fail(fmt.Errorf("record: a message of %d bytes is longer than %d", len(b), MaxLine))
	case w.err == nil:
		w.buf.Write(b)
		w.buf.WriteByte('\n')
	}
}

func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// flush hands over whole lines in one call.
func (w *Writer) flush() error {
	if w.err != nil {
		return w.err
	}
	_, err := w.w.Write(w.buf.Bytes())
	w.buf.Reset()
	if w.buf.Cap() > MaxLine {
		w.buf = bytes.Buffer{} // one talkative host must not hold the memory for the rest of the run
	}
	if err != nil {
		w.err = fmt.Errorf("record: write: %w", err)
	}
	return w.err
}

// encode is json.Marshal without the escapes for HTML, which make messages
// hard to read.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
