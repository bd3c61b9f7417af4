package report

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/cause"
	"cmreach/scanner/verdict"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Limits of the data of the page.
const (
	htmlOpenEvidence = 6 << 20 // bytes of evidence of open paths; beyond it, there is none
	htmlKnown        = 8 << 20 // bytes of texts that are written once; beyond it, a text may be there twice
)

// Stand-ins in the texts of a host, so that hosts share them. They cannot
// occur in what was cleaned.
const (
	standName  = "\x01" // the name that was asked for
	standAddr  = "\x02"
	standShort = "\x03" // the name's first label in capitals, as computers call themselves
	standTime  = "\x04" // a time that was measured; it follows in the data
)

// hostData writes the hosts as a stream of small JSON values: texts, paths and
// shapes (the paths of a host) are each written where they are first needed, and
// named by number from then on. A host is an array.
type hostData struct {
	p        *webpage
	g        *grid
	causes   map[string]int // number of a cause in this page, by its ID
	texts    counted
	paths    counted
	shapes   counted
	defs     []byte // to be written before the host
	host     []byte
	spent    int // bytes of evidence of open paths
	left     int // open paths whose evidence was left out
	stands   []stand
	scratch  []byte
	sequence []byte
}

// counted numbers texts in the order in which they came. It forgets none that
// it knows, and takes no more when it is full.
type counted struct {
	known map[string]int
	next  int
	bytes int
}

// number is the number of a text, and whether it is new.
func (c *counted) number(s []byte) (n int, fresh bool) {
	if n, ok := c.known[string(s)]; ok {
		return n, false
	}
	if c.known == nil {
		c.known = map[string]int{}
	}
	n = c.next
	c.next++
	if c.bytes < htmlKnown {
		c.known[string(s)] = n
		c.bytes += len(s)
	}
	return n, true
}

// pageData is what the script must know beside the hosts.
type pageData struct {
	States     []string    `json:"states"`
	Classes    []string    `json:"classes"`
	Assurances []string    `json:"assurances"`
	Rows       []rowData   `json:"rows"`
	Nets       []string    `json:"nets"`
	Boundaries []string    `json:"boundaries"`
	Causes     []string    `json:"causes"`
	Counts     summaryData `json:"counts"`
}

type rowData struct {
	ID       string `json:"id"`
	Port     string `json:"port"`
	Title    string `json:"title"`
	From     string `json:"from"`
	To       string `json:"to"`
	Required bool   `json:"required"`
}

type summaryData struct {
	Hosts int `json:"hosts"`
	Paths int `json:"paths"`
}

// htmlClasses are the words for what a host or a path means, by class.
var htmlClasses = []string{"ready", "not ready", "error", "not decided", "to be tested from elsewhere", "tolerated", "made good by another row", "not required"}

// data writes what the script works on, as JSON in which no "<" occurs.
func (p *webpage) data(g *grid) error {
	d := hostData{p: p, g: g, causes: map[string]int{}}
	head := pageData{Rows: []rowData{}, Nets: []string{}, Boundaries: []string{}, Causes: []string{}, Classes: htmlClasses, Counts: summaryData{p.r.Tally.Hosts, p.r.Tally.All.Total()}}
	for s := verdict.StateUnknown; s <= verdict.Error; s++ {
		head.States = append(head.States, s.String())
	}
	for a := scanner.AssuranceNone; a <= scanner.AssuranceIdentity; a++ {
		head.Assurances = append(head.Assurances, a.String())
	}
	for _, part := range g.rows {
		head.Rows = append(head.Rows, p.rowData(part.Name))
	}
	for _, l := range g.list {
		head.Nets = append(head.Nets, l.name)
	}
	for _, l := range g.named {
		head.Boundaries = append(head.Boundaries, clean(l.name))
	}
	t := &p.t
	for _, list := range [][]cause.Cause{t.failing, t.errors, t.undecided, t.tolerated, t.untested, t.byHand} {
		for _, c := range list {
			head.Causes = append(head.Causes, clean(c.Message))
			d.causes[c.ID] = len(head.Causes)
		}
	}
	for id, into := range t.folded {
		d.causes[id] = d.causes[into]
	}
	b, err := json.Marshal(head)
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	p.raw(strings.TrimSuffix(string(b), "}") + ",\"stream\":[\n\"\"")
	d.texts.number(nil)
	for h, err := range p.r.Hosts() {
		if err != nil {
			return err
		}
		d.add(&h)
	}
	p.line(fmt.Sprintf("],\n\"left\":%d}", d.left))
	return nil
}

