package report_test

import (
	"cmreach/scanner/cause"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// asCode matches code as CommonMark has it, with as many backticks before as after.
var asCode = regexp.MustCompile("`{3}[^`].*?[^`]`{3}|`{2}[^`].*?[^`]`{2}|`[^`]+`")

// active matches what is more than text: unescaped markup, and what a page makes
// a link or a mention of.
var active = regexp.MustCompile("(^|[^\\\\])(\\\\\\\\)*[<>`\\[\\]]|@|://|www\\.|(^|[^\\\\|])#[0-9a-z]")

// Names and banners are text and nothing else.
func TestMarkdownIsText(t *testing.T) {
	for _, text := range []string{
		"@all", "<script>alert(1)</script>", "[x](http://198.18.0.1)", "http://198.18.0.1/x", "www.example.com", "#12", "GH-12", "!7", "~label",
		"a|b|c", "`code`", "``", "```", "` `` ``` x", "|@x|`", "**bold**", "<img src=x>", "\n\n# head\n", "\x1b[31mred", "![](x)", "&lt;b&gt;", "a\\", "\\|", "mailto:x@y",
		"- - -", "=====", "- [ ] task", "</details>", strings.Repeat("|", 300), "\u202etfel", "x@example.com",
	} {
		f := oddFinding(text, verdict.WrongHost)
		g := f
		g.Profile, g.Requirement, g.State = text, text, verdict.Open
		out := render(t, report.Markdown, load(t, oddRun(t, [][]verdict.Finding{{f, g}}, text, &record.End{Err: text}), report.Options{}))
		for line := range strings.Lines(out) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "<details>") || line == "</details>" {
				continue // ours
			}
			if strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "|--") {
				cells := len(regexp.MustCompile(`[^\\]\|`).FindAllString(line, -1))
				if cells != 14 && cells != 6 && cells != 5 {
					t.Errorf("%q gives a row of %d cells: %s", text, cells, line)
				}
			}
			if rest := asCode.ReplaceAllString(line, "CODE"); active.MatchString(rest) {
				t.Errorf("%q gives %q", text, line)
			}
		}
	}
}

// However much there is to say, the summary is small, and says what it leaves out.
func TestMarkdownBounds(t *testing.T) {
	long := strings.Repeat("`|<@\U0001f3fd", 4_000)
	f := oddFinding(long, verdict.WrongHost)
	f.Addr = f.Addr.Next()
	run := load(t, oddRun(t, [][]verdict.Finding{{f}}, long, &record.End{Err: long, Hurdles: record.Hurdles{Trouble: 1, TroubleCause: long}}), report.Options{})
	for range 30 {
		run.Header.Notes = append(run.Header.Notes, long)
		run.Header.Profiles = append(run.Header.Profiles, long)
	}
	one := run.Causes[0]
	one.Sample = []string{long, long, long, long, long}
	one.Advice = []string{long, long, long, long}
	causes := fewer(t, "causes", 100_000, 3000)
	for n := range causes {
		one.ID, one.Message = fmt.Sprint(n), long
		run.Causes = append(run.Causes, one)
	}
	for n := range 5000 {
		name := fmt.Sprint(long[:500], n)
		run.Tally.Profiles = append(run.Tally.Profiles, verdict.Part{Name: name})
		run.Tally.Requirements = append(run.Tally.Requirements, verdict.Part{Name: name})
		run.Coverage = append(run.Coverage, verdict.Coverage{Profile: name})
		run.Header.Boundaries = append(run.Header.Boundaries, name)
		run.Tally.Boundaries = append(run.Tally.Boundaries, verdict.Boundary{Name: name})
	}
	run.Header.Merged = make([]record.Origin, 100)
	out := render(t, report.Markdown, run)
	if len(out) >= 60_000 {
		t.Errorf("%d bytes", len(out))
	}
	for _, want := range []string{"more causes; the whole report has them", "### How sure", "**Next step:**", "more remarks", "1. **wrong-host**"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	few := make([]cause.Cause, causes)
	for i := range few {
		few[i] = cause.Cause{State: verdict.Blocked, Message: "a short one"}
	}
	run.Causes = few
	if out := render(t, report.Markdown, run); len(out) >= 60_000 || !strings.Contains(out, fmt.Sprintf("... and %d more causes", causes-50)) {
		t.Errorf("%d bytes for %d short causes", len(out), causes)
	}
}
