package report

import (
	"cmreach/scanner"
	"cmreach/scanner/cause"
	"cmreach/scanner/verdict"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// summary is the output of a suite: how its profile stands, and the causes.
func (j *junit) summary(p verdict.Part) string {
	profile := p.Name
	line := others(p.States)
	if n := p.States[verdict.Open]; n > 0 {
		line = strings.TrimSuffix(fmt.Sprintf("%d open, %s", n, line), ", ")
	}
	lines := []string{line}
	if j.o.Granularity == GranularityAuto && j.grain != GranularityCheck {
		lines = append(lines, fmt.Sprintf("A case is a %s here: there are more than %d paths. --junit-granularity check lists every path.", j.grain, autoChecks))
	}
	for _, m := range j.r.Tally.Measures() {
		lines = append(lines, m.String())
	}
	n := 0
	for _, c := range j.r.Causes {
		if !concerns(c.Requirements, profile) {
			continue
		}
		if n++; n > junitCauses {
			lines = append(lines, "and further causes")
			break
		}
		lines = append(lines, short(clean(c.State.String()+": "+c.Message), junitMessage*2))
	}
	return strings.Join(lines, "\n")
}

// body is the text of a case: what was seen, and what to change.
func (j *junit) body(f *verdict.Finding) string {
	lines := []string{"reason: " + f.Reason}
	if f.By.IsValid() {
		lines = append(lines, "by: "+f.By.String())
	}
	if len(f.Between) == 2 {
		lines = append(lines, fmt.Sprintf("between: %s and %s", f.Between[0], f.Between[1]))
	}
	for _, e := range f.Evidence {
		lines = append(lines, "seen: "+e)
	}
	lines = append(lines, j.toDo(f)...)
	if f.Boundary != "" {
		lines = append(lines, "boundary: "+f.Boundary)
	}
	if tags := tagLine(f.Tags); tags != "" {
		lines = append(lines, "tags: "+tags)
	}
	return capped(lines, junitBody)
}

// toDo says what to change: first what mends the cause, which may be a router's
// rule and not the host's, then what the profile says of the row, where that is
// about this state.
func (j *junit) toDo(f *verdict.Finding) []string {
	if j.advice == nil {
		j.advice = map[string]string{}
		for _, c := range j.r.Causes {
			if len(c.Advice) > 0 {
				j.advice[c.ID] = c.Advice[0]
			}
		}
	}
	var lines []string
	first := j.advice[cause.Of(f)]
	if first != "" {
		lines = append(lines, "to do: "+first)
	}
	if f.Fix != "" && f.Fix != first && (first == "" || mends(f.State)) {
		lines = append(lines, "to do: "+f.Fix)
	}
	return lines
}

// capped joins cleaned lines up to a number of bytes.
func capped(lines []string, most int) string {
	var b strings.Builder
	for i, l := range lines {
		l = short(clean(l), junitBody/4)
		if b.Len()+len(l) > most {
			fmt.Fprintf(&b, "and %d more lines", len(lines)-i)
			break
		}
		b.WriteString(l + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// caseName tells the cases of a row apart. Nothing in it changes from run to
// run: no time, and no port that a mapper named.
func caseName(f verdict.Finding) string {
	port := " " + portOf(f.Protocol, portsOf(&f))
	return named(f.Host, f.Addr, len(port)) + port
}

// hostName tells the cases of hosts apart.
func hostName(name string, addr netip.Addr) string { return named(name, addr, 0) }

// named is the name and the address of a host, with so much room left.
func named(host string, addr netip.Addr, room int) string {
	at := "no address"
	if addr.IsValid() {
		at = addr.String()
	}
	rest := " [" + short(clean(at), 60) + "]"
	return short(strings.TrimSpace(clean(host)), junitName-len(rest)-room) + rest
}

// names keeps the names of the cases of a suite apart: readers drop the second
// of two cases with one name. There are many cases, so that only what a host is
// called is kept of each host, as a hash, and the names of its cases while it is
// written.
type names struct {
	hosts map[uint64]struct{}
	again map[uint64]int // how often a host came again; a record of one run has none
	mark  string         // of the cases of the host that is being written
	cases []uint64
}

// junitHost is how much of a host's name tells it from others: as much as is
// left of it in the name of any case.
const junitHost = 200

// begin begins the cases of a host.
func (n *names) begin(h *scanner.Host) {
	k := hashOf(h.Addr.String(), short(clean(h.Name), junitHost))
	n.cases, n.mark = n.cases[:0], ""
	if _, taken := n.hosts[k]; !taken {
		if n.hosts == nil {
			n.hosts = map[uint64]struct{}{}
		}
		n.hosts[k] = struct{}{}
		return
	}
	if n.again == nil {
		n.again = map[uint64]int{}
	}
	n.again[k]++
	n.mark = fmt.Sprintf(" (again %d)", n.again[k])
}

// unique returns the name, with a number when it is taken.
func (n *names) unique(class, name string) string {
	name += n.mark
	for i := 1; ; i++ {
		try := name
		if i > 1 {
			try = fmt.Sprintf("%s #%d", name, i)
		}
		if k := hashOf(class, try); !slices.Contains(n.cases, k) {
			n.cases = append(n.cases, k)
			return try
		}
	}
}

// hashOf takes names for the same that differ in white space alone, as readers do.
func hashOf(a, b string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, a+"\x00"+strings.Join(strings.Fields(b), " ")) // a hash does not fail
	return h.Sum64()
}

// timeOf is how long the answers to a path took, all together.
func timeOf(observations []scanner.Observation, f verdict.Finding) time.Duration {
	var sum time.Duration
	for _, o := range observations {
		own := f.Port != 0 && o.Port == f.Port || f.Port == 0 && (o.Protocol == scanner.ICMP || o.Via != 0)
		if own && o.HopLimit == 0 && o.Protocol == f.Protocol && o.Took > 0 && sum < math.MaxInt64-o.Took {
			sum += o.Took
		}
	}
	return sum
}

// seconds writes a duration as both schemas want it: no sign, no exponent, at
// most three digits after the point.
func seconds(d time.Duration) string {
	const year = 365 * 24 * time.Hour
	return strconv.FormatFloat(min(max(d, 0), year).Seconds(), 'f', 3, 64)
}

// timestamp writes a time in UTC without a zone, as windyroad's schema wants
// it. The years of xs:dateTime begin with 1.
func timestamp(t time.Time) string {
	t = t.UTC()
	if t.Year() < 1 || t.Year() > 9999 {
		t = time.Time{}
	}
	return t.Format("2006-01-02T15:04:05")
}

// dotless makes a name one part of a class name: Jenkins takes what is before
// the last dot for the package.
func dotless(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '.' || r == ' ' || r == '/' {
			return '_'
		}
		return r
	}, clean(s))
	if s == "" {
		return "unnamed"
	}
	return s
}
