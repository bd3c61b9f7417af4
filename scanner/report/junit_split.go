package report

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Limits of one file of a report that is split: below 30 MB a file, which is
// GitLab's, and small enough for readers that hold a file in memory as a tree.
const (
	partBytes    = 20_000_000
	partCases    = 50_000
	partElements = 200_000
)

// Limits of all files of a report: below 100 MB and 500,000 cases of a job,
// which are GitLab's.
const (
	totalBytes = 90_000_000
	totalCases = 500_000
)

// Excess says which limit of a known reader the report passes, and which flag
// helps; empty: none.
func (s JUnitSize) Excess(folder bool) string {
	switch {
	case !folder && (s.Bytes > partBytes || s.Cases > partCases || s.Elements > partElements):
		return fmt.Sprintf("%s and %d cases in one file, which readers may refuse (GitLab takes 30 MB a file): "+
			"-o junit=DIR/ writes several files, --junit-granularity host or cause fewer cases", megabytes(s.Bytes), s.Cases)
	case folder && (s.Bytes > totalBytes || s.Cases > totalCases):
		return fmt.Sprintf("%s and %d cases in %d files, which readers may refuse (GitLab takes 100 MB and 500,000 cases of a job): "+
			"--junit-granularity host or cause writes fewer", megabytes(s.Bytes), s.Cases, s.Files)
	default:
		return ""
	}
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// JUnitParts writes the run as files of JUnit XML that stay below the limits of
// their readers: TEST-push-0001.xml and so on for each profile. Each is a report
// of its own, with one suite, and no two suites have one name: Jenkins would
// join them. Put is given the name and the content of each file. One part at a
// time is held in memory.
func JUnitParts(r *Run, o JUnitOptions, put func(name string, write func(io.Writer) error) error) (JUnitSize, error) {
	j := junit{r: r, o: o, grain: o.Granularity.of(r, true)}
	suites, err := j.suites()
	if err != nil {
		return JUnitSize{}, err
	}
	s := splitter{j: j, put: put, numbers: map[string]int{}}
	for i := range suites {
		if err := s.suite(&suites[i]); err != nil {
			return JUnitSize{}, err
		}
	}
	return s.size, nil
}

// splitter writes suites in parts.
type splitter struct {
	j       junit
	put     func(string, func(io.Writer) error) error
	numbers map[string]int // of the last file with that name
	size    JUnitSize      // so far

	body     bytes.Buffer // of the part, the cases alone
	counts   suiteCounts  // of body
	elements int          // likewise
}

// suite writes the parts of one suite.
func (s *splitter) suite(suite *junitSuite) error {
	key := fileWord(suite.key)
	first := s.name(key, s.numbers[key]+1)
	errs := suite.errs
	var one bytes.Buffer // a case
	pen := bufio.NewWriter(&one)
	frame := s.frame(suite)
	err := suite.cases(func(c *junitCase) error {
		one.Reset()
		j := s.j
		j.m = markup{w: pen}
		j.testcase(c)
		if err := j.m.flush(); err != nil {
			return err
		}
		if n := s.counts.tests; n > 0 && (n >= partCases || frame+s.body.Len()+one.Len() > partBytes || s.elements+j.m.elements > partElements-100) {
			if err := s.flush(key, suite.out, errs); err != nil {
				return err
			}
			suite.out, errs = "The summary is in "+first+".", ""
		}
		s.counts.count(c)
		s.elements += j.m.elements
		s.body.Write(one.Bytes())
		return nil
	})
	if err != nil {
		return err
	}
	return s.flush(key, suite.out, errs)
}

// frame is at least the size of what is around the cases of a part.
func (s *splitter) frame(suite *junitSuite) int {
	n := counter{w: io.Discard}
	_, _ = s.around(&n, suite.name+"-0000", suite.out, suite.errs, nil) // nothing fails to be discarded
	return int(n.n) + 1024                                              // the numbers have their digits then
}

func (s *splitter) name(key string, number int) string {
	return fmt.Sprintf("TEST-%s-%04d.xml", key, number)
}

// flush gives the part to put, and begins the next.
func (s *splitter) flush(key, out, errs string) error {
	s.numbers[key]++
	number := s.numbers[key]
	err := s.put(s.name(key, number), func(w io.Writer) error {
		n := counter{w: w}
		elements, err := s.around(&n, fmt.Sprintf("cmreach.%s-%04d", key, number), out, errs, s.body.Bytes())
		s.size.Elements += elements + s.elements
		s.size.Bytes += n.n
		return err
	})
	s.size.Files++
	s.size.Cases += s.counts.tests
	s.body.Reset()
	s.counts, s.elements = suiteCounts{}, 0
	return err
}

// around writes a file with these cases. The first one has the time of the run.
func (s *splitter) around(w io.Writer, name, out, errs string, cases []byte) (elements int, err error) {
	j := s.j
	j.m = markup{w: bufio.NewWriter(w)}
	j.untimed = s.size.Files > 0
	j.root(s.counts)
	j.begin(0, name, s.counts)
	j.m.bytes(cases)
	j.output(out, errs)
	j.m.raw("</testsuites>\n")
	return j.m.elements, j.m.flush()
}

// fileWord makes the name of a profile a part of the name of a file, on every
// system: small letters, since some take PUSH and push for one.
func fileWord(s string) string {
	s = strings.Map(func(r rune) rune {
		switch r = unicode.ToLower(r); {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		default:
			return '_'
		}
	}, clean(s))
	if s == "" {
		return "unnamed"
	}
	return s[:min(len(s), 100)]
}
