package notify

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// What each receiver gets of one run: others read these forms.
func TestGolden(t *testing.T) {
	m := message(2)
	m.Now = m.Now.UTC()
	r := receiver(t, "smtp://mx.example.com"+addresses)
	r.mail.id = "0123"
	indented := func(b []byte) []byte {
		var out bytes.Buffer
		if err := json.Indent(&out, b, "", "  "); err != nil {
			t.Fatal(err)
		}
		return append(out.Bytes(), '\n')
	}
	for name, got := range map[string][]byte{
		"webhook.json": indented(webhookBody(m)), "slack.json": indented(slackBody(m)), "teams.json": indented(teamsBody(m)),
		"mail.eml": bytes.ReplaceAll(r.letter(m), []byte("\r\n"), []byte("\n")), "summary.txt": []byte(m.summary() + "\n"),
	} {
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
		}
	}
}
