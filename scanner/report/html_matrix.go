package report

import (
	"cmreach/scanner/verdict"
	"fmt"
	"strings"
)

// matrix shows the share that is open, by row and by part of the network.
func (p *webpage) matrix(g *grid) {
	p.section("matrix", "Where what works")
	if len(g.rows) == 0 {
		p.el("p", "No path was checked.")
		p.close("section")
		return
	}
	p.open("p", attr{"class", "hint"})
	p.text("Share of the tested paths that are open; paths that start elsewhere are not counted. ")
	p.el("span", "A cell leads to its hosts (Enter or click; the arrow keys move).", attr{"class", "scripted"})
	p.close("p")
	p.open("ul", attr{"class", "legend"}, attr{"aria-label", "Legend"})
	for _, l := range [][2]string{
		{"ok", "all open"},
		{"f1", "under 5 % fail"},
		{"f2", "under 25 %"},
		{"f3", "under 75 %"},
		{"f4", "75 % and more"},
		{"u", "not decided"},
		{"o", "not open, does not count"},
		{"x", "tested from elsewhere"},
	} {
		p.el("li", l[1], attr{"class", l[0]})
	}
	p.close("ul")
	if len(g.named) > 0 {
		p.table(g, "bound", "By boundary", "boundary", g.named)
	}
	caption := "By subnet"
	if g.width > 0 {
		caption = fmt.Sprintf("By subnet: so many that they are joined to /%d (IPv6: /%d)", gridBits4[g.width], gridBits6[g.width])
	}
	p.table(g, "net", caption, "subnet", g.list)
	p.close("section")
}

func (p *webpage) table(g *grid, key, caption, what string, lines []*line) {
	p.open("div", attr{"class", "scroll tall"}, attr{"role", "region"}, attr{"aria-label", caption}, attr{"tabindex", "0"})
	p.open("table", attr{"class", "matrix"})
	p.el("caption", caption)
	p.open("thead")
	p.open("tr")
	p.el("th", what, attr{"scope", "col"}, attr{"rowspan", "2"}, attr{"class", "corner"})
	p.el("th", "hosts ready", attr{"scope", "col"}, attr{"rowspan", "2"})
	for i := 0; i < len(g.rows); {
		profile, n := profileOf(g.rows[i].Name), 0
		for ; i < len(g.rows) && profileOf(g.rows[i].Name) == profile; i++ {
			n++
		}
		p.el("th", profile, attr{"scope", "colgroup"}, attr{"colspan", fmt.Sprint(n)}, attr{"class", "group"})
	}
	p.close("tr")
	p.open("tr")
	for _, row := range g.rows {
		look := p.r.look.named(row.Name)
		p.open("th", attr{"scope", "col"}, attr{"title", p.title(row.Name)})
		p.text(rowName(row.Name))
		p.el("small", portOf(look.protocol, look.ports))
		p.close("th")
	}
	p.close("tr")
	p.close("thead")
	p.open("tbody")
	for i, l := range lines {
		p.gridLine(g, key, i, l)
	}
	p.close("tbody")
	p.close("table")
	p.close("div")
}

func (p *webpage) gridLine(g *grid, key string, at int, l *line) {
	name := l.name
	if name == "" {
		name = "(in no boundary)"
	}
	p.open("tr")
	p.open("th", attr{"scope", "row"})
	p.el("a", name, attr{"href", fmt.Sprintf("#hosts:%s=%d", key, at)})
	if key == "net" && !l.mixed && l.boundary != "" {
		p.el("small", l.boundary)
	}
	p.close("th")
	p.el("td", fmt.Sprintf("%d of %d", l.ready, l.hosts), attr{"class", "n"})
	for i := range l.cells {
		tone, share, rest := cellWords(&l.cells[i])
		if tone == "" {
			p.raw("<td></td>")
			continue
		}
		p.open("td", attr{"class", "c " + tone})
		p.open("a", attr{"href", fmt.Sprintf("#hosts:%s=%d&row=%d", key, at, i)}, attr{"title", cellTitle(g.rows[i].Name, name, &l.cells[i])})
		p.text(share)
		if rest != "" {
			p.raw("<small>" + rest + "</small>")
		}
		p.raw("</a></td>")
	}
	p.close("tr")
}

// cellWords are the colour of a cell, the share that is open of what was
// tested, and the most that is not.
func cellWords(c *cell) (tone, share, rest string) {
	total := c.Total()
	tested := total - c.States[verdict.Untested]
	open := c.States[verdict.Open]
	failed := c.Classes[verdict.ClassFailed]
	switch {
	case total == 0:
		return "", "", ""
	case failed > 0 && 20*failed < tested:
		tone = "f1"
	case failed > 0 && 4*failed < tested:
		tone = "f2"
	case failed > 0 && 4*failed < 3*tested:
		tone = "f3"
	case failed > 0:
		tone = "f4"
	case c.Classes[verdict.ClassUndecided]+c.Classes[verdict.ClassError] > 0:
		tone = "u"
	case tested == 0:
		return "x", "-", "untested"
	case open < tested:
		tone = "o"
	default:
		tone = "ok"
	}
	share = fmt.Sprintf("%d %%", 100*open/max(tested, 1)) // 100 only when it is all
	if open > 0 && 100*open < tested {
		share = "<1 %"
	}
	return tone, share, worstOf(c)
}

// worstOf names the state that most of the paths that are not open are in.
func worstOf(c *cell) string {
	var most verdict.State
	others := 0
	for _, s := range verdict.States[1:] {
		if s == verdict.Untested {
			continue
		}
		others += c.States[s]
		if c.States[s] > c.States[most] || most == verdict.StateUnknown && c.States[s] > 0 {
			most = s
		}
	}
	if most == verdict.StateUnknown {
		return ""
	}
	s := fmt.Sprintf("%d %s", c.States[most], most)
	if rest := others - c.States[most]; rest > 0 {
		s += fmt.Sprintf(" +%d", rest)
	}
	return s
}

func cellTitle(row, where string, c *cell) string {
	s := fmt.Sprintf("%s, %s: %d open of %d", row, where, c.States[verdict.Open], c.Total())
	if rest := others(c.States); rest != "" {
		s += "; " + rest
	}
	return s
}

// title says what a row is for.
func (p *webpage) title(id string) string {
	for _, r := range p.r.Header.Rows {
		if r.ID == id {
			return r.Title
		}
	}
	return ""
}

func profileOf(requirement string) string {
	profile, _, _ := strings.Cut(requirement, "/")
	return profile
}

// explorer is where the script shows the hosts.
func (p *webpage) explorer() {
	p.section("hosts", "Hosts, and the evidence of each path")
	p.line(`<noscript><p class="alarm">The list of hosts needs JavaScript, which is off here. All else on this page does not; <code>cmreach report RUN.jsonl -v</code> lists every host as text.</p></noscript>`)
	p.line(`<div id="explorer" hidden></div>`)
	p.close("section")
}
