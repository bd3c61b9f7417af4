package report

import (
	"cmreach/scanner"
	"cmreach/scanner/cause"
	"cmreach/scanner/verdict"
	"fmt"
	"net/netip"
	"strings"
)

// htmlList is how many subnets or boundaries of a cause are named.
const htmlList = 12

// causes lists what does not work, numbered as in the text; what is to be
// tested elsewhere or by hand has a part of its own.
func (p *webpage) causes() {
	p.section("causes", "Causes, and what to do")
	t := &p.t
	n := p.causeList("What is blocked, and why", t.failing, 0)
	n = p.causeList("What this machine could not test", t.errors, n)
	n = p.causeList("What could not be decided", t.undecided, n)
	n = p.causeList("What --fail-on tolerates", t.tolerated, n)
	if n == 0 {
		p.el("p", "Nothing that was tested is wrong.")
	}
	p.close("section")
}

// elsewhere are the paths that this run could not test, with the command that
// does, and from where.
func (p *webpage) elsewhere() {
	t := &p.t
	n := len(t.failing) + len(t.errors) + len(t.undecided) + len(t.tolerated)
	if len(t.untested)+len(t.byHand) == 0 {
		return
	}
	p.section("elsewhere", "To be tested from elsewhere, or by hand")
	n = p.causeList("From elsewhere", t.untested, n)
	p.causeList("By hand", t.byHand, n)
	p.close("section")
}

// causeList numbers on from n and returns the last number.
func (p *webpage) causeList(head string, causes []cause.Cause, n int) int {
	if len(causes) == 0 {
		return n
	}
	p.el("h3", head)
	p.open("ol", attr{"class", "causes"}, attr{"start", fmt.Sprint(n + 1)})
	for i := range causes {
		n++
		p.cause(&causes[i], n)
	}
	p.close("ol")
	return n
}

func (p *webpage) cause(c *cause.Cause, n int) {
	p.open("li", attr{"id", fmt.Sprintf("cause-%d", n)})
	p.open("p", attr{"class", "says"})
	p.el("span", c.State.String(), attr{"class", "state s-" + c.State.String()})
	p.text(" " + c.Message)
	p.close("p")
	p.open("dl")
	p.advice(c, n)
	if c.State == verdict.Untested {
		p.pair("when", p.when(c))
	}
	p.pair("rows", strings.Join(c.Requirements, ", "))
	if len(c.Subnets) > 0 {
		where := networks(c.Subnets)
		if len(c.Boundaries) > 0 {
			where += "; by boundary: " + inBoundaries(*c)
		}
		p.pair("where", where)
	}
	if c.Neighbours > 0 {
		p.pair("but open to", hosts(c.Neighbours)+" of the same subnets")
	}
	p.el("dt", "hosts")
	p.open("dd")
	p.text(sample(*c) + " ")
	p.el("a", "show "+hosts(c.Hosts), attr{"class", "scripted"}, attr{"href", fmt.Sprintf("#hosts:cause=%d", n)})
	p.close("dd")
	if c.State == verdict.WrongHost || c.State == verdict.Error || c.State == verdict.Untested {
		p.pair("seen", strings.TrimPrefix(c.Example, "seen "))
	}
	p.close("dl")
	p.close("li")
}

// advice is what to do: the first in full, and the rest, which is long, folded.
func (p *webpage) advice(c *cause.Cause, n int) {
	for i, a := range c.Advice {
		before := p.t.said[a]
		switch {
		case i == 0:
			p.el("dt", "do", attr{"class", "do"})
			p.open("dd", attr{"class", "do"})
			if at := strings.Index(a, "cmreach check "); c.State == verdict.Untested && at >= 0 {
				p.text(a[:at])
				p.el("code", a[at:])
			} else {
				p.text(a)
			}
			p.close("dd")
		case before > 0 && len(a) > 80:
			p.pair("how to fix", fmt.Sprintf("as under cause %d", before))
		case len(a) <= 160:
			p.pair("how to fix", a)
		default:
			p.el("dt", "how to fix")
			p.open("dd")
			p.open("details", attr{"class", "fix"})
			p.el("summary", short(clean(a), 100))
			p.el("p", a)
			p.close("details")
			p.close("dd")
		}
		if before == 0 {
			p.t.said[a] = n
		}
	}
}

// when says from when on the paths of a cause can be tested.
func (p *webpage) when(c *cause.Cause) string {
	later := 0
	for _, id := range c.Requirements {
		for _, r := range p.r.Header.Rows {
			if r.ID == id && r.Listener == scanner.ListenerWithClient {
				later++
			}
		}
	}
	switch {
	case later == 0:
		return "now"
	case later == len(c.Requirements):
		return "once the client is installed: it brings the listener with it"
	default:
		return "now, but for rows whose listener comes with the client: these once it is installed"
	}
}

// pair writes a term and what it is.
func (p *webpage) pair(term, s string) {
	p.el("dt", term)
	p.el("dd", s)
}

func networks(list []netip.Prefix) string {
	var out []string
	for _, n := range list[:min(len(list), htmlList)] {
		out = append(out, n.String())
	}
	s := strings.Join(out, ", ")
	if more := len(list) - len(out); more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
}
