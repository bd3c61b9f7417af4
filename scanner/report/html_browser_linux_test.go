package report_test

import (
	"cmreach/scanner"
	"cmreach/scanner/record"
	"cmreach/scanner/report"
	"cmreach/scanner/verdict"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// openPage renders a run and opens it.
func (b *browser) openPage(run *report.Run) string {
	b.t.Helper()
	file := filepath.Join(b.t.TempDir(), "report.html")
	if err := os.WriteFile(file, []byte(render(b.t, report.HTML, run)), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.open("file://" + file)
	return "file://" + file
}

// choose sets a filter as a user does, and reads how much is left.
func (b *browser) choose(key, value string) (hosts, paths int) {
	b.t.Helper()
	b.eval(fmt.Sprintf(`(() => { const e = document.getElementById("f-" + %s); e.value = %s;
		if (e.value !== %[2]s) throw new Error("no such choice: " + %[2]s);
		e.dispatchEvent(new Event(e.tagName === "SELECT" ? "change" : "input", {bubbles: true})); })()`, quote(key), quote(value)), nil)
	return b.left()
}

func (b *browser) clear() { b.t.Helper(); b.eval(`document.getElementById("clear").click()`, nil) }

// left reads "40 hosts of 73, 40 paths".
func (b *browser) left() (hosts, paths int) {
	b.t.Helper()
	said := strings.ReplaceAll(b.text("#count"), ",", "")
	var all int
	var word, unit string
	if n, err := fmt.Sscanf(said, "%d %s of %d %d %s", &hosts, &word, &all, &paths, &unit); n != 5 {
		b.t.Fatalf("%q: %v", said, err)
	}
	return hosts, paths
}

// What the page counts is what the record counts.
func TestPageCountsAgree(t *testing.T) {
	b := startChromium(t)
	for _, r := range runs()[:fewer(t, "runs", len(runs()), 1)] {
		run := load(t, r.record(t), report.Options{})
		b.openPage(run)
		tally := run.Tally
		if hosts, paths := b.left(); hosts != tally.Hosts || paths != tally.All.Total() {
			t.Errorf("%s: %d hosts and %d paths, want %d and %d", r.name, hosts, paths, tally.Hosts, tally.All.Total())
		}
		for _, s := range verdict.States {
			if n := tally.All.States[s]; n > 0 {
				if _, paths := b.choose("state", s.String()); paths != n {
					t.Errorf("%s: %d paths are %s, want %d", r.name, paths, s, n)
				}
			}
		}
		b.clear()
		for _, p := range tally.Profiles {
			if _, paths := b.choose("row", "p:"+p.Name); paths != p.Total() {
				t.Errorf("%s: %d paths of %s, want %d", r.name, paths, p.Name, p.Total())
			}
		}
		b.clear()
		for i, c := range []verdict.Class{verdict.ClassPassed, verdict.ClassFailed, verdict.ClassError, verdict.ClassUndecided, verdict.ClassUntested, verdict.ClassTolerated} {
			want := tally.HostsBy[c]
			if c == verdict.ClassPassed {
				want += tally.HostsBy[verdict.ClassSatisfied] + tally.HostsBy[verdict.ClassOptional]
			}
			if hosts, _ := b.choose("class", fmt.Sprint(i)); hosts != want {
				t.Errorf("%s: %d hosts of class %d, want %d", r.name, hosts, i, want)
			}
		}
		b.clear()
		b.countsOfCauses(run)
	}
	if f := b.faults(); len(f) > 0 {
		t.Errorf("the pages did: %s", strings.Join(f, "\n"))
	}
}

// countsOfCauses follows the link of each cause to its hosts.
func (b *browser) countsOfCauses(run *report.Run) {
	b.t.Helper()
	var heads []string
	b.eval(`[...document.querySelectorAll("ol.causes > li")].map((e) => e.id + " " + e.querySelector(".says").textContent)`, &heads)
	if len(heads) != len(run.Causes) {
		b.t.Errorf("%d causes, want %d", len(heads), len(run.Causes))
	}
	for _, c := range run.Causes {
		at := slices.IndexFunc(heads, func(h string) bool { return strings.HasSuffix(h, " "+c.State.String()+"\n "+c.Message) })
		if at < 0 {
			b.t.Errorf("no cause %q among %q", c.Message, heads)
			continue
		}
		id, _, _ := strings.Cut(heads[at], " ")
		hosts, paths := b.choose("cause", strings.TrimPrefix(id, "cause-"))
		if hosts != c.Hosts || paths != c.Paths {
			b.t.Errorf("%s: %d hosts and %d paths, want %d and %d", c.Message, hosts, paths, c.Hosts, c.Paths)
		}
	}
}

// From a cell of the matrix to the hosts of it, and to the evidence of a path,
// by the keyboard alone.
func TestPageByKeyboard(t *testing.T) {
	b := startChromium(t)
	run := load(t, runs()[0].record(t), report.Options{})
	url := b.openPage(run)
	focused := func() string {
		var s string
		b.eval(`(document.activeElement.getAttribute("href") || document.activeElement.id || document.activeElement.textContent)`, &s)
		return s
	}
	b.press("Tab")
	if got := focused(); got != "#causes" {
		t.Fatalf("the first stop is %q, want the link that skips to the causes", got)
	}
	for n := 0; !strings.HasPrefix(focused(), "#hosts:net="); n++ {
		if n > 100 {
			t.Fatal("Tab does not reach the matrix")
		}
		b.press("Tab")
	}
	b.press("ArrowDown", "ArrowRight", "ArrowRight", "ArrowLeft") // over the count of hosts, which is no link
	if got := focused(); got != "#hosts:net=1&row=0" {
		t.Fatalf("the arrows lead to %q", got)
	}
	b.press("ArrowRight", "ArrowDown", "Enter")
	b.until(`document.activeElement.id === "count"`)
	if hosts, paths := b.left(); hosts != 32 || paths != 32 {
		t.Fatalf("the cell leads to %d hosts and %d paths, want 32", hosts, paths)
	}
	if got := focused(); got != "count" {
		t.Fatalf("the focus is at %q, want the count of what was found", got)
	}
	for n := 0; focused() != "pc-0100"; n++ {
		if n > 5 {
			t.Fatalf("Tab does not reach the first host, but %q", focused())
		}
		b.press("Tab")
	}
	b.press("Enter")
	const path = "tr.paths details[open]"
	if got := b.text(path + " summary"); !strings.Contains(got, "blocked") || !strings.Contains(got, "push/smb") {
		t.Errorf("the open path is %q", got)
	}
	if got := b.text(path + " .evidence li"); !strings.Contains(got, "administratively prohibited from 198.18.1.2") {
		t.Errorf("its evidence is %q", got)
	}
	if got := b.text(path); !strings.Contains(got, "FPS-SMB-In-TCP-NoScope") || !strings.Contains(got, "1. 198.18.1.2 rejects TCP 445") {
		t.Errorf("fix and cause are not in %q", got)
	}
	b.press("Tab", "Enter") // closes the first path again
	var open int
	b.eval(`document.querySelectorAll("tr.paths details[open]").length`, &open)
	if open != 0 {
		t.Errorf("%d paths are open", open)
	}
	b.open("about:blank")
	b.open(url + "#hosts:text=pc-0101") // the address keeps the filter
	if hosts, _ := b.left(); hosts != 1 {
		t.Errorf("%d hosts by the address of the page", hosts)
	}
	if f := b.faults(); len(f) > 0 {
		t.Errorf("the page did: %s", strings.Join(f, "\n"))
	}
}

// Texts that would be markup, script or a request if they were taken for it.
var markupTexts = []string{
	`</script><script>window.hurt=1</script>`, `<!--<script>`, `"><img src=x onerror="window.hurt=1">`, `' onfocus='window.hurt=1' autofocus='`,
	`<link rel=stylesheet href=http://198.18.0.1/x.css>`, `<iframe src="javascript:window.hurt=1"></iframe>`, "\x00\x01\x02\x03\x04\x1b[31m\r\n",
	"\u202egnp.exe\u2066", "\xff\xfe\xc0", "\u2028\u2029", `&lt;b&gt;&#60;`, `\u003c\\`, "a\u0301\u0301\u0301", "__proto__", "$&$1${x}", ` after 5"</script>, x`,
	"]]>", "%3Cscript%3E", "\U0001f600", strings.Repeat("long ", 400),
}

// Nothing that comes from the network or from a list becomes part of the page.
func TestPageOfHostileTexts(t *testing.T) {
	b := startChromium(t)
	for _, text := range markupTexts[:fewer(t, "texts", len(markupTexts), 3)] {
		f := oddFinding(text, verdict.Blocked)
		f.Tags = []scanner.Detail{{Key: text, Value: text}}
		f.Boundary = text
		open := oddFinding(text, verdict.Open)
		open.Tags, open.Requirement, open.Boundary = f.Tags, "push/"+text, text
		run := load(t, oddRun(t, [][]verdict.Finding{{f, open}}, text, &record.End{Err: text}), report.Options{})
		b.openPage(run)
		b.eval(`document.querySelector("button.open").click(); document.querySelectorAll("details").forEach((d) => { d.open = true; })`, nil)
		var name string
		b.eval(`document.querySelector("button.open").textContent`, &name)
		var evidence []string
		b.eval(`[...document.querySelectorAll(".evidence li")].map((e) => e.textContent)`, &evidence)
		want := report.Clean(string([]rune(text))) // the record has no other bytes
		if name != want || len(evidence) != 4 || evidence[0] != want || evidence[3] != want {
			t.Errorf("%q is shown as %q, its evidence as %q", text, name, evidence)
		}
		var hurt bool
		b.eval(`Boolean(window.hurt || document.querySelector("img, iframe, link[rel=stylesheet], [onfocus]") || document.scripts.length !== 2)`, &hurt)
		if hurt {
			t.Errorf("%q became part of the page", text)
		}
		if hosts, _ := b.choose("text", name); hosts != 1 && !strings.ContainsAny(name, " ") {
			t.Errorf("%q is not found by its name", text)
		}
	}
	if f := b.faults(); len(f) > 0 {
		t.Errorf("the pages did: %s", strings.Join(f, "\n"))
	}
}

// The page refuses requests and scripts even where somebody puts them in.
func TestPagePolicy(t *testing.T) {
	b := startChromium(t)
	b.openPage(load(t, runs()[1].record(t), report.Options{}))
	b.eval(`(() => { const s = document.createElement("script"); s.textContent = "window.hurt = 1"; document.body.append(s);
		const i = new Image(); i.src = "http://198.18.0.1/x.png"; document.body.append(i); })()`, nil)
	var hurt bool
	b.eval(`Boolean(window.hurt)`, &hurt)
	b.waitFor("Network.loadingFailed", `"blockedReason":"csp"`, 0)
	faults := strings.Join(b.faults(), "\n")
	if hurt || strings.Count(faults, "Content Security Policy") != 2 {
		t.Errorf("the policy let something through: %v\n%s", hurt, faults)
	}
}

// What a screen reader and the keyboard need.
const accessible = `(() => {
	const out = [], all = (q) => [...document.querySelectorAll(q)], name = (e) => e.outerHTML.slice(0, 90);
	if (all("h1").length !== 1 || all("main").length !== 1 || all("header").length !== 1 || all("nav[aria-label]").length !== 1) out.push("landmarks");
	if (!document.title || !document.documentElement.lang) out.push("title or language");
	let level = 1;
	for (const h of all("h1, h2, h3, h4")) { const n = Number(h.tagName[1]); if (n > level + 1) out.push("a level is skipped at " + name(h)); level = n; }
	for (const th of all("th")) if (!th.scope) out.push("no scope: " + name(th));
	for (const t of all("table")) if (!t.caption && !t.ariaLabel) out.push("no name: " + name(t));
	for (const i of all("input, select")) if (!i.labels.length) out.push("no label: " + name(i));
	for (const s of all("section")) if (!document.getElementById(s.getAttribute("aria-labelledby"))) out.push("no name: " + name(s));
	for (const b of all("button, a")) if (!b.textContent.trim()) out.push("no text: " + name(b));
	for (const a of all('a[href^="#"]:not([href^="#hosts:"])')) if (!document.getElementById(a.getAttribute("href").slice(1))) out.push("leads nowhere: " + name(a));
	const ids = all("[id]").map((e) => e.id);
	if (new Set(ids).size !== ids.length) out.push("an id is there twice");
	for (const td of all("td.c")) if (!td.textContent.trim()) out.push("a state by colour alone: " + name(td));
	if (document.getElementById("count").getAttribute("aria-live") !== "polite") out.push("the count is silent");
	if (document.documentElement.scrollWidth > document.documentElement.clientWidth) out.push("wider than the window: " + document.documentElement.scrollWidth);
	return out;
})()`

func TestPageIsAccessible(t *testing.T) {
	b := startChromium(t)
	for _, width := range []int{1280, 390} {
		b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false}, nil)
		for _, r := range runs()[:fewer(t, "runs", len(runs()), 1)] {
			b.openPage(load(t, r.record(t), report.Options{}))
			b.eval(`document.querySelector("button.open").click()`, nil)
			var faults []string
			if b.eval(accessible, &faults); len(faults) > 0 {
				t.Errorf("%s, %d pixels wide: %s", r.name, width, strings.Join(faults, "\n"))
			}
		}
	}
}

