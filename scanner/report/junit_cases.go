package report

import (
	"cmp"
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Granularity is what a JUnit report has a case for.
type Granularity uint8

// The granularities. GranularityAuto is the finest one that readers can bear.
const (
	GranularityAuto  Granularity = iota
	GranularityCheck             // a case for each path
	GranularityHost              // a case for each host and profile
	GranularityCause             // a case for each cause, and one for each row
)

// Granularities are the words for them.
var Granularities = []string{"auto", "check", "host", "cause"}

func (g Granularity) String() string { return Granularities[min(int(g), len(Granularities)-1)] }

// ParseGranularity reads the word.
func ParseGranularity(w string) (Granularity, error) {
	i := slices.Index(Granularities, w)
	if i < 0 {
		return GranularityAuto, errors.New("unknown granularity (known: " + strings.Join(Granularities, ", ") + ")")
	}
	return Granularity(i), nil //nolint:gosec // there are four
}

// Up to where GranularityAuto goes into detail: in cases that people look
// through, and in cases that a file, and all files of a job, may have.
const (
	autoChecks      = 5_000
	autoHosts       = 50_000
	autoHostsFolder = 200_000
)

// of resolves GranularityAuto for a run that goes to one file or to several.
func (g Granularity) of(r *Run, folder bool) Granularity {
	most := autoHosts
	if folder {
		most = autoHostsFolder
	}
	switch {
	case g != GranularityAuto:
		return g
	case r.Tally.All.Total() <= autoChecks:
		return GranularityCheck
	case r.Tally.Hosts*len(r.Tally.Profiles) <= most:
		return GranularityHost
	default:
		return GranularityCause
	}
}

// each gives the cases of a profile to write, until that fails.
func (j *junit) each(profile string, write func(*junitCase) error) error {
	if j.grain == GranularityCause {
		for _, c := range j.causeCases(profile) {
			if err := write(&c); err != nil {
				return err
			}
		}
		return nil
	}
	var seen names
	var own []verdict.Finding
	for h, err := range j.r.Hosts() {
		if err != nil {
			return err
		}
		seen.begin(&h.Host)
		own = own[:0]
		for _, f := range h.Findings {
			if f.Profile == profile {
				own = append(own, f)
			}
		}
		if j.grain == GranularityHost {
			if len(own) > 0 {
				err = write(j.hostCase(&seen, profile, &h.Host, own))
			}
		} else {
			for i := range own {
				if err == nil {
					err = write(j.pathCase(&seen, h.Observations, own[i]))
				}
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pathCase is the case of one finding.
func (j *junit) pathCase(seen *names, observations []scanner.Observation, f verdict.Finding) *junitCase {
	c := &junitCase{class: "cmreach." + dotless(f.Profile) + "." + dotless(rowName(f.Requirement)), took: timeOf(observations, f)}
	c.name = seen.unique(c.class, caseName(f))
	class := j.r.Tally.Class(&f)
	c.element = fateOf(class)
	if c.element == "" {
		return c
	}
	c.message, c.text = f.State.String()+": "+f.Message, j.body(&f)
	switch class {
	case verdict.ClassFailed, verdict.ClassError:
		c.kind = kindOf(&f)
	case verdict.ClassSatisfied:
		c.message = f.SatisfiedBy + " is open in its place; " + c.message
	case verdict.ClassOptional:
		c.message = "informational; " + c.message
	case verdict.ClassTolerated:
		c.message = j.tolerated(f.State) + "; " + c.message
	default:
	}
	return c
}

// fateOf is the element that tells the class of a path or a host; empty for
// what passed.
func fateOf(c verdict.Class) string {
	switch c {
	case verdict.ClassPassed:
		return ""
	case verdict.ClassFailed:
		return "failure"
	case verdict.ClassError:
		return "error"
	default:
		return "skipped"
	}
}

// kindOf is the type of a failure, which is stable.
func kindOf(f *verdict.Finding) string {
	if f.Reason == "" {
		return f.State.String()
	}
	return f.Reason
}

// tolerated says why a state does not count.
func (j *junit) tolerated(s verdict.State) string {
	for _, m := range j.r.Tally.Measures() {
		if m.State == s {
			return m.String()
		}
	}
	return "tolerated"
}

// hostClass is the class of a host by its findings of one profile. A host of
// which the profile requires nothing, or whose paths others serve for, passes.
func (j *junit) hostClass(own []verdict.Finding) verdict.Class {
	return passing(j.r.Tally.HostClass(own))
}

// passing is the class of a host, for which it is all the same whose path is open.
func passing(c verdict.Class) verdict.Class {
	if c == verdict.ClassSatisfied {
		return verdict.ClassPassed
	}
	return c
}

// hostCounts counts the hosts of each profile.
func (j *junit) hostCounts() (map[string]suiteCounts, error) {
	if j.grain != GranularityHost {
		return nil, nil
	}
	if only := j.r.Tally.Profiles; len(only) == 1 { // then its hosts are those of the run, which are counted
		var all suiteCounts
		for _, b := range j.r.Tally.Boundaries {
			for class, n := range b.HostsBy {
				all.countMany(n, fateOf(passing(verdict.Class(class))))
			}
		}
		return map[string]suiteCounts{only[0].Name: all}, nil
	}
	out := map[string]suiteCounts{}
	by := map[string][]verdict.Finding{}
	for h, err := range j.r.Hosts() {
		if err != nil {
			return nil, err
		}
		for p := range by {
			by[p] = by[p][:0]
		}
		for _, f := range h.Findings {
			by[f.Profile] = append(by[f.Profile], f)
		}
		for p, own := range by {
			if len(own) == 0 {
				continue
			}
			counts := out[p]
			counts.count(&junitCase{element: fateOf(j.hostClass(own))})
			out[p] = counts
		}
	}
	return out, nil
}

// hostCase is the case of one host in one profile.
func (j *junit) hostCase(seen *names, profile string, h *scanner.Host, own []verdict.Finding) *junitCase {
	class := j.hostClass(own)
	c := &junitCase{class: "cmreach." + dotless(profile) + ".host", element: fateOf(class)}
	c.name = seen.unique(c.class, hostName(h.Name, h.Addr))
	if c.element == "" {
		return c
	}
	says := lineOf(&Host{Host: *h, Findings: own}).says
	c.text = j.hostBody(own)
	switch class {
	case verdict.ClassFailed:
		c.message = "not ready; " + says
	case verdict.ClassError:
		c.message = "this machine could not do the test; " + says
	case verdict.ClassTolerated:
		c.message = "tolerated by --fail-on; " + says
	case verdict.ClassUntested:
		c.message = "to be tested from elsewhere; " + says
	case verdict.ClassOptional:
		c.message = "nothing is required; " + says
	default:
		c.message = "not decided; " + says
	}
	for i := range own { // the first path that decides gives the type
		if f := &own[i]; f.Required && j.r.Tally.Class(f) == class && c.element != "skipped" {
			c.kind = kindOf(f)
			break
		}
	}
	return c
}

// hostBody lists the paths of a host that do not work, those of which the same
// is to be said together, and what to change. Informational paths are told only
// where there are no others.
func (j *junit) hostBody(own []verdict.Finding) string {
	type group struct{ rows, says string }
	var groups []group
	var fixes []string
	all := j.r.Tally.HostClass(own) == verdict.ClassOptional
	for i := range own {
		f := &own[i]
		class := j.r.Tally.Class(f)
		if class == verdict.ClassPassed || class == verdict.ClassSatisfied || class == verdict.ClassOptional && !all {
			continue
		}
		row := rowName(f.Requirement) + " " + portOf(f.Protocol, portsOf(f))
		says := fmt.Sprintf(": %s (%s): %s", f.State, kindOf(f), f.Message)
		if class == verdict.ClassTolerated {
			says += " (tolerated)"
		}
		if at := slices.IndexFunc(groups, func(g group) bool { return g.says == says }); at >= 0 {
			groups[at].rows += ", " + row
		} else {
			groups = append(groups, group{row, says})
		}
		if class == verdict.ClassFailed {
			for _, fix := range j.toDo(f) {
				if !slices.Contains(fixes, fix) {
					fixes = append(fixes, fix)
				}
			}
		}
	}
	var lines []string
	for _, g := range groups {
		lines = append(lines, g.rows+g.says)
	}
	lines = append(lines, fixes...)
	if own[0].Boundary != "" {
		lines = append(lines, "boundary: "+own[0].Boundary)
	}
	if tags := tagLine(own[0].Tags); tags != "" {
		lines = append(lines, "tags: "+tags)
	}
	return capped(lines, junitBody/2)
}

// mends reports whether what the profile says of a row that fails is about that
// state: a firewall rule brings no right name.
func mends(s verdict.State) bool {
	return s == verdict.Blocked || s == verdict.Closed || s == verdict.WrongService
}

// causeCases are the cases of a profile that has too many hosts to list: one
// for each of its rows, which says how many are open, and one for each cause.
func (j *junit) causeCases(profile string) []junitCase {
	var out []junitCase
	var seen names
	prefix := "cmreach." + dotless(profile) + "."
	for _, p := range j.r.Tally.Requirements {
		if own, row, ok := strings.Cut(p.Name, "/"); !ok && profile == "" || own == profile {
			out = append(out, rowCase(&seen, prefix+dotless(row), p))
		}
	}
	for _, cs := range j.r.Causes {
		if !concerns(cs.Requirements, profile) {
			continue
		}
		c := junitCase{class: prefix + "cause", kind: cmp.Or(cs.Reason, cs.State.String()), element: "skipped", message: cs.State.String() + ": " + cs.Message}
		c.name = seen.unique(c.class, short(strings.ReplaceAll(clean(cs.ID), "|", " "), junitName))
		switch {
		case j.r.Tally.Tolerated.Has(cs.State):
			c.message = j.tolerated(cs.State) + "; " + c.message
		case j.r.Tally.Fail.Has(cs.State):
			c.element = "failure"
		case cs.State == verdict.Error:
			c.element = "error"
		}
		if c.element == "skipped" {
			c.kind = ""
		}
		lines := []string{"reason: " + cs.Reason, "hosts: " + sample(cs), "example: " + cs.Example}
		for _, a := range cs.Advice {
			lines = append(lines, "to do: "+a)
		}
		c.text = capped(lines, junitBody)
		out = append(out, c)
	}
	return out
}

// rowCase is the case of a row: its worst class decides.
func rowCase(seen *names, class string, p verdict.Part) junitCase {
	c := junitCase{class: class, name: seen.unique(class, "all hosts")}
	n := p.Classes
	c.message = fmt.Sprintf("%d of %d open", p.States[verdict.Open], p.Total())
	if rest := others(p.States); rest != "" {
		c.message += "; " + rest
	}
	switch {
	case n[verdict.ClassOptional] > 0:
		c.message = "informational; " + c.message
	case n[verdict.ClassSatisfied] > 0 && n[verdict.ClassSatisfied] == p.Total()-n[verdict.ClassPassed]:
		c.message = "another row serves in its place; " + c.message
	}
	switch {
	case n[verdict.ClassFailed] > 0:
		c.element, c.kind = "failure", "row.failed"
	case n[verdict.ClassError] > 0:
		c.element, c.kind = "error", "row.error"
	case n[verdict.ClassUndecided] > 0, n[verdict.ClassPassed] == 0:
		c.element = "skipped"
	case n[verdict.ClassTolerated] > 0:
		c.element, c.message = "skipped", "tolerated by --fail-on; "+c.message
	}
	return c
}

// concerns reports whether one of the rows is of the profile.
func concerns(requirements []string, profile string) bool {
	return slices.ContainsFunc(requirements, func(id string) bool {
		p, _, _ := strings.Cut(id, "/")
		return p == profile
	})
}
