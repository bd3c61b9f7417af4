package report

import (
	"fmt"
	"strings"
	"time"
)

// root writes the beginning of a file.
func (j *junit) root(c suiteCounts) {
	j.m.raw(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	var attrs []attr
	if j.o.Dialect == JUnitCommon {
		attrs = []attr{
			{"name", "cmreach"},
			{"tests", fmt.Sprint(c.tests)},
			{"failures", fmt.Sprint(c.failures)},
			{"errors", fmt.Sprint(c.errors)},
			{"time", seconds(j.took())},
		}
	}
	j.m.open(0, "testsuites", attrs...)
	j.m.raw("\n")
}

// took is how long the run took, if it ended.
func (j *junit) took() time.Duration {
	if j.untimed || j.r.End.Finished.IsZero() {
		return 0
	}
	return j.r.End.Finished.Sub(j.r.Header.Started)
}

// begin writes the start of a suite and its properties. The first suite of a
// report has the time that the run took: readers add the suites up.
func (j *junit) begin(id int, name string, c suiteCounts) {
	h, e := j.r.Header, j.r.End
	took := j.took()
	if id > 0 {
		took = 0
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
	var limits []string
	for _, l := range j.r.Tally.Limits {
		limits = append(limits, l.Word)
	}
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
		{"cmreach.paths", fmt.Sprint(j.r.Tally.All.Total())},
		{"cmreach.complete", fmt.Sprint(j.r.Complete())},
		{"cmreach.exit", fmt.Sprint(j.r.Exit())},
		{"cmreach.loss", fmt.Sprintf("%.4f", e.Loss)},
		{"cmreach.doubt", fmt.Sprintf("%.4f", e.Doubt)},
		{"cmreach.granularity", j.grain.String()},
		{"cmreach.limits", strings.Join(limits, ",")},
	} {
		j.m.empty(3, "property", attr{"name", p.name}, attr{"value", p.value})
	}
	j.m.close(2, "properties")
}

// testcase writes a case. The text begins with the message: GitLab shows the
// text alone.
func (j *junit) testcase(c *junitCase) {
	attrs := []attr{{"classname", c.class}, {"name", c.name}, {"time", seconds(c.took)}}
	if c.element == "" {
		j.m.empty(2, "testcase", attrs...)
		return
	}
	j.m.open(2, "testcase", attrs...)
	j.m.raw("\n")
	message := clean(c.message)
	fate := []attr{{"message", short(message, junitMessage)}}
	if c.kind != "" {
		fate = append(fate, attr{"type", c.kind})
	}
	text := c.text
	if text != "" {
		text = "\n" + text
	}
	j.m.leaf(3, c.element, short(message, junitBody/4)+text, fate...)
	j.m.close(2, "testcase")
}

// output ends a suite.
func (j *junit) output(out, errs string) {
	j.m.leaf(2, "system-out", out)
	j.m.leaf(2, "system-err", errs)
	j.m.close(1, "testsuite")
}