func (p *webpage) rowData(id string) rowData {
	look := p.r.look.named(id)
	row := rowData{ID: clean(id), Port: clean(portOf(look.protocol, look.ports)), Required: !look.informational}
	for _, r := range p.r.Header.Rows {
		if r.ID == id {
			row.Title, row.From, row.To = clean(r.Title), clean(string(r.From)), clean(string(r.To))
		}
	}
	return row
}

// add writes one host: name, address, subnet, boundary, class, shape, tags as
// key and value by turns, and the evidence of each path.
func (d *hostData) add(h *Host) {
	name, addr := clean(h.Name), ""
	if h.Addr.IsValid() {
		addr = clean(h.Addr.String())
	}
	d.standsOf(name, addr)
	d.defs, d.host = d.defs[:0], d.host[:0]
	net, boundary := d.g.of(h)
	d.host = append(d.host, ",\n["...)
	d.host = appendText(d.host, name)
	d.host = append(d.host, ',')
	d.host = appendText(d.host, addr)
	d.host = appendInts(d.host, net, boundary, int(d.p.r.Tally.HostClass(h.Findings)), d.shape(h))
	d.host = append(d.host, ",["...)
	var tags []scanner.Detail
	if len(h.Findings) > 0 {
		tags = h.Findings[0].Tags
	}
	for i, t := range tags {
		d.host = appendList(d.host, i, d.number(t.Key))
		d.host = appendList(d.host, 1, d.number(t.Value))
	}
	d.host = append(d.host, "],["...)
	for i := range h.Findings {
		if i > 0 {
			d.host = append(d.host, ',')
		}
		d.evidence(&h.Findings[i])
	}
	d.host = append(d.host, "]]"...)
	d.p.raw(string(d.defs))
	d.p.raw(string(d.host))
}

// stand is a text that differs from host to host, and what stands for it.
type stand struct{ text, sign string }

// standsOf are those of a host; where several begin at one place, the first counts.
func (d *hostData) standsOf(name, addr string) {
	first, _, _ := strings.Cut(name, ".")
	if name == addr {
		first = ""
	}
	d.stands = d.stands[:0]
	for _, s := range []stand{{name, standName}, {addr, standAddr}, {strings.ToUpper(first), standShort}} {
		if len(s.text) > 2 {
			d.stands = append(d.stands, s)
		}
	}
}

// shared is a clean text as hosts share it.
func (d *hostData) shared(s string) string {
	d.scratch = d.scratch[:0]
	from := 0
	for i := 0; i < len(s); i++ {
		for _, st := range d.stands {
			if s[i] == st.text[0] && strings.HasPrefix(s[i:], st.text) {
				d.scratch = append(append(d.scratch, s[from:i]...), st.sign...)
				from = i + len(st.text)
				i = from - 1
				break
			}
		}
	}
	if from == 0 {
		return s
	}
	return string(append(d.scratch, s[from:]...))
}

// number is the number of a text, which it defines if it is new.
func (d *hostData) number(s string) int {
	return d.numberOf(d.shared(clean(s)))
}

func (d *hostData) numberOf(s string) int {
	d.scratch = append(d.scratch[:0], s...)
	n, fresh := d.texts.number(d.scratch)
	if fresh {
		d.defs = append(d.defs, ",\n"...)
		d.defs = appendText(d.defs, s)
	}
	return n
}

// shape is the number of the paths of the host.
func (d *hostData) shape(h *Host) int {
	d.sequence = append(d.sequence[:0], `,{"s":[`...)
	at := len(d.sequence)
	for i := range h.Findings {
		d.sequence = appendList(d.sequence, len(d.sequence)-at, d.path(&h.Findings[i]))
	}
	d.sequence = append(d.sequence, "]}"...)
	n, fresh := d.shapes.number(d.sequence)
	if fresh {
		d.defs = append(d.defs, '\n')
		d.defs = append(d.defs, d.sequence...)
	}
	return n
}

