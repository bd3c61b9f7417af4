package report

import (
	"cmreach/scanner/record"
	"io"
)

// JSONL writes the run as a record again, with the findings and causes as they
// were judged now and without progress. A record that was cut stays one
// without an end.
func JSONL(w io.Writer, r *Run) error {
	out := record.NewWriter(w)
	if err := out.WriteHeader(r.Header); err != nil {
		return err
	}
	for h, err := range r.Hosts() {
		if err != nil {
			return err
		}
		if err := record.WriteHost(out, h.Host, h.Findings); err != nil {
			return err
		}
	}
	if r.Truncated != nil {
		return out.Flush()
	}
	for _, c := range r.Causes {
		if err := record.WriteCause(out, c); err != nil {
			return err
		}
	}
	end := r.End
	end.Exit = r.Exit()
	return out.WriteEnd(end)
}
