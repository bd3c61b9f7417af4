package report

import (
	"cmreach/scanner/cause"
	"cmreach/scanner/verdict"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

const (
	// markdownSize bounds the summary in bytes. A comment on GitHub holds 65,536
	// characters; what more comes is refused, with all of it.
	markdownSize = 59_000
	// markdownText bounds one text of others in it, in bytes before escaping.
	markdownText  = 400
	markdownCell  = 120 // and one in a table
	markdownRows  = 40  // lines of a table
	markdownNotes = 10
	mostCauses    = 50
	openCauses    = 10 // the others are folded
)

// Markdown writes a summary for job summaries and comments on pull requests: the
// answer, the profiles in numbers, the causes with what to do, the methods of
// installation, and how sure all that is. It is under 60,000 bytes, whatever the
// run.
func Markdown(w io.Writer, r *Run) error {
	t := text{r: r, o: TextOptions{Width: 1 << 20}, said: map[string]int{}}
	t.sort()
	var m markdown
	m.answer(&t)
	var after markdown // the causes, which come first and are cut to what is left
	after.profiles(r)
	after.methods(r)
	tail := m.tail(&t)
	m.limit = markdownSize - len(tail) - after.b.Len()
	m.causes(&t)
	m.limit += after.b.Len()
	m.b.WriteString(after.b.String())
	m.boundaries(r)
	m.rows(&t)
	m.b.WriteString(tail)
	if _, err := io.WriteString(w, m.b.String()); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// markdown gathers the summary.
type markdown struct {
	b     strings.Builder
	limit int // 0: what is written is small
}

// block writes some lines if there is room for them.
func (m *markdown) block(s string) bool {
	const more = 120 // for the line that says what was left out, and what closes a fold
	if m.limit > 0 && m.b.Len()+len(s)+more > m.limit {
		return false
	}
	m.b.WriteString(s)
	return true
}

func (m *markdown) answer(t *text) {
	v := t.verdict()
	fmt.Fprintf(&m.b, "## cmreach: %s\n\n**%s**", v.word, mdText(v.rest, false))
	if t.r.Tally.Hosts > 0 {
		m.b.WriteString(" " + mdText(t.numbers(), false))
	}
	m.b.WriteString("\n\n")
	for _, b := range t.warnings() {
		fmt.Fprintf(&m.b, "**%s:** %s\n\n", b.word, mdText(b.rest, false))
	}
	m.b.WriteString("**Next step:** " + mdText(t.next(), false) + "\n\n" + mdText(t.about(), false) + "\n")
}

// profiles is the table of the profiles, in paths.
func (m *markdown) profiles(r *Run) {
	if r.Tally.Hosts == 0 {
		return
	}
	m.b.WriteString("\n### By profile\n\n| profile | verdict | paths |")
	dashes := "|---|---|--:|"
	for _, s := range verdict.States {
		m.b.WriteString(" " + s.String() + " |")
		dashes += "--:|"
	}
	m.b.WriteString(" need not be open |\n" + dashes + "--:|\n")
	t := text{r: r}
	for i, p := range t.inProfileOrder() {
		if i == markdownRows {
			fmt.Fprintf(&m.b, "\n... and %d more.\n", len(r.Tally.Profiles)-i)
			break
		}
		_, word := t.profile(p.Name)
		m.b.WriteString(partLine(mdText(p.Name, true), word, p))
	}
	if len(r.Tally.Profiles) > 1 && len(r.Tally.Profiles) <= markdownRows {
		m.b.WriteString(partLine("all", "", r.Tally.All))
	}
	for i, c := range r.coverageJSON() {
		if i == 0 {
			m.b.WriteString("\nMerged of several runs:\n\n")
		}
		if i == markdownNotes {
			break
		}
		fmt.Fprintf(&m.b, "- %s: %s\n", mdText(c.Profile, false), mdText(coverageLine(r.Coverage[i]), false))
	}
}

// partLine is a line of a table: counts by state, and how many of the paths that
// are not open need not be.
func partLine(name, word string, p verdict.Part) string {
	s := fmt.Sprintf("| %s | %s | %d |", name, word, p.Total())
	for _, st := range verdict.States {
		s += fmt.Sprintf(" %d |", p.States[st])
	}
	return s + fmt.Sprintf(" %d |\n", p.Classes[verdict.ClassOptional]+p.Classes[verdict.ClassSatisfied])
}

// methods is the table of the ways to install the client.
func (m *markdown) methods(r *Run) {
	methods := r.Methods()
	others := otherMethods(methods)
	if len(others) == len(methods) {
		return
	}
	m.b.WriteString("\n### Which installation method works, for how many clients\n\n| method | yes | not proven | no | undecided | what all clients share |\n|---|--:|--:|--:|--:|---|\n")
	for i := range methods {
		c := &methods[i]
		if !c.Checked {
			continue
		}
		fmt.Fprintf(&m.b, "| %s |", c.Name)
		for _, a := range cause.Answers {
			fmt.Fprintf(&m.b, " %d |", c.Clients[a])
		}
		shared := "works"
		if c.Shared.Answer != cause.AnswerYes {
			shared = strings.ReplaceAll(c.Shared.Answer.String(), "-", " ") + ": " + c.Shared.Reason
		}
		if s := remedy(c); s != "" {
			shared += "; " + s
		}
		fmt.Fprintf(&m.b, " %s |\n", marked(shared, markdownText, true))
	}
	if len(others) > 0 {
		fmt.Fprintf(&m.b, "\nNot checked: %s.\n", strings.Join(others, ", "))
	}
}

// causes lists what does not work, as many as there is room for.
func (m *markdown) causes(t *text) {
	all := slices.Concat(t.failing, t.errors, t.undecided, t.tolerated, t.untested, t.byHand)
	if len(all) == 0 || !m.block("\n### Causes, and what to do\n\n") {
		return
	}
	folded := false
	defer func() {
		if folded {
			m.b.WriteString("\n</details>\n")
		}
	}()
	for i, c := range all {
		if i == openCauses && m.block(fmt.Sprintf("\n<details><summary>%s</summary>\n\n", count(len(all)-i, "more cause"))) {
			folded = true
		}
		s := fmt.Sprintf("%d. **%s** %s\n", i+1, c.State, mdText(c.Message, false))
		if len(c.Sample) > 0 {
			s += "    - hosts: " + mdText(sample(c), false) + "\n"
		}
		if c.State == verdict.WrongHost || c.State == verdict.Error || c.State == verdict.Untested {
			s += "    - seen: " + mdText(strings.TrimPrefix(c.Example, "seen "), false) + "\n"
		}
		for j, a := range c.Advice {
			if j < 3 {
				s += "    - do: " + mdText(a, false) + "\n"
			}
		}
		if i == mostCauses || !m.block(s) {
			fmt.Fprintf(&m.b, "\n... and %d more causes; the whole report has them.\n", len(all)-i)
			return
		}
	}
}

// boundaries is the table of the named parts of the network.
func (m *markdown) boundaries(r *Run) {
	all := r.boundaries()
	if len(all) == 0 || !m.block("\n### By boundary\n\n| boundary | hosts | ready | not ready | error | undecided | to be tested from elsewhere |\n|---|--:|--:|--:|--:|--:|--:|\n") {
		return
	}
	for i, b := range all {
		n := hostsBy(b.Hosts, b.HostsBy)
		name := "(in no boundary)"
		if b.Name != "" {
			name = mdText(b.Name, true)
		}
		line := fmt.Sprintf("| %s | %d | %d | %d | %d | %d | %d |\n", name, n.Total, n.Ready+n.Optional, n.Failed, n.Error, n.Undecided, n.Untested)
		if i == markdownRows || !m.block(line) {
			fmt.Fprintf(&m.b, "\n... and %d more.\n", len(all)-i)
			return
		}
	}
}

// rows is the table of the rows.
func (m *markdown) rows(t *text) {
	parts := t.inOrder(t.r.Tally.Requirements)
	if len(parts) == 0 || !m.block("\n<details><summary>By row</summary>\n\n| row | port | open | of | not open |\n|---|---|--:|--:|---|\n") {
		return
	}
	v := t.r.measured()
	for i, p := range parts {
		row := v.named(p.Name)
		rest := others(p.States)
		if row.informational {
			rest = strings.TrimPrefix(rest+", informational", ", ")
		}
		line := fmt.Sprintf("| %s | %s | %d | %d | %s |\n", mdText(p.Name, true), portOf(row.protocol, row.ports), p.States[verdict.Open], p.Total(), rest)
		if i == 2*markdownRows || !m.block(line) {
			fmt.Fprintf(&m.b, "\n... and %d more.\n", len(parts)-i)
			break
		}
	}
	m.b.WriteString("\n</details>\n")
}

// tail says how sure the run is.
func (m *markdown) tail(t *text) string {
	var b strings.Builder
	b.WriteString("\n### How sure\n\n")
	for _, s := range t.confidence() {
		b.WriteString("- " + mdText(s, false) + "\n")
	}
	for i, n := range t.r.Header.Notes {
		if i == markdownNotes {
			fmt.Fprintf(&b, "- ... and %d more remarks\n", len(t.r.Header.Notes)-i)
			break
		}
		b.WriteString("- " + mdText(n, false) + "\n")
	}
	return b.String()
}

// mdText makes untrusted text fit for Markdown: on one line, not too long, and
// nothing but text. What some page might turn into a mention, a link or a
// reference is shown as code, where nobody looks for these; code also is copied
// as it stands. In a table a bar is escaped even there.
func mdText(s string, table bool) string {
	if table {
		return marked(s, markdownCell, true)
	}
	return marked(s, markdownText, false)
}

// marked is mdText of a text of at most so many bytes.
func marked(s string, most int, table bool) string {
	s = strings.TrimSpace(cut(clean(s), most))
	if reference.MatchString(s) {
		return codeSpan(s, table)
	}
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte("\\`*_{}[]<>#|~&$^!", s[i]) >= 0 || i == 0 && strings.IndexByte("-+=", s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// reference is what a page might find more than text in: @name, #12, !12, ~name,
// GH-12, www., a scheme, or an address of mail.
var reference = regexp.MustCompile(`(?i)@|://|www\.|mailto:|gh-[0-9]|[#!~%$&]["a-z0-9]`)

// codeSpan shows a clean text as code, between more backticks than it has in a row.
func codeSpan(s string, table bool) string {
	most, run := 0, 0
	for i := range len(s) {
		if s[i] == '`' {
			run++
		} else {
			run = 0
		}
		most = max(most, run)
	}
	fence := strings.Repeat("`", most+1)
	if most > 0 || strings.HasPrefix(s, " ") && strings.HasSuffix(s, " ") {
		s = " " + s + " " // one blank at each end is no part of the code
	}
	if table {
		s = strings.ReplaceAll(s, "|", `\|`)
	}
	return fence + s + fence
}

// cut shortens a clean text to so many bytes, at a character.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	const dots = "..."
	at := most - len(dots)
	for at > 0 && s[at]&0xc0 == 0x80 {
		at--
	}
	return s[:at] + dots
}
