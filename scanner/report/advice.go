package report

import (
	"bufio"
	"cmreach/scanner"
	"cmreach/scanner/cause"
	"cmreach/scanner/record"
	"cmreach/scanner/verdict"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
)

// adviceJSON is the "advice" of the JSON document: in numbers, because there
// may be many clients. The lists are files; see [Advice].
type adviceJSON struct {
	Methods []methodJSON `json:"methods"`
}

// methodJSON says for how many clients a way to install the client would work.
type methodJSON struct {
	Method    string     `json:"method"` // and the name of its profile
	Checked   bool       `json:"checked"`
	Clients   int        `json:"clients"`
	Yes       int        `json:"yes"`
	NotProven int        `json:"not_proven"`
	No        int        `json:"no"`
	Undecided int        `json:"undecided"`
	Shared    sharedJSON `json:"shared"`
}

// sharedJSON is the answer on the paths that all clients share.
type sharedJSON struct {
	Answer   string `json:"answer"` // "" when the profile was not checked
	Reason   string `json:"reason,omitempty"`
	Untested int    `json:"untested"` // paths that were not tested from where they start
}

func (r *Run) adviceJSON() adviceJSON {
	var out adviceJSON
	for _, m := range r.Methods() {
		j := methodJSON{
			Method: m.Name, Checked: m.Checked, Clients: m.Total(), Yes: m.Clients[cause.AnswerYes],
			NotProven: m.Clients[cause.AnswerNotProven], No: m.Clients[cause.AnswerNo], Undecided: m.Clients[cause.AnswerUndecided],
		}
		if m.Checked {
			j.Shared = sharedJSON{m.Shared.Answer.String(), m.Shared.Reason, m.Shared.Untested}
		}
		out.Methods = append(out.Methods, j)
	}
	return out
}

// newAdvisor begins the advice on a run.
func newAdvisor(h record.Header, fail verdict.StateSet) *cause.Advisor {
	var gaps []cause.Unchecked
	for _, u := range h.Unchecked {
		gaps = append(gaps, cause.Unchecked(u))
	}
	return cause.NewAdvisor(h.Profiles, h.Rows, gaps, fail)
}

// Methods says of each way to install the client for how many clients it would
// work.
func (r *Run) Methods() []cause.Method { return r.advisor.Methods() }

// adviceTable is the file that has all methods and clients.
const adviceTable = "advice.csv"

// AdviceFiles are the names of the files that [Advice] writes, in its order: a
// list for each answer of each method that was checked, and a table.
func AdviceFiles(r *Run) []string {
	var out []string
	for _, m := range r.Methods() {
		if m.Checked {
			out = append(out, listsOf(m.Name)...)
		}
	}
	return append(out, adviceTable)
}

// UncheckedLists are the names that the lists of the other methods would have.
// An old one would be taken for an answer of this run.
func UncheckedLists(r *Run) []string {
	var out []string
	for _, m := range r.Methods() {
		if !m.Checked {
			out = append(out, listsOf(m.Name)...)
		}
	}
	return out
}

func listsOf(method string) []string {
	var out []string
	for _, a := range cause.Answers {
		out = append(out, method+"-"+a.String()+".txt")
	}
	return out
}

// Advice writes which methods of installation would work for which client: lists
// with a computer's name a line, as the target list has it, and a table with the
// columns Name, Method, Result, Reason. The writers are those of [AdviceFiles].
func Advice(ws []io.Writer, r *Run) error {
	if names := AdviceFiles(r); len(ws) != len(names) {
		return fmt.Errorf("write the advice: %d files for %d lists", len(ws), len(names))
	}
	a := newAdviceWriter(ws, r)
	again := newAdvisor(r.Header, r.Tally.Fail|r.Tally.Tolerated) // what a run tolerates does not make a client work
	again.Reasons = true
	for h, err := range r.Hosts() {
		if err != nil {
			return err
		}
		if own := again.AddHost(&h.Host, h.Findings); own != nil {
			a.client(h.Name, own)
		}
	}
	for _, c := range again.Close(r.Complete()) {
		a.client(c.Name, c.Own)
	}
	return a.flush()
}

// adviceWriter writes the lists, client by client.
type adviceWriter struct {
	methods []cause.Method
	lists   []*bufio.Writer // of the methods that were checked, four each
	table   *csv.Writer
	under   *bufio.Writer // of the table
	err     error
}

func newAdviceWriter(ws []io.Writer, r *Run) *adviceWriter {
	a := &adviceWriter{methods: r.Methods()}
	for _, w := range ws[:len(ws)-1] {
		a.lists = append(a.lists, bufio.NewWriter(w))
	}
	a.under = bufio.NewWriter(ws[len(ws)-1])
	_, a.err = a.under.WriteString(byteOrderMark)
	a.table = csv.NewWriter(a.under)
	a.table.UseCRLF = true
	a.keep(a.table.Write([]string{"Name", "Method", "Result", "Reason"}))
	return a
}

func (a *adviceWriter) keep(err error) {
	if a.err == nil {
		a.err = err
	}
}

// client writes the answers for one client.
func (a *adviceWriter) client(name string, own []cause.Opinion) {
	lists := a.lists
	for i := range a.methods {
		m := &a.methods[i]
		if !m.Checked {
			a.keep(a.table.Write([]string{csvText(name), m.Name, "not-checked", "the profile " + m.Name + " was not checked"}))
			continue
		}
		o := m.Of(own[i])
		_, err := lists[slices.Index(cause.Answers, o.Answer)].WriteString(clean(name) + "\n")
		a.keep(err)
		a.keep(a.table.Write([]string{csvText(name), m.Name, o.Answer.String(), csvText(o.Reason)}))
		lists = lists[len(cause.Answers):]
	}
}

func (a *adviceWriter) flush() error {
	a.table.Flush()
	a.keep(a.table.Error())
	for _, w := range append(a.lists, a.under) {
		a.keep(w.Flush())
	}
	if a.err != nil {
		return fmt.Errorf("write the advice: %w", a.err)
	}
	return nil
}

// clients counts the clients of a run, by the method that has most of them.
func clients(methods []cause.Method) int {
	n := 0
	for i := range methods {
		n = max(n, methods[i].Total())
	}
	return n
}

// otherMethods are those of which no profile was checked.
func otherMethods(methods []cause.Method) []string {
	var out []string
	for _, m := range methods {
		if !m.Checked {
			out = append(out, m.Name)
		}
	}
	return out
}

// remedy says what would prove the paths that all clients share; empty where
// that is said elsewhere.
func remedy(m *cause.Method) string {
	if m.Shared.Answer != cause.AnswerNotProven || m.Shared.Untested == 0 || m.Shared.From == "" {
		return ""
	}
	if m.Shared.From == scanner.RoleClient {
		return "check from a client too (--vantage client) and merge"
	}
	return fmt.Sprintf("check from the %s too (--vantage %[1]s) and merge", clean(string(m.Shared.From)))
}