// path is the number of what hosts have in common: row, state, class, cause,
// assurance, and as texts reason, sender, message, fix, what made it good, ports.
func (d *hostData) path(f *verdict.Finding) int {
	row, ok := d.g.place[f.Requirement]
	if !ok {
		row = -1
	}
	by := ""
	if f.By.IsValid() {
		by = f.By.String()
	}
	var between []string
	for _, a := range f.Between {
		between = append(between, a.String())
	}
	var ports []string
	for _, p := range f.Ports {
		ports = append(ports, fmt.Sprintf("%d %s", p.Port, p.State))
	}
	class := d.p.r.Tally.Class(f)
	def := appendInts([]byte(`,{"p":[0`), row, int(min(f.State, verdict.Error)), int(class), d.causes[cause.Of(f)], int(f.Assurance),
		d.number(f.Reason), d.number(by), d.number(strings.Join(between, " and ")), d.number(f.Message), d.number(f.Fix), d.number(f.SatisfiedBy),
		d.number(strings.Join(ports, ", ")), map[bool]int{true: 1}[f.Conflict])
	def = append(def, "]}"...)
	n, fresh := d.paths.number(def)
	if fresh {
		d.defs = append(d.defs, '\n')
		d.defs = append(d.defs, def...)
	}
	return n
}

// evidence writes the lines of a path as numbers of texts, each followed by the
// time that was measured, if there is one.
func (d *hostData) evidence(f *verdict.Finding) {
	if f.State == verdict.Open && d.spent > htmlOpenEvidence {
		d.host = append(d.host, '0')
		d.left++
		return
	}
	before := len(d.host) + len(d.defs)
	d.host = append(d.host, '[')
	for i, e := range f.Evidence {
		head, took, tail := cutTime(d.shared(clean(e)))
		if took == "" {
			d.host = appendList(d.host, i, d.numberOf(head))
			continue
		}
		d.host = appendList(d.host, i, d.numberOf(head+standTime+tail))
		d.host = append(d.host, ',')
		d.host = appendText(d.host, took)
	}
	d.host = append(d.host, ']')
	if f.State == verdict.Open {
		d.spent += len(d.host) + len(d.defs) - before
	}
}

// cutTime cuts a measured time out of a line of evidence: "SYN-ACK after 40µs".
func cutTime(s string) (head, took, tail string) {
	const after = " after "
	i := strings.Index(s, after)
	if i < 0 {
		return s, "", ""
	}
	i += len(after)
	n := strings.IndexAny(s[i:], ",; ")
	if n < 0 {
		n = len(s) - i
	}
	if n == 0 || s[i] < '0' || s[i] > '9' {
		return s, "", ""
	}
	return s[:i], s[i : i+n], s[i+n:]
}

func appendList(b []byte, place, n int) []byte {
	if place > 0 {
		b = append(b, ',')
	}
	return strconv.AppendInt(b, int64(n), 10)
}

// appendInts writes numbers after what is there.
func appendInts(b []byte, list ...int) []byte {
	for _, n := range list {
		b = appendList(b, 1, n)
	}
	return b
}

// appendText writes a text as JSON that may stand in a page: "<", ">" and "&"
// are escaped, as are the line separators of JavaScript.
func appendText(b []byte, s string) []byte {
	if !strings.ContainsFunc(s, escaped) { // a name, an address or a time
		return append(append(append(b, '"'), s...), '"')
	}
	var out bytes.Buffer
	if err := json.NewEncoder(&out).Encode(s); err != nil {
		return append(b, `""`...) // no string fails to be encoded
	}
	return append(b, bytes.TrimRight(out.Bytes(), "\n")...)
}

// escaped reports whether encoding/json may write a rune as an escape.
func escaped(r rune) bool {
	return r < ' ' || r == '"' || r == '\\' || r == '<' || r == '>' || r == '&' || r > 0x7f
}
