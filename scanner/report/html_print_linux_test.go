package report_test

import (
	"cmreach/scanner/report"
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sheet is what was laid out for the printer: the lines of the list of hosts, of
// which so many have their paths, and the note.
type sheet struct {
	Lines, Opened int
	Note          string
}

const layOut = `{lines: document.querySelectorAll("#hostlist tr[data-host]").length, opened: document.querySelectorAll("#hostlist tr.paths").length,
	note: document.getElementById("paper").textContent}`

// printed gives the page to Chromium's printer, and reads what it laid out.
func (b *browser) printed() (sheet, string) {
	b.t.Helper()
	b.eval(`window.addEventListener("beforeprint", () => { window.laidOut = `+layOut+`; }, {once: true})`, nil)
	var out struct{ Data string }
	b.call("Page.printToPDF", map[string]any{"printBackground": false, "paperWidth": 8.27, "paperHeight": 11.69}, &out)
	pdf, err := base64.StdEncoding.DecodeString(out.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	var laid sheet
	b.eval(`window.laidOut`, &laid)
	if *shots != "" {
		if err := os.WriteFile(filepath.Join(*shots, b.t.Name()+".pdf"), pdf, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	return laid, string(pdf)
}

// toPaper lays the page out as for the printer, which is much slower.
func (b *browser) toPaper() (laid sheet) {
	b.t.Helper()
	b.eval(`(() => { window.dispatchEvent(new Event("beforeprint")); const s = `+layOut+`; window.dispatchEvent(new Event("afterprint")); return s; })()`, &laid)
	return laid
}

func screenNamed(t testing.TB, name string) []byte {
	t.Helper()
	all := screens()
	return all[slices.IndexFunc(all, func(s screen) bool { return s.name == name })].record(t)
}

// Paper has all hosts that need work, not those of one page of the screen; with
// a filter, those that it names. Nothing is cut off at the side, and the screen
// is afterwards as it was.
func TestPageOnPaper(t *testing.T) {
	b := startChromium(t)
	onScreen := func() (n int) {
		b.eval(`document.querySelectorAll("#hostlist tr[data-host]").length`, &n)
		return n
	}
	b.openPage(load(t, screen{machines: fleet(4, 40, blockedBy)}.record(t), report.Options{}))
	b.eval(`document.querySelectorAll("button.open")[3].click()`, nil)
	laid, pdf := b.printed()
	if want := (sheet{160, 1, "Printed: 160 hosts, those that need work."}); laid != want {
		t.Errorf("%+v, want %+v", laid, want)
	}
	if n := strings.Count(pdf, "/Type /Page\n"); n < 4 || n > 20 {
		t.Errorf("%d sheets", n)
	}
	var stillOpen int
	b.eval(`document.querySelectorAll("#hostlist tr.paths").length`, &stillOpen)
	if n := onScreen(); n != 50 || stillOpen != 1 {
		t.Errorf("after it, %d lines are on the screen, %d with their paths", n, stillOpen)
	}
	b.choose("cause", "2")
	if laid := b.toPaper(); laid.Lines != 40 || laid.Note != "Printed: 40 hosts." {
		t.Errorf("of cause 2: %+v", laid)
	}
	b.clear()

	b.openPage(load(t, screenNamed(t, "one cause"), report.Options{}))
	if laid := b.toPaper(); laid.Lines != 40 || laid.Note != "Printed: 40 hosts, those that need work. 180 hosts that need no work are left out." {
		t.Errorf("%+v", laid)
	}
	b.call("Emulation.setEmulatedMedia", map[string]any{"media": "print"}, nil)
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": 703, "height": 1032, "deviceScaleFactor": 1, "mobile": false}, nil) // A4 between margins of 12 mm
	var wide []string
	b.eval(`[...document.querySelectorAll("main *")].filter((e) => e.getClientRects().length && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.tagName + "." + e.className)`, &wide)
	if len(wide) > 0 {
		t.Errorf("beyond the edge of the paper: %q", wide[:min(len(wide), 10)])
	}
	var head string
	b.eval(`getComputedStyle(document.querySelector("table.hostlist thead")).display`, &head)
	if head != "table-header-group" {
		t.Errorf("the head of the list is %q, and does not come on every sheet", head)
	}
	if f := b.faults(); len(f) > 0 {
		t.Errorf("the pages did: %s", strings.Join(f, "\n"))
	}
}

// Of more hosts than paper is for, it says where the rest is.
func TestPaperHasAnEnd(t *testing.T) {
	b := startChromium(t)
	b.openPage(load(t, screen{machines: fleet(12, 200, blockedBy)}.record(t), report.Options{}))
	laid := b.toPaper()
	if note := laid.Note; laid.Lines != 2000 || !strings.HasPrefix(note, "Printed: 2,000 hosts, those that need work. 400 more ") || !strings.Contains(note, "-o csv=") {
		t.Errorf("%+v", laid)
	}
}
