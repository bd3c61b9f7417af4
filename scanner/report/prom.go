package report

import (
	"bufio"
	"cmp"
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxPromBoundaries bounds the series that boundaries make. A site has tens of
// them; those beyond are counted together.
const maxPromBoundaries = 100

// otherBoundaries is the label of the boundaries beyond maxPromBoundaries.
const otherBoundaries = "(others)"

// Prom writes the run for Prometheus, as the textfile collector of its node
// exporter reads it ("Exposition formats", text-based format 0.0.4). How many
// series there are does not depend on the number of hosts, unless each host is
// asked for.
func Prom(w io.Writer, r *Run, hosts bool) error {
	p := promText{w: bufio.NewWriter(w), boundaries: r.promBoundaries()}
	counts, err := p.count(r)
	if err != nil {
		return err
	}
	p.aboutRun(r)
	p.paths(counts)
	p.hostsByClass(r)
	if hosts {
		if err := p.everyHost(r); err != nil {
			return err
		}
	}
	if err := p.w.Flush(); err != nil {
		return fmt.Errorf("write the metrics: %w", err)
	}
	return nil
}

// promText writes metrics. Write errors are kept by the writer until Flush.
type promText struct {
	w          *bufio.Writer
	boundaries []string // that have a label of their own
}

// promPart is what the paths of one family of series share.
type promPart struct {
	profile, requirement string
	required             bool
	boundary             string
}

func (r *Run) promBoundaries() []string {
	b := r.Header.Boundaries
	return b[:min(len(b), maxPromBoundaries)]
}

// boundary is the label of a named part of the network.
func (p *promText) boundary(name string) string {
	if name == "" || slices.Contains(p.boundaries, name) {
		return clean(name)
	}
	return otherBoundaries
}

// count counts the paths of the record. Labels are compared as they will be
// written, so that no two series can be the same.
func (p *promText) count(r *Run) (map[promPart]*verdict.Counts, error) {
	counts := map[promPart]*verdict.Counts{}
	for h, err := range r.Hosts() {
		if err != nil {
			return nil, err
		}
		for i := range h.Findings {
			f := &h.Findings[i]
			k := promPart{clean(f.Profile), clean(f.Requirement), f.Required, p.boundary(f.Boundary)}
			c := counts[k]
			if c == nil {
				c = &verdict.Counts{}
				counts[k] = c
			}
			st := f.State
			if st > verdict.Error {
				st = verdict.StateUnknown
			}
			c[st]++
		}
	}
	return counts, nil
}

// aboutRun says when the run was, how it ended, and how good it was.
func (p *promText) aboutRun(r *Run) {
	h, e := r.Header, r.End
	p.family("cmreach_info", "What was checked and by what; always 1.")
	p.sample("cmreach_info", 1,
		"version", h.Version, "vantage", string(h.Vantage), "site", h.Site, "engine", h.Engine, "scanner", h.Scanner)
	p.single("cmreach_run_start_timestamp_seconds", "When the check began, in seconds since 1970.", unix(h.Started))
	if !e.Finished.IsZero() { // else the record was cut, and nobody knows
		p.single("cmreach_run_timestamp_seconds", "When the check ended, in seconds since 1970.", unix(e.Finished))
		p.single("cmreach_run_duration_seconds", "How long the check took.", e.Finished.Sub(h.Started).Seconds())
	}
	complete := 0.0
	if r.Complete() {
		complete = 1
	}
	p.single("cmreach_run_complete", "1 when all of the plan was checked and recorded, 0 when the run was interrupted or cut.", complete)
	p.single("cmreach_exit_code", "The exit code of the check: 0 all open, 1 failed, 3 undecided, 4 this machine could not do it, 130 interrupted.", float64(r.Exit()))
	p.single("cmreach_targets", "Targets that the plan has.", float64(h.Targets))
	p.single("cmreach_sweep_packets", "Single packets that the check sent.", float64(e.Packets))
	p.single("cmreach_loss_ratio", "Estimated share of lost round trips, 0 to 1.", e.Loss)
	p.single("cmreach_doubt", "Expected number of paths that were falsely taken for silent.", e.Doubt)
}

// paths writes the counts of paths. The states open and blocked are there even
// when no path has them, so that a ratio and an alert always have a number.
func (p *promText) paths(counts map[promPart]*verdict.Counts) {
	parts := make([]promPart, 0, len(counts))
	for k := range counts {
		parts = append(parts, k)
	}
	slices.SortFunc(parts, func(a, b promPart) int {
		return cmp.Or(strings.Compare(a.profile, b.profile), strings.Compare(a.requirement, b.requirement),
			strings.Compare(a.boundary, b.boundary), strings.Compare(strconv.FormatBool(b.required), strconv.FormatBool(a.required)))
	})
	p.family("cmreach_paths", "Paths by what they turned out to be, for each row of the profiles and each boundary.")
	for _, k := range parts {
		for _, s := range append(slices.Clone(verdict.States), verdict.StateUnknown) {
			n := counts[k][s]
			if n == 0 && s != verdict.Open && s != verdict.Blocked {
				continue
			}
			p.sample("cmreach_paths", float64(n), "profile", k.profile, "requirement", k.requirement,
				"state", s.String(), "required", strconv.FormatBool(k.required), "boundary", k.boundary)
		}
	}
}

// promClasses are the classes of hosts, by the words of the JSON document.
var promClasses = []struct {
	word string
	of   func(hostsJSON) int
}{
	{"ready", func(h hostsJSON) int { return h.Ready }},
	{"failed", func(h hostsJSON) int { return h.Failed }},
	{"error", func(h hostsJSON) int { return h.Error }},
	{"undecided", func(h hostsJSON) int { return h.Undecided }},
	{"untested", func(h hostsJSON) int { return h.Untested }},
	{"optional", func(h hostsJSON) int { return h.Optional }},
	{"tolerated", func(h hostsJSON) int { return h.Tolerated }},
}

// hostsByClass counts the hosts, all classes for each boundary.
func (p *promText) hostsByClass(r *Run) {
	var names []string
	sums := map[string][]int{}
	add := func(name string, h hostsJSON) {
		have, ok := sums[name]
		if !ok {
			names, have = append(names, name), make([]int, len(promClasses))
			sums[name] = have
		}
		for i, c := range promClasses {
			have[i] += c.of(h)
		}
	}
	if all := r.boundaries(); all != nil {
		for _, b := range all {
			add(p.boundary(b.Name), hostsBy(b.Hosts, b.HostsBy))
		}
	} else {
		add("", hostsBy(r.Tally.Hosts, r.Tally.HostsBy))
	}
	p.family("cmreach_hosts", "Hosts (addresses) by the worst that their required paths met, for each boundary.")
	for _, name := range names {
		for i, c := range promClasses {
			p.sample("cmreach_hosts", float64(sums[name][i]), "class", c.word, "boundary", name)
		}
	}
}

// hostClassWords are the words for the class of one host, as promClasses has them.
var hostClassWords = map[verdict.Class]string{
	verdict.ClassPassed: "ready", verdict.ClassSatisfied: "ready", verdict.ClassFailed: "failed", verdict.ClassError: "error",
	verdict.ClassUndecided: "undecided", verdict.ClassUntested: "untested", verdict.ClassOptional: "optional",
	verdict.ClassTolerated: "tolerated",
}

// everyHost writes a series for each host. A host that the record has twice
// with the same class is there once.
func (p *promText) everyHost(r *Run) error {
	p.family("cmreach_host", "The class of each host (address); always 1.")
	type series struct{ host, addr, boundary, class string }
	have := map[series]bool{}
	for h, err := range r.Hosts() {
		if err != nil {
			return err
		}
		s := series{clean(h.Name), addrText(h.Host), p.boundary(h.Boundary), hostClassWords[r.Tally.HostClass(h.Findings)]}
		if have[s] {
			continue
		}
		have[s] = true
		p.sample("cmreach_host", 1, "host", s.host, "addr", s.addr, "boundary", s.boundary, "class", s.class)
	}
	return nil
}

// addrText is the address of a host, empty when its name has none.
func addrText(h scanner.Host) string {
	if !h.Addr.IsValid() {
		return ""
	}
	return h.Addr.String()
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// family begins the series of one name. All that cmreach counts may go down
// again: they are gauges.
func (p *promText) family(name, help string) {
	_, _ = fmt.Fprintf(p.w, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
}

// single is a family of one series without labels.
func (p *promText) single(name, help string, v float64) {
	p.family(name, help)
	p.sample(name, v)
}

// promEscape escapes a label value: backslash, quote and line feed.
var promEscape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// sample writes one series; labels are names and values in turn.
func (p *promText) sample(name string, v float64, labels ...string) {
	_, _ = p.w.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		sep := ","
		if i == 0 {
			sep = "{"
		}
		_, _ = p.w.WriteString(sep + labels[i] + `="` + promEscape.Replace(clean(labels[i+1])) + `"`)
	}
	if len(labels) > 0 {
		_ = p.w.WriteByte('}')
	}
	_, _ = p.w.WriteString(" " + strconv.FormatFloat(v, 'f', -1, 64) + "\n")
}
