package report

import (
	"bufio"
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/record"
	"cmreach/scanner/verdict"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// runJSON is the "run" of the JSON document.
type runJSON struct {
	Version     string                 `json:"version"`
	Scanner     string                 `json:"scanner"`
	Vantage     scanner.Role           `json:"vantage"`
	Site        string                 `json:"site,omitempty"`
	Profiles    []string               `json:"profiles"`
	Started     time.Time              `json:"started"`
	Finished    time.Time              `json:"finished,omitzero"`
	Complete    bool                   `json:"complete"` // all of the plan was checked and recorded
	Interrupted bool                   `json:"interrupted"`
	Error       string                 `json:"error,omitempty"`        // what ended the run early
	Targets     int                    `json:"targets"`                // planned
	TargetsDone int                    `json:"targets_done,omitempty"` // of these, recorded with one address at least
	Engine      string                 `json:"engine"`
	Depth       string                 `json:"depth"`
	Rate        string                 `json:"rate"`
	TimeoutMS   int64                  `json:"timeout_ms"`
	Rounds      int                    `json:"rounds"`
	Packets     uint64                 `json:"packets"`
	Loss        float64                `json:"loss"`
	Doubt       float64                `json:"doubt"`
	Silent      int                    `json:"silent"`
	Notes       []string               `json:"notes"`
	Rows        []*scanner.Requirement `json:"rows"`
	Merged      []record.Origin        `json:"merged,omitempty"`
	Unchecked   []record.Unchecked     `json:"unchecked,omitempty"`
	record.Hurdles
}

// summaryJSON is the "summary" of the JSON document.
type summaryJSON struct {
	Exit          int            `json:"exit"`
	Hosts         hostsJSON      `json:"hosts"`
	Paths         int            `json:"paths"`
	Classes       classesJSON    `json:"classes"`
	States        verdict.Counts `json:"states"`
	Required      verdict.Counts `json:"required"`
	Informational verdict.Counts `json:"informational"`
	Profiles      []partJSON     `json:"profiles"`
	Requirements  []partJSON     `json:"requirements"`
	Boundaries    []boundaryJSON `json:"boundaries,omitempty"` // of a site that names them; "" for hosts in none
	Coverage      []coverageJSON `json:"coverage,omitempty"`   // of a merged record
	FailOn        []measureJSON  `json:"fail_on,omitempty"`    // the limits of --fail-on
}

// measureJSON is what became of a limit of --fail-on.
type measureJSON struct {
	Limit    string        `json:"limit"` // "blocked>2%"
	State    verdict.State `json:"state"`
	Paths    int           `json:"paths"` // required paths in that state
	Of       int           `json:"of"`    // required paths that could be tested
	Exceeded bool          `json:"exceeded"`
	Message  string        `json:"message"`
}

func measuresJSON(t *verdict.Tally) []measureJSON {
	var out []measureJSON
	for _, m := range t.Measures() {
		out = append(out, measureJSON{m.Word, m.State, m.Paths, m.Of, m.Exceeded(), m.String()})
	}
	return out
}

// boundaryJSON counts the hosts of a named part of the network.
type boundaryJSON struct {
	Name  string    `json:"name"`
	Hosts hostsJSON `json:"hosts"`
}

// hostsJSON counts the addresses by the worst that each of them met.
type hostsJSON struct {
	Total     int `json:"total"`
	Ready     int `json:"ready"` // every required path that can be tested from here is open
	Failed    int `json:"failed"`
	Error     int `json:"error"`
	Undecided int `json:"undecided"`
	Untested  int `json:"untested"` // nothing required can be tested from here
	Optional  int `json:"optional"` // nothing is required

	Tolerated int `json:"tolerated,omitempty"` // what is not open is within the limits of --fail-on
}

// classesJSON counts paths by what they mean for the run.
type classesJSON struct {
	Passed    int `json:"passed"`
	Failed    int `json:"failed"`
	Error     int `json:"error"`
	Undecided int `json:"undecided"`
	Untested  int `json:"untested"`
	Satisfied int `json:"satisfied"`
	Optional  int `json:"optional"`
	Tolerated int `json:"tolerated,omitempty"` // by a limit of --fail-on
}

type partJSON struct {
	Name    string         `json:"name"`
	Paths   int            `json:"paths"`
	Classes classesJSON    `json:"classes"`
	States  verdict.Counts `json:"states"`
}

// JSON writes the run as one document, a finding a line. It needs no more
// memory than the causes and one host.
func JSON(w io.Writer, r *Run) error {
	d := document{w: bufio.NewWriter(w)}
	d.raw(`{"schema":`)
	d.value(record.Schema)
	d.raw(",\n\"run\":")
	d.value(r.runJSON())
	d.raw(",\n\"summary\":")
	d.value(r.summaryJSON())
	d.raw(",\n\"findings\":[")
	sep := "\n"
	for h, err := range r.Hosts() {
		if err != nil {
			return err
		}
		for _, f := range h.Findings {
			if f.Evidence == nil {
				f.Evidence = []string{}
			}
			d.raw(sep)
			d.finding(&f)
			sep = ",\n"
		}
	}
	d.raw("],\n\"causes\":[")
	sep = "\n"
	for _, c := range r.Causes {
		d.raw(sep)
		d.value(c)
		sep = ",\n"
	}
	d.raw("],\n\"advice\":")
	d.value(r.adviceJSON())
	d.changes(r)
	d.raw("}\n")
	return d.flush()
}

func (r *Run) runJSON() runJSON {
	h, e := r.Header, r.End
	return runJSON{
		Version: h.Version, Scanner: h.Scanner, Vantage: h.Vantage, Site: h.Site, Profiles: list(h.Profiles),
		Started: h.Started, Finished: e.Finished, Complete: r.Complete(), Interrupted: e.Interrupted, Error: e.Err,
		Targets: h.Targets, TargetsDone: e.Targets, Engine: h.Engine, Depth: h.Depth, Rate: h.Rate, TimeoutMS: h.Timeout.Milliseconds(),
		Rounds: h.Rounds, Packets: e.Packets, Loss: e.Loss, Doubt: e.Doubt, Silent: r.Silent,
		Notes: list(h.Notes), Rows: list(h.Rows), Merged: h.Merged,
		Unchecked: h.Unchecked, Hurdles: e.Hurdles,
	}
}

func (r *Run) summaryJSON() summaryJSON {
	t := r.Tally
	return summaryJSON{
		Exit:  r.Exit(),
		Hosts: hostsBy(t.Hosts, t.HostsBy),
		Paths: t.All.Total(), Classes: classesOf(t.All), States: t.All.States,
		Required: t.Required, Informational: t.Informational,
		Profiles: partsJSON(t.Profiles), Requirements: partsJSON(t.Requirements), Boundaries: r.boundariesJSON(), Coverage: r.coverageJSON(),
		FailOn: measuresJSON(t),
	}
}

func classesOf(p verdict.Part) classesJSON {
	c := p.Classes
	return classesJSON{
		Passed: c[verdict.ClassPassed], Failed: c[verdict.ClassFailed], Error: c[verdict.ClassError],
		Undecided: c[verdict.ClassUndecided], Untested: c[verdict.ClassUntested], Satisfied: c[verdict.ClassSatisfied],
		Optional: c[verdict.ClassOptional], Tolerated: c[verdict.ClassTolerated],
	}
}

func partsJSON(parts []verdict.Part) []partJSON {
	out := make([]partJSON, 0, len(parts))
	for _, p := range parts {
		out = append(out, partJSON{Name: p.Name, Paths: p.Total(), Classes: classesOf(p), States: p.States})
	}
	return out
}

// list makes an absent list an empty one, which is easier on scripts.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// document writes JSON piece by piece and keeps the first error.
type document struct {
	w   *bufio.Writer
	buf []byte
	err error
}

// finding writes a finding as value would. There are many.
func (d *document) finding(f *verdict.Finding) {
	b, err := f.AppendJSON(d.buf[:0])
	if err != nil && d.err == nil {
		d.err = fmt.Errorf("encode the report: %w", err)
	}
	if d.buf = b; d.err == nil {
		_, d.err = d.w.Write(b)
	}
}

func (d *document) raw(s string) {
	if d.err == nil {
		_, d.err = d.w.WriteString(s)
	}
}

func (d *document) value(v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil && d.err == nil {
		d.err = fmt.Errorf("encode the report: %w", err)
	}
	d.raw(string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))))
}

func (d *document) flush() error {
	if d.err == nil {
		d.err = d.w.Flush()
	}
	if d.err != nil {
		return fmt.Errorf("write the report: %w", d.err)
	}
	return nil
}
