package report_test

import (
	"cmreach/scanner/report"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	shots = flag.String("shots", "", "folder for pictures of the HTML report")
	page  = flag.String("page", "", "report of which to take pictures")
)

// One operation is a report of 20,000 hosts with eight rows each: written, and
// opened until it can be used; then a filter that is typed.
func BenchmarkPageOfManyHosts(b *testing.B) {
	run, err := report.Load(crowdRecord(b, 20_000), report.Options{Judge: judge})
	if err != nil {
		b.Fatal(err)
	}
	c := startChromium(b)
	file := filepath.Join(b.TempDir(), "crowd.html")
	for b.Loop() {
		f, err := os.Create(file)
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		if err := errors.Join(report.HTML(f, run), f.Close()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(start).Seconds(), "s/render")
		c.open("about:blank")
		start = time.Now()
		c.open("file://" + file)
		if hosts, paths := c.left(); hosts != run.Tally.Hosts || paths != run.Tally.All.Total() {
			b.Fatalf("%d hosts, %d paths", hosts, paths)
		}
		b.ReportMetric(time.Since(start).Seconds(), "s/open")
		start = time.Now()
		if hosts, _ := c.choose("text", "pc-19999"); hosts != 1 {
			b.Fatalf("%d hosts are found", hosts)
		}
		b.ReportMetric(time.Since(start).Seconds(), "s/filter")
	}
	if info, err := os.Stat(file); err == nil {
		b.ReportMetric(float64(info.Size())/1e6, "MB")
	}
	c.pictures("crowd", "file://"+file)
}

// pictures takes the page as it looks in both themes, on a desk, on a telephone
// and on paper; nothing without -shots.
func (b *browser) pictures(name, url string) {
	if *shots == "" {
		return
	}
	for _, theme := range []string{"light", "dark"} {
		b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": theme}}}, nil)
		for _, width := range []int{1280, 390} {
			b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
			b.open("about:blank")
			b.open(url)
			b.shoot(*shots, fmt.Sprintf("%s-%s-%d.png", name, theme, width), true)
			for _, part := range []string{"matrix", "elsewhere"} {
				b.eval(`(document.getElementById("`+part+`") || document.body).scrollIntoView()`, nil)
				b.shoot(*shots, fmt.Sprintf("%s-%s-%d-%s.png", name, theme, width, part), false)
			}
			b.eval(`(document.querySelector("td.f4 a") || document.querySelector("td.c a")).click()`, nil)
			b.waitFor("Page.navigatedWithinDocument", "", 0)
			b.eval(`document.querySelector("button.open").click(); document.getElementById("count").scrollIntoView()`, nil)
			b.shoot(*shots, fmt.Sprintf("%s-%s-%d-hosts.png", name, theme, width), false)
		}
	}
	b.call("Emulation.setEmulatedMedia", map[string]any{"media": "print"}, nil)
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": 1047, "height": 720, "deviceScaleFactor": 1, "mobile": false}, nil)
	b.open("about:blank")
	b.open(url)
	b.shoot(*shots, name+"-print.png", true)
	var pdf struct{ Data string }
	b.call("Page.printToPDF", map[string]any{"printBackground": false}, &pdf)
	raw, err := base64.StdEncoding.DecodeString(pdf.Data)
	if err == nil {
		err = os.WriteFile(filepath.Join(*shots, name+".pdf"), raw, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// With -shots and -page, pictures of any page that was written; a benchmark, as
// it checks nothing.
func BenchmarkPictures(b *testing.B) {
	if *shots == "" || *page == "" {
		b.Skip("for people who look: -shots FOLDER -page FILE.html")
	}
	file, err := filepath.Abs(*page)
	if err != nil {
		b.Fatal(err)
	}
	startChromium(b).pictures(strings.TrimSuffix(filepath.Base(file), ".html"), "file://"+file)
}