// Verdict, causes and matrix need no script.
func TestPageWithoutScript(t *testing.T) {
	b := startChromium(t)
	b.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	run := load(t, runs()[0].record(t), report.Options{})
	b.openPage(run)
	var said string
	b.eval(`document.body.innerText`, &said)
	for _, want := range []string{
		"NOT READY 37 of 73 hosts", "On 198.18.1.2: permit TCP 445", "cmreach check -p push --vantage client", "32 blocked", "needs JavaScript", fmt.Sprintf("0 of %d silent paths", run.Silent),
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not to be read in:\n%s", want, said)
		}
	}
	if strings.Contains(said, "show 32 hosts") {
		t.Error("what needs the script is shown without it")
	}
}

// The theme is the system's, until somebody chooses.
func TestPageThemes(t *testing.T) {
	b := startChromium(t)
	b.openPage(load(t, runs()[1].record(t), report.Options{}))
	for _, system := range []string{"light", "dark"} {
		b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": system}}}, nil)
		var got []string
		b.eval(`(() => { const out = [], paper = () => getComputedStyle(document.body).backgroundColor, button = document.getElementById("theme");
			for (let i = 0; i < 4; i++) { out.push(button.textContent.replace("Theme: ", "") + " " + paper()); button.click(); }
			button.click(); button.click(); return out; })()`, &got)
		light, dark := "rgb(255, 255, 255)", "rgb(22, 25, 29)"
		own := map[string]string{"light": light, "dark": dark}[system]
		want := []string{"as the system " + own, "light " + light, "dark " + dark, "as the system " + own}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", system, got, want)
		}
	}
}
