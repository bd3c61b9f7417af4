package report

import (
	"bufio"
	"cmreach/scanner/verdict"
	"crypto/sha256"
	_ "embed" // the style and the script of the page
	"encoding/base64"
	"fmt"
	"io"
	"time"
)

//go:embed html/report.css
var htmlStyle string

//go:embed html/data.js
var htmlDataScript string

//go:embed html/page.js
var htmlPageScript string

// HTML writes the run as one page that needs nothing else: no network, no
// other file, and for the verdict, the causes and the coverage no script. The
// hosts are data for its script, which shows those that are asked for. The page
// forbids itself everything but its own style and script, by their digests
// (Content Security Policy Level 3, 2.3.1), so that no text from the network
// can become either. The record is walked twice.
func HTML(w io.Writer, r *Run) error {
	p := webpage{r: r, tags: tags{w: bufio.NewWriterSize(w, 1<<16)}, t: text{r: r, said: map[string]int{}}}
	p.t.sort()
	g, err := newGrid(r)
	if err != nil {
		return err
	}
	p.head()
	p.verdict()
	p.causes()
	p.matrix(g)
	p.explorer()
	p.coverage()
	p.confidence()
	p.elsewhere()
	p.close("main")
	p.el("footer", p.t.about())
	p.line(`<script type="application/json" id="data">`)
	if err := p.data(g); err != nil {
		return err
	}
	p.line("</script>")
	p.line("<script>" + htmlScript() + "</script>")
	p.line("</body></html>")
	return p.flush()
}

// htmlScript is the script of the page.
func htmlScript() string { return "\n" + htmlDataScript + htmlPageScript }

// webpage writes one run as a page.
type webpage struct {
	tags
	r *Run
	t text // for its words, and its order of the causes
}

// sourceOf is the source expression that admits exactly this style or script.
func sourceOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (p *webpage) head() {
	style := "\n" + htmlStyle
	policy := "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; style-src " + sourceOf(style) + "; script-src " + sourceOf(htmlScript())
	word := p.t.verdict().word
	p.line("<!DOCTYPE html>")
	p.line(`<html lang="en"><head><meta charset="utf-8">`)
	p.line(`<meta http-equiv="Content-Security-Policy" content="` + policy + `">`)
	p.line(`<meta name="viewport" content="width=device-width, initial-scale=1">`)
	p.line(`<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer"><link rel="icon" href="data:,">`)
	p.el("title", word+" - cmreach, "+words(p.r.Header.Profiles)+", "+p.r.Header.Started.UTC().Format("2006-01-02 15:04"))
	p.line("<style>" + style + "</style></head><body>")
	p.el("a", "Skip to the causes", attr{"class", "skip"}, attr{"href", "#causes"})
	p.open("header")
	p.el("p", "cmreach", attr{"class", "brand"})
	p.open("nav", attr{"aria-label", "Sections"})
	for _, s := range p.sections() {
		p.el("a", s[1], attr{"href", "#" + s[0]})
	}
	p.close("nav")
	p.el("button", "Theme: as the system", attr{"id", "theme"}, attr{"type", "button"}, attr{"class", "scripted"})
	p.close("header")
	p.open("main")
}

// sections are the parts of this page: their anchors and names.
func (p *webpage) sections() [][2]string {
	s := [][2]string{{"verdict", "Verdict"}, {"causes", "Causes"}, {"matrix", "Matrix"}, {"hosts", "Hosts"}}
	if p.r.merged() {
		s = append(s, [2]string{"coverage", "Coverage"})
	}
	s = append(s, [2]string{"confidence", "How sure"})
	if len(p.t.untested)+len(p.t.byHand) > 0 {
		s = append(s, [2]string{"elsewhere", "To be tested"})
	}
	return s
}

// section begins a part of the page.
func (p *webpage) section(id, name string) {
	p.open("section", attr{"id", id}, attr{"aria-labelledby", id + "-h"})
	p.el("h2", name, attr{"id", id + "-h"})
}

