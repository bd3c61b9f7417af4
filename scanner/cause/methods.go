package cause

import (
	"cmreach/scanner"
	"cmreach/scanner/verdict"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Methods are the ways to install the client that advice is given for: each has
// the profile of that name.
var Methods = []string{"push", "gpo", "sup", "manual"}

// Answer says whether a method of installation would work for a client.
type Answer uint8

// The answers, best first.
const (
	AnswerYes       Answer = iota // every required path of the method is open
	AnswerNotProven               // nothing is known to be wrong, but paths were not tested from where they start
	AnswerUndecided               // a required path is down, unresolved or inconclusive, or could not be tested
	AnswerNo                      // a required path is blocked, closed, or leads to something else
)

// Answers are all answers, in the order of the reports.
var Answers = []Answer{AnswerYes, AnswerNotProven, AnswerNo, AnswerUndecided}

var answerWords = [...]string{"yes", "not-proven", "undecided", "no"}

func (a Answer) String() string {
	if int(a) < len(answerWords) {
		return answerWords[a]
	}
	return fmt.Sprint(uint8(a))
}

// Opinion is an answer with its reason; there is none where the answer is yes.
type Opinion struct {
	Answer   Answer
	Reason   string
	Untested int          // paths that were not tested from where they start
	From     scanner.Role // where one of these starts

	// Row and State are of the finding that the reason is about; empty where it
	// is about none.
	Row   string
	State verdict.State
}

// add takes a required finding of the class, and its reason if that is asked for.
func (o *Opinion) add(f *verdict.Finding, c verdict.Class, reasons bool) {
	var answer Answer
	switch c {
	case verdict.ClassFailed:
		answer = AnswerNo
	case verdict.ClassError, verdict.ClassUndecided:
		answer = AnswerUndecided
	case verdict.ClassUntested:
		answer, o.From = AnswerNotProven, f.From
		o.Untested++
	default:
		return
	}
	if answer <= o.Answer {
		return
	}
	if o.Answer = answer; answer == AnswerNotProven || !reasons {
		return // the number of the paths is the reason, or nobody asks
	}
	o.Row, o.State = f.Requirement, f.State
	o.Reason = f.Requirement + " is " + f.State.String()
	if f.To != scanner.RoleClient {
		o.Reason += " at " + f.Host
	}
	o.Reason += " (" + f.Reason + ")"
}

// worse is the opinion that has the last word.
func worse(a, b Opinion) Opinion {
	if b.Answer > a.Answer {
		return b
	}
	return a
}

// Method is what a run says of one way to install the client.
type Method struct {
	Name    string
	Checked bool    // its profile was checked
	Clients [4]int  // by Answer, with what they share
	Shared  Opinion // on the paths that all clients share, which lead to servers
}

// Total is the number of clients.
func (m *Method) Total() int {
	n := 0
	for _, c := range m.Clients {
		n += c
	}
	return n
}

// Of is the answer for a client, given that on its own paths.
func (m *Method) Of(own Opinion) Opinion { return worse(own, m.Shared) }

// Unchecked is a required row that applies and was not checked.
type Unchecked struct{ Requirement, AnyOf, Reason string }

// Advisor finds out which methods would work for which client, host by host. A
// method works for a client if all its required paths to the client are open,
// and so are those to servers, which it shares with all others. What the
// advisor keeps does not grow with the number of clients.
type Advisor struct {
	// Reasons asks for the reasons of the opinions on each client.
	Reasons bool

	fail    verdict.StateSet
	methods []Method
	at      map[string]int // by profile, of those that were checked
	rows    [][]string     // by method: its required rows to clients
	servers [][]serverRow  // by method: its required rows to servers
	gaps    []Unchecked
	several map[string]*client
	own     []Opinion // of the host that is being added
}

// serverRow is a required row to servers.
type serverRow struct {
	id, anyOf string
	seen      bool // a path of it was checked
}

// client is a name of which not all addresses came yet.
type client struct {
	left int
	own  []Opinion
}

// Client is a client with the opinions on its own paths, by method.
type Client struct {
	Name string
	Own  []Opinion
}

// NewAdvisor begins the advice for a run of these profiles and rows.
func NewAdvisor(profiles []string, rows []*scanner.Requirement, gaps []Unchecked, fail verdict.StateSet) *Advisor {
	n := len(Methods)
	a := &Advisor{
		fail: fail, methods: make([]Method, n), at: map[string]int{}, rows: make([][]string, n), servers: make([][]serverRow, n),
		gaps: gaps, several: map[string]*client{}, own: make([]Opinion, n),
	}
	for i, name := range Methods {
		a.methods[i] = Method{Name: name, Checked: slices.Contains(profiles, name)}
		if a.methods[i].Checked {
			a.at[name] = i
		}
	}
	for _, r := range rows {
		i, ok := a.at[r.Profile]
		switch {
		case !ok || r.Need != scanner.Required:
		case r.To == scanner.RoleClient:
			a.rows[i] = append(a.rows[i], r.ID)
		default:
			a.servers[i] = append(a.servers[i], serverRow{id: r.ID, anyOf: r.AnyOf})
		}
	}
	return a
}

// AddHost takes one address of a host. When that was the last one of a client,
// it returns the opinions on the client's own paths, valid until the next call;
// else nil. Of several addresses the worst counts: nobody knows which of them
// the name service gives.
func (a *Advisor) AddHost(h *scanner.Host, findings []verdict.Finding) []Opinion {
	clear(a.own)
	isClient := false
	profile, m, checked := "", 0, false // of the finding before: mostly the same
	for i := range findings {
		f := &findings[i]
		isClient = isClient || f.To == scanner.RoleClient
		if i == 0 || f.Profile != profile {
			profile = f.Profile
			m, checked = a.at[profile]
		}
		switch {
		case !checked || !f.Required:
		case f.To == scanner.RoleClient:
			a.own[m].add(f, verdict.ClassOf(f, a.fail), a.Reasons)
		default:
			a.methods[m].Shared.add(f, verdict.ClassOf(f, a.fail), true)
			a.see(m, f.Requirement)
		}
	}
	if !isClient {
		return nil
	}
	for m, rows := range a.rows {
		if len(rows) > 0 && a.own[m].Answer == AnswerYes {
			a.own[m] = missing(rows, findings)
		}
	}
	own := a.own
	if h.Addresses > 1 {
		if own = a.together(h); own == nil {
			return nil
		}
	}
	a.count(own)
	return own
}

// missing is the opinion on a client of which a row was perhaps not checked.
func missing(rows []string, findings []verdict.Finding) Opinion {
	at := 0 // the rows of a host are in the order of the profile
	for _, id := range rows {
		from := at
		for at < len(findings) && findings[at].Requirement != id {
			at++
		}
		if at < len(findings) {
			continue
		}
		for at = 0; at < from && findings[at].Requirement != id; at++ {
		}
		if at == from {
			return Opinion{Answer: AnswerNotProven, Reason: id + " was not checked"}
		}
	}
	return Opinion{}
}

// see notes that a row to servers was checked.
func (a *Advisor) see(method int, row string) {
	rows := a.servers[method]
	for i := range rows {
		if rows[i].id == row {
			rows[i].seen = true
		}
	}
}

// together waits for the last address of a name.
func (a *Advisor) together(h *scanner.Host) []Opinion {
	c := a.several[h.Name]
	if c == nil {
		c = &client{left: h.Addresses, own: make([]Opinion, len(Methods))}
		a.several[h.Name] = c
	}
	for i := range c.own {
		c.own[i] = worse(c.own[i], a.own[i])
	}
	if c.left--; c.left > 0 {
		return nil
	}
	delete(a.several, h.Name)
	return c.own
}

func (a *Advisor) count(own []Opinion) {
	for i, o := range own {
		a.methods[i].Clients[o.Answer]++
	}
}

// Close ends the advice; complete says that the run came to its end. It returns
// the clients of which an address is missing, by name.
func (a *Advisor) Close(complete bool) []Client {
	var rest []Client
	for _, name := range slices.Sorted(maps.Keys(a.several)) {
		c := a.several[name]
		for i := range c.own {
			c.own[i] = worse(c.own[i], Opinion{Answer: AnswerNotProven, Reason: "not all of its addresses were checked"})
		}
		a.count(c.own)
		rest = append(rest, Client{name, c.own})
	}
	clear(a.several)
	for i := range a.methods {
		m := &a.methods[i]
		if !m.Checked {
			m.Clients = [4]int{}
			continue
		}
		m.Shared = worse(m.Shared, a.unproven(i, complete))
		if s := &m.Shared; s.Answer == AnswerNotProven && s.Reason == "" {
			s.Reason = fmt.Sprintf("%s at the %s and %s not tested from there", plural(s.Untested, "path")+startsAt(s.Untested), s.From, was(s.Untested))
		}
		for better := range m.Shared.Answer { // no client has a better answer than what all share
			m.Clients[m.Shared.Answer] += m.Clients[better]
			m.Clients[better] = 0
		}
	}
	return rest
}

// unproven is what of a method's paths to servers nobody looked at.
func (a *Advisor) unproven(method int, complete bool) Opinion {
	rows := a.servers[method]
	have := func(anyOf string, seen bool) bool {
		return anyOf != "" && slices.ContainsFunc(rows, func(r serverRow) bool { return r.anyOf == anyOf && (r.seen || !seen) })
	}
	for _, g := range a.gaps {
		if strings.HasPrefix(g.Requirement, a.methods[method].Name+"/") && !have(g.AnyOf, false) {
			return Opinion{Answer: AnswerNotProven, Reason: g.Requirement + " was not checked: " + g.Reason}
		}
	}
	for _, r := range rows {
		if !r.seen && !have(r.anyOf, true) {
			return Opinion{Answer: AnswerNotProven, Reason: r.id + " was not checked"}
		}
	}
	if len(rows)+len(a.rows[method]) == 0 {
		return Opinion{Answer: AnswerNotProven, Reason: "no required path of it was checked"}
	}
	if !complete && len(rows) > 0 {
		return Opinion{Answer: AnswerNotProven, Reason: "the run did not come to its end"}
	}
	return Opinion{}
}

// Methods are the answers in numbers, after Close.
func (a *Advisor) Methods() []Method { return a.methods }

func startsAt(n int) string {
	if n == 1 {
		return " starts"
	}
	return " start"
}

func was(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}
