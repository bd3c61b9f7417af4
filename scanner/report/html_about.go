package report

import (
	"fmt"
)

// coverage says from where the merged runs looked, and how much they have
// proven.
func (p *webpage) coverage() {
	if !p.r.merged() {
		return
	}
	p.section("coverage", "Coverage by vantage")
	p.open("ul", attr{"class", "coverage"})
	for _, c := range p.r.Coverage {
		p.open("li")
		p.el("b", c.Profile)
		p.text(" ")
		p.open("meter", attr{"min", "0"}, attr{"max", "100"}, attr{"value", fmt.Sprintf("%.1f", c.Percent())}, attr{"aria-label", c.Profile + ", share proven"})
		p.close("meter")
		p.text(" " + coverageLine(c))
		p.close("li")
	}
	p.close("ul")
	p.open("div", attr{"class", "scroll"}, attr{"tabindex", "0"}, attr{"role", "region"}, attr{"aria-label", "Merged runs"})
	p.open("table")
	p.el("caption", "The runs that were merged")
	p.open("tr")
	for _, h := range []string{"run", "vantage", "machine", "started", "hosts"} {
		p.el("th", h, attr{"scope", "col"})
	}
	p.close("tr")
	for _, o := range p.r.Header.Merged {
		p.open("tr")
		p.el("th", o.Run, attr{"scope", "row"})
		p.el("td", string(o.Vantage))
		p.el("td", o.Scanner)
		p.el("td", moment(o.Started))
		p.el("td", fmt.Sprint(o.Hosts), attr{"class", "n"})
		p.close("tr")
	}
	p.close("table")
	p.close("div")
	p.close("section")
}

// confidence says how far the silence can be trusted, and what limited the run.
func (p *webpage) confidence() {
	r := p.r
	p.section("confidence", "How sure")
	for _, line := range p.t.confidence() {
		p.el("p", line)
	}
	p.open("dl", attr{"class", "facts"})
	if r.Truncated == nil {
		p.pair("packets sent", fmt.Sprint(r.End.Packets))
		p.pair("loss of round trips", percent(r.End.Loss))
		p.pair("falsely silent paths expected", expected(r.End.Doubt))
	}
	p.pair("silent paths", fmt.Sprint(r.Silent))
	h := r.Header
	p.pair("rounds at most", fmt.Sprint(h.Rounds))
	p.pair("rate, packets a second", h.Rate)
	p.pair("timeout", h.Timeout.String())
	p.pair("engine", h.Engine)
	p.pair("depth", h.Depth)
	p.close("dl")
	if len(h.Notes) > 0 {
		p.el("h3", "Limits of this run")
		p.open("ul")
		for _, n := range h.Notes {
			p.el("li", n)
		}
		p.close("ul")
	}
	p.close("section")
}
