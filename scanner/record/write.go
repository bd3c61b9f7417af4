package record

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/jsontext"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// errWriterClosed is what every call after Close gets.
var errWriterClosed = errors.New("record: already closed")

// batchSize is how much of a record is gathered before it is handed over.
const batchSize = 64 << 10

// Writer writes a record. Hosts are gathered and handed to the underlying
// writer many at a time: when 64 KiB are there, at a header, a cause or the
// end, and when [Writer.Flush] says so. Each call there has whole lines and
// whole hosts alone. So a run that is killed leaves a record that can be read,
// without the hosts since the last call; whoever cannot spare those flushes now
// and then. It is not safe for use by several goroutines, and after the first
// error it only repeats it.
type Writer struct {
	w   io.Writer
	buf []byte
	who []byte // the host and the address of the messages that are being written
	err error
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// WriteHeader opens the record; it fills in the schema.
func (w *Writer) WriteHeader(h Header) error {
	h.Schema = Schema
	w.message(Message{Header: &h})
	return w.Flush()
}

// WriteProgress notes how far the run is.
func (w *Writer) WriteProgress(p Progress) error {
	w.message(Message{Progress: &p})
	return w.Flush()
}

// WriteHost writes all of one host: its paths, what was observed of it, and
// what that was found to mean. A host without a row has nothing to record.
// Findings that have the method AppendJSON([]byte) ([]byte, error) write
// themselves, as encoding/json would.
func WriteHost[F any](w *Writer, h scanner.Host, findings []F) error {
	if len(h.Rows) == 0 || w.err != nil {
		return w.err
	}
	before := len(w.buf)
	w.who = append(jsontext.String(append(w.who[:0], `"host":`...), h.Name), `,"addr":`...)
	w.who = jsontext.Addr(w.who, h.Addr)
	boundary, tags, addresses := h.Boundary, h.Tags, h.Addresses
	for _, row := range h.Rows {
		from := len(w.buf)
		w.buf = appendPath(w.buf, w.who, row.ID, boundary, tags, addresses)
		w.line(from, nil)
		boundary, tags, addresses = "", nil, 0
	}
	for i := range h.Observations {
		w.observation(&h.Observations[i])
	}
	for i := range findings {
		from := len(w.buf)
		b, err := appendFinding(w.buf, &findings[i])
		w.buf = b
		w.line(from, err)
	}
	switch {
	case w.err != nil: // the hosts before this one are whole
		_, _ = w.w.Write(w.buf[:before])
		w.buf = nil
	case len(w.buf) >= batchSize:
		return w.Flush()
	}
	return w.err
}

// appendFinding appends what is an opinion of another package.
func appendFinding(b []byte, f any) ([]byte, error) {
	b = append(b, `{"finding":`...)
	if a, ok := f.(appender); ok {
		out, err := a.AppendJSON(b)
		if err != nil {
			return b, err
		}
		return append(out, '}'), nil
	}
	raw, err := encode(f)
	return append(append(b, raw...), '}'), err
}

// WriteCause writes one cause. Causes follow the last host.
func WriteCause[C any](w *Writer, c C) error {
	raw, err := encode(c)
	if err != nil {
		w.fail(fmt.Errorf("record: encode cause: %w", err))
		return w.err
	}
	w.message(Message{Cause: raw})
	return w.Flush()
}

// WriteEnd closes the record: nothing may follow. It does not close the
// underlying writer.
func (w *Writer) WriteEnd(e End) error {
	w.message(Message{End: &e})
	err := w.Flush()
	if err == nil {
		w.err = errWriterClosed
	}
	return err
}

// observation writes an observation, without its details where a peer said
// more than a line can hold: a stranger's flood must not end the run.
func (w *Writer) observation(o *scanner.Observation) {
	from := len(w.buf)
	b, err := appendObservation(w.buf, w.who, o)
	if err == nil && len(b)-from > MaxLine {
		short := shortened(*o)
		b, err = appendObservation(b[:from], w.who, &short)
	}
	if err == nil {
		w.buf = b
	}
	w.line(from, err)
}

// shortened is an observation without what a talkative peer said.
func shortened(o scanner.Observation) scanner.Observation {
	dropped := len(o.Details) + len(o.Identity.Names) + len(o.Identity.Addrs)
	o.Identity = scanner.Identity{}
	o.Err = o.Err[:min(len(o.Err), 1024)]
	o.Details = []scanner.Detail{{
		Key:   "record",
		Value: strconv.Itoa(dropped) + " details and the identity left out: longer than a line of the record may be",
	}}
	return o
}

// message appends a message of which there are few.
func (w *Writer) message(m Message) {
	from := len(w.buf)
	b, err := encode(m)
	w.buf = append(w.buf, b...)
	w.line(from, err)
}

// line ends the message that begins at from. A host that cannot be written
// whole ends the record.
func (w *Writer) line(from int, err error) {
	n := len(w.buf) - from
	switch {
	case err != nil:
		w.fail(fmt.Errorf("record: encode a message: %w", err))
	case n > MaxLine:
		w.fail(fmt.Errorf("record: a message of %d bytes is longer than %d", n, MaxLine))
	default:
		w.buf = append(w.buf, '\n')
	}
}

func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// Flush hands over what was gathered, in one call.
func (w *Writer) Flush() error {
	if w.err != nil || len(w.buf) == 0 {
		return w.err
	}
	_, err := w.w.Write(w.buf)
	w.buf = w.buf[:0]
	if cap(w.buf) > MaxLine {
		w.buf = nil // one talkative host must not hold the memory for the rest of the run
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
