package report

import (
	"bufio"
	"cmp"
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Limits of the JUnit report, below those of its readers.
const (
	junitMessage = 190     // characters of a message attribute
	junitBody    = 4 << 10 // bytes of evidence of a case
	junitName    = 300     // characters of a case's name; Azure DevOps shows 512
	junitCauses  = 50      // causes in the output of a suite
)

// JUnit writes the run as JUnit XML in the dialect that the known readers have
// in common: valid against windyroad's JUnit.xsd and the junit-10.xsd of
// Jenkins' xUnit plugin at once. There is a suite for each profile and a case
// for each path; the class name has the row and not the host, so that readers
// group by row, and names stay the same from run to run.
func JUnit(w io.Writer, r *Run) error {
	j := junit{r: r, m: markup{w: bufio.NewWriter(w)}}
	j.m.raw(`<?xml version="1.0" encoding="UTF-8"?>` + "\n<testsuites>\n")
	id := 0
	for _, p := range j.profiles() {
		if err := j.profile(id, p); err != nil {
			return err
		}
		id++
	}
	if !r.Complete() || id == 0 {
		j.incomplete(id)
	}
	j.m.raw("</testsuites>\n")
	return j.m.flush()
}

type junit struct {
	r *Run
	m markup
}

// profiles lists the profiles that were asked for, and those that were found.
func (j *junit) profiles() []string {
	names := slices.Clone(j.r.Header.Profiles)
	for _, p := range j.r.Tally.Profiles {
		names = append(names, p.Name)
	}
	var out []string
	for _, n := range names {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// suiteCounts are the attributes of a suite that count its cases.
type suiteCounts struct{ tests, failures, errors, skipped int }

func countsOf(p verdict.Part) suiteCounts {
	c := suiteCounts{tests: p.Total(), failures: p.Classes[verdict.ClassFailed], errors: p.Classes[verdict.ClassError]}
	c.skipped = c.tests - c.failures - c.errors - p.Classes[verdict.ClassPassed]
	return c
}

// profile writes the suite of one profile. A suite without a case is ignored
// by Jenkins, so an empty one gets a skipped case that says so.
func (j *junit) profile(id int, name string) error {
	var part verdict.Part
	for _, p := range j.r.Tally.Profiles {
		if p.Name == name {
			part = p
		}
	}
	counts := countsOf(part)
	if counts.tests == 0 {
		j.suite(id, "cmreach."+dotless(name), suiteCounts{tests: 1, skipped: 1})
		j.open("cmreach."+dotless(name)+".targets", "no target", 0)
		j.verdict("skipped", "", "no path of this profile was checked", "")
		j.output("", "")
		return nil
	}
	j.suite(id, "cmreach."+dotless(name), counts)
	var seen names
	for h, err := range j.r.Hosts() {
		if err != nil {
			return err
		}
		seen.begin(&h.Host)
		for _, f := range h.Findings {
			if f.Profile == name {
				j.testcase(&seen, h.Observations, f)
			}
		}
	}
	j.output(j.summary(name), strings.Join(j.r.Header.Notes, "\n"))
	return nil
}

// incomplete adds a suite with an error for a run that did not come to its end:
// what is missing must not look like success.
func (j *junit) incomplete(id int) {
	if j.r.Complete() {
		j.suite(id, "cmreach.run", suiteCounts{tests: 1, skipped: 1})
		j.open("cmreach.run.targets", "no target", 0)
		j.verdict("skipped", "", "no profile was checked", "")
		j.output("", "")
		return
	}
	end := j.r.End
	reason, message := "run.ended-early", "run ended early: "+end.Err
	switch {
	case j.r.Truncated != nil:
		reason, message = "run.truncated", j.r.Truncated.Error()
	case end.Interrupted:
		reason, message = "run.interrupted", fmt.Sprintf("run interrupted: %d of %d hosts done", cmp.Or(end.Targets, end.Hosts), end.Planned)
	}
	j.suite(id, "cmreach.run", suiteCounts{tests: 1, errors: 1})
	j.open("cmreach.run.complete", "run is complete", 0)
	j.verdict("error", reason, message, "")
	j.output("", "")
}

// suite writes the start of a suite and its properties.
func (j *junit) suite(id int, name string, c suiteCounts) {
	h, e := j.r.Header, j.r.End
	var took time.Duration
	if !e.Finished.IsZero() {
		took = e.Finished.Sub(h.Started)
	}
	host := strings.TrimSpace(clean(h.Scanner))
	if host == "" {
		host = "localhost"
	}
	j.m.open(1, "testsuite",
		attr{"name", name}, attr{"id", fmt.Sprint(id)}, attr{"package", ""},
		attr{"timestamp", timestamp(h.Started)}, attr{"hostname", host},
		attr{"tests", fmt.Sprint(c.tests)}, attr{"failures", fmt.Sprint(c.failures)},
		attr{"errors", fmt.Sprint(c.errors)}, attr{"skipped", fmt.Sprint(c.skipped)},
		attr{"time", seconds(took)})
	j.m.raw("\n")
	j.m.open(2, "properties")
	j.m.raw("\n")
	for _, p := range []attr{
		{"cmreach.version", h.Version},
		{"cmreach.profiles", strings.Join(h.Profiles, ",")},
		{"cmreach.vantage", string(h.Vantage)},
		{"cmreach.site", h.Site},
		{"cmreach.engine", h.Engine},
		{"cmreach.depth", h.Depth},
		{"cmreach.rate", h.Rate},
		{"cmreach.timeout", seconds(h.Timeout)},
		{"cmreach.rounds", fmt.Sprint(h.Rounds)},
		{"cmreach.targets", fmt.Sprint(h.Targets)},
		{"cmreach.hosts", fmt.Sprint(j.r.Tally.Hosts)},
		{"cmreach.complete", fmt.Sprint(j.r.Complete())},
		{"cmreach.exit", fmt.Sprint(j.r.Exit())},
		{"cmreach.loss", fmt.Sprintf("%.4f", e.Loss)},
		{"cmreach.doubt", fmt.Sprintf("%.4f", e.Doubt)},
	} {
		j.m.empty(3, "property", attr{"name", p.name}, attr{"value", p.value})
	}
	j.m.close(2, "properties")
}

// testcase writes the case of one finding.
func (j *junit) testcase(seen *names, observations []scanner.Observation, f verdict.Finding) {
	class := "cmreach." + dotless(f.Profile) + "." + dotless(rowName(f.Requirement))
	name := seen.unique(class, caseName(f))
	took := timeOf(observations, f)
	c := verdict.Classify(f, j.r.Tally.Fail)
	if c == verdict.ClassPassed {
		j.m.empty(2, "testcase", attr{"classname", class}, attr{"name", name}, attr{"time", seconds(took)})
		return
	}
	j.open(class, name, took)
	reason := f.Reason
	if reason == "" {
		reason = f.State.String()
	}
	message := f.State.String() + ": " + f.Message
	switch c {
	case verdict.ClassFailed:
		j.verdict("failure", reason, message, body(f))
	case verdict.ClassError:
		j.verdict("error", reason, message, body(f))
	case verdict.ClassSatisfied:
		j.verdict("skipped", "", f.SatisfiedBy+" is open in its place; "+message, body(f))
	case verdict.ClassOptional:
		j.verdict("skipped", "", "informational; "+message, body(f))
	default:
		j.verdict("skipped", "", message, body(f))
	}
}

func (j *junit) open(class, name string, took time.Duration) {
	j.m.open(2, "testcase", attr{"classname", class}, attr{"name", name}, attr{"time", seconds(took)})
	j.m.raw("\n")
}

// verdict writes what became of a case, and closes the case. The text begins
// with the message: GitLab shows the text alone.
func (j *junit) verdict(element, kind, message, text string) {
	message = clean(message)
	attrs := []attr{{"message", short(message, junitMessage)}}
	if kind != "" {
		attrs = append(attrs, attr{"type", kind})
	}
	if text != "" {
		text = "\n" + text
	}
	j.m.leaf(3, element, short(message, junitBody/4)+text, attrs...)
	j.m.close(2, "testcase")
}

// output ends a suite.
func (j *junit) output(out, errs string) {
	j.m.leaf(2, "system-out", out)
	j.m.leaf(2, "system-err", errs)
	j.m.close(1, "testsuite")
}
