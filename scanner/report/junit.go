package report

import (
	"bufio"
	"cmreach/scanner/verdict"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Limits of the text in a JUnit report, below those of its readers.
const (
	junitMessage = 190     // characters of a message attribute
	junitBody    = 4 << 10 // bytes of evidence of a case
	junitName    = 300     // characters of a case's name; Azure DevOps shows 512
	junitCauses  = 50      // causes in the output of a suite
)

// JUnitDialect is which of the two published schemas a report goes by.
type JUnitDialect uint8

// The dialects differ in the attributes of the root element alone.
const (
	JUnitCommon JUnitDialect = iota // junit-10.xsd of Jenkins' xUnit plugin: the root has the counts
	JUnitStrict                     // windyroad's JUnit.xsd: the root is bare
)

// JUnitOptions say how a JUnit report looks.
type JUnitOptions struct {
	Dialect     JUnitDialect
	Granularity Granularity
}

// JUnit writes the run as JUnit XML with the options that suit most.
func JUnit(w io.Writer, r *Run) error {
	_, err := JUnitFile(w, r, JUnitOptions{})
	return err
}

// JUnitFile writes the run as one file of JUnit XML in what the known readers
// have in common: but for the attributes of the root, every report is valid
// against windyroad's JUnit.xsd and the junit-10.xsd of Jenkins' xUnit plugin at
// once. There is a suite for each profile; the class names have the row and not
// the host, so that readers group by row, and names stay the same from run to
// run.
func JUnitFile(w io.Writer, r *Run, o JUnitOptions) (JUnitSize, error) {
	counted := &counter{w: w}
	j := junit{r: r, o: o, grain: o.Granularity.of(r, false), m: markup{w: bufio.NewWriter(counted)}}
	suites, err := j.suites()
	if err != nil {
		return JUnitSize{}, err
	}
	var all suiteCounts
	for _, s := range suites {
		all.add(s.counts)
	}
	j.root(all)
	for i, s := range suites {
		j.begin(i, s.name, s.counts)
		err := s.cases(func(c *junitCase) error {
			j.testcase(c)
			return j.m.err
		})
		if err != nil && j.m.err == nil { // else flush tells
			return JUnitSize{}, err
		}
		j.output(s.out, s.errs)
	}
	j.m.raw("</testsuites>\n")
	err = j.m.flush()
	return JUnitSize{Files: 1, Cases: all.tests, Elements: j.m.elements, Bytes: counted.n}, err
}

// JUnitSize is how large a report became. Readers have limits.
type JUnitSize struct {
	Files, Cases, Elements int
	Bytes                  int64
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// junit writes one report.
type junit struct {
	r       *Run
	o       JUnitOptions
	grain   Granularity
	untimed bool // another file has the time of the run
	m       markup

	advice map[string]string // what to do first, by the ID of the cause
}

// junitSuite is a suite before it is written.
type junitSuite struct {
	key    string // the profile, or "run"
	name   string
	counts suiteCounts
	cases  func(write func(*junitCase) error) error
	out    string
	errs   string
}

// junitCase is one case. Element says what became of it: failure, error or
// skipped; empty: it passed.
type junitCase struct {
	class, name   string
	took          time.Duration
	element, kind string
	message, text string
}

// suites lists what is to be written: a suite for each profile, and one for a
// run that did not come to its end, or of which nothing was asked.
func (j *junit) suites() ([]junitSuite, error) {
	hosts, err := j.hostCounts()
	if err != nil {
		return nil, err
	}
	var out []junitSuite
	for _, p := range j.profiles() {
		out = append(out, j.suiteOf(p, hosts))
	}
	switch {
	case !j.r.Complete():
		out = append(out, fixed("run", j.incomplete()))
	case len(out) == 0:
		out = append(out, fixed("run", junitCase{class: "cmreach.run.targets", name: "no target", element: "skipped", message: "no profile was checked"}))
	}
	return out, nil
}

// fixed is a suite of one case.
func fixed(key string, c junitCase) junitSuite {
	s := junitSuite{key: key, name: "cmreach." + dotless(key), cases: func(write func(*junitCase) error) error { return write(&c) }}
	s.counts.count(&c)
	return s
}

// suiteOf is the suite of one profile. A suite without a case is ignored by
// Jenkins, so an empty one gets a skipped case that says so.
func (j *junit) suiteOf(profile string, hosts map[string]suiteCounts) junitSuite {
	i := slices.IndexFunc(j.r.Tally.Profiles, func(p verdict.Part) bool { return p.Name == profile })
	if i < 0 {
		class := "cmreach." + dotless(profile) + ".targets"
		return fixed(profile, junitCase{class: class, name: "no target", element: "skipped", message: "no path of this profile was checked"})
	}
	s := junitSuite{
		key: profile, name: "cmreach." + dotless(profile), out: j.summary(j.r.Tally.Profiles[i]), errs: strings.Join(j.r.Header.Notes, "\n"),
		cases: func(write func(*junitCase) error) error { return j.each(profile, write) },
	}
	switch j.grain {
	case GranularityHost:
		s.counts = hosts[profile]
	case GranularityCause:
		for _, c := range j.causeCases(profile) {
			s.counts.count(&c)
		}
	default:
		s.counts = countsOf(j.r.Tally.Profiles[i])
	}
	return s
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

// incomplete is the case of a run that did not come to its end: what is missing
// must not look like success.
func (j *junit) incomplete() junitCase {
	end := j.r.End
	c := junitCase{class: "cmreach.run.complete", name: "run is complete", element: "error", kind: "run.ended-early", message: "run ended early: " + end.Err}
	switch {
	case j.r.Truncated != nil:
		c.kind, c.message = "run.truncated", j.r.Truncated.Error()
	case end.Interrupted:
		done := end.Targets
		if done == 0 {
			done = end.Hosts
		}
		c.kind, c.message = "run.interrupted", fmt.Sprintf("run interrupted: %d of %d hosts done", done, end.Planned)
	}
	return c
}

// suiteCounts are the attributes of a suite that count its cases.
type suiteCounts struct{ tests, failures, errors, skipped int }

func (s *suiteCounts) add(o suiteCounts) {
	s.tests += o.tests
	s.failures += o.failures
	s.errors += o.errors
	s.skipped += o.skipped
}

func (s *suiteCounts) count(c *junitCase) { s.countMany(1, c.element) }

func (s *suiteCounts) countMany(n int, element string) {
	s.tests += n
	switch element {
	case "failure":
		s.failures += n
	case "error":
		s.errors += n
	case "skipped":
		s.skipped += n
	}
}

func countsOf(p verdict.Part) suiteCounts {
	c := suiteCounts{tests: p.Total(), failures: p.Classes[verdict.ClassFailed], errors: p.Classes[verdict.ClassError]}
	c.skipped = c.tests - c.failures - c.errors - p.Classes[verdict.ClassPassed]
	return c
}

// ParseJUnitDialect reads the word for a dialect.
func ParseJUnitDialect(w string) (JUnitDialect, error) {
	switch w {
	case "common":
		return JUnitCommon, nil
	case "strict":
		return JUnitStrict, nil
	default:
		return JUnitCommon, errors.New("unknown dialect (known: common, strict)")
	}
}