// tones are the classes of the style for the colours of the text.
var tones = [...]string{plain: "none", bold: "none", red: "bad", green: "good", yellow: "warn"}

// verdict is the answer, and the counts by host and by profile.
func (p *webpage) verdict() {
	v := p.t.verdict()
	p.open("section", attr{"id", "verdict"}, attr{"aria-labelledby", "verdict-h"})
	p.open("h1", attr{"id", "verdict-h"})
	p.el("span", v.word, attr{"class", "word " + tones[v.color]})
	p.text(" " + v.rest)
	p.close("h1")
	p.el("p", p.t.about(), attr{"class", "about"})
	p.notWhole()
	p.open("p", attr{"class", "next"})
	p.el("strong", "Next step: ")
	p.text(p.t.next())
	p.close("p")
	h := hostsBy(p.r.Tally.Hosts, p.r.Tally.HostsBy)
	p.open("ul", attr{"class", "tiles"})
	for _, tile := range []struct {
		n    int
		name string
		tone string
	}{
		{h.Ready, "ready", "good"},
		{h.Failed, "not ready", "bad"},
		{h.Undecided, "not decided", "warn"},
		{h.Error, "error", "warn"},
		{h.Tolerated, "tolerated", "warn"},
		{h.Untested, "to be tested from elsewhere", "none"},
		{h.Optional, "nothing required", "none"},
	} {
		if tile.n == 0 && tile.tone != "good" && tile.tone != "bad" {
			continue
		}
		p.open("li", attr{"class", tile.tone})
		p.el("b", fmt.Sprint(tile.n))
		p.text(" " + tile.name)
		p.close("li")
	}
	p.close("ul")
	for _, m := range p.r.Tally.Measures() {
		if m.Paths > 0 {
			p.el("p", m.String()+".")
		}
	}
	p.profiles()
	p.close("section")
}

// notWhole says why the run is not all of the plan.
func (p *webpage) notWhole() {
	for _, w := range p.t.warnings() {
		p.open("p", attr{"class", "alarm"})
		p.el("strong", w.word+": ")
		p.text(w.rest)
		p.close("p")
	}
}

// profiles is the verdict by profile, with counts by state.
func (p *webpage) profiles() {
	if len(p.r.Tally.Profiles) == 0 {
		return
	}
	var states []verdict.State
	for _, s := range verdict.States {
		if p.r.Tally.All.States[s] > 0 {
			states = append(states, s)
		}
	}
	p.open("div", attr{"class", "scroll"}, attr{"tabindex", "0"}, attr{"role", "region"}, attr{"aria-label", "Verdict by profile"})
	p.open("table", attr{"class", "profiles"})
	p.el("caption", "By profile, in paths")
	p.open("thead")
	p.open("tr")
	for _, h := range []string{"profile", "verdict", "paths"} {
		p.el("th", h, attr{"scope", "col"})
	}
	for _, s := range states {
		p.el("th", s.String(), attr{"scope", "col"})
	}
	good := p.r.Tally.All.Classes[verdict.ClassSatisfied] > 0
	if good {
		p.el("th", "made good by another row", attr{"scope", "col"})
	}
	p.close("tr")
	p.close("thead")
	p.open("tbody")
	for _, part := range p.t.inProfileOrder() {
		c, word := p.t.profile(part.Name)
		p.open("tr")
		p.el("th", part.Name, attr{"scope", "row"})
		p.el("td", word, attr{"class", "word " + tones[c]})
		p.count(part.Total())
		for _, s := range states {
			p.count(part.States[s])
		}
		if good {
			p.count(part.Classes[verdict.ClassSatisfied])
		}
		p.close("tr")
	}
	p.close("tbody")
	p.close("table")
	p.close("div")
}

// count writes a number of a table.
func (p *webpage) count(n int) {
	class := "n"
	if n == 0 {
		class = "n zero"
	}
	p.el("td", fmt.Sprint(n), attr{"class", class})
}

// moment writes a time as the other formats do.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
