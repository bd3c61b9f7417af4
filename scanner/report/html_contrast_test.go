package report_test

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Every text can be read in both themes and on paper: a contrast of 4.5 to 1
// (WCAG 2.2, 1.4.3).
func TestContrast(t *testing.T) {
	css, err := os.ReadFile(filepath.Join("html", "report.css"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile(`\{[^{}]*--bg:[^{}]*\}`).FindAllString(string(css), -1)
	if len(blocks) != 4 {
		t.Fatalf("%d sets of colours, want 4: light, dark, dark by choice, paper", len(blocks))
	}
	if dark := strings.Join(strings.Fields(blocks[1]), " "); !strings.Contains(strings.Join(strings.Fields(blocks[2]), " "), strings.Trim(dark, "{ }")) {
		t.Error("the two dark themes differ")
	}
	for i, block := range blocks {
		light := map[string]float64{}
		for _, m := range regexp.MustCompile(`--([a-z0-9]+): #(..)(..)(..);`).FindAllStringSubmatch(block, -1) {
			light[m[1]] = luminance(t, m[2:])
		}
		pairs := 0
		for _, p := range []struct{ texts, papers string }{
			{"fg", "bg panel ok f1 f2 f3 f4 u o x"}, {"soft link good bad warn", "bg panel"},
		} {
			for _, text := range strings.Fields(p.texts) {
				for _, paper := range strings.Fields(p.papers) {
					a, b := light[text], light[paper]
					pairs++
					if c := (max(a, b) + 0.05) / (min(a, b) + 0.05); c < 4.5 {
						t.Errorf("theme %d: %s on %s has a contrast of %.2f", i, text, paper, c)
					}
				}
			}
		}
		if pairs != 20 || len(light) < 16 {
			t.Errorf("theme %d: %d pairs of %d colours", i, pairs, len(light))
		}
	}
}

// luminance is WCAG's relative luminance of a colour of sRGB.
func luminance(t *testing.T, hex []string) float64 {
	var sum float64
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
