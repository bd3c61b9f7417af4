package profiles

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the messages of this run as the wanted ones")

// TestBadFiles holds the exact messages for broken files: NAME.yaml beside
// NAME.want.
func TestBadFiles(t *testing.T) {
	for _, tt := range []struct {
		folder string
		load   func(path string) error
	}{
		{"bad", func(path string) error { _, err := Load(nil, []string{path}); return err }},
		{"bad-sites", func(path string) error { _, err := LoadSite(path); return err }},
	} {
		files, err := filepath.Glob(filepath.Join("..", "testdata", "profiles", tt.folder, "*.yaml"))
		if err != nil || len(files) < 15 {
			t.Fatalf("%d files in %s, %v", len(files), tt.folder, err)
		}
		for _, path := range files {
			t.Run(tt.folder+"/"+filepath.Base(path), func(t *testing.T) {
				err := tt.load(path)
				if err == nil {
					t.Fatal("no error")
				}
				got := strings.ReplaceAll(err.Error(), path, filepath.Base(path)) + "\n"
				want := strings.TrimSuffix(path, ".yaml") + ".want"
				if *update {
					if err := os.WriteFile(want, []byte(got), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				text, err := os.ReadFile(want)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(string(text), got); d != "" {
					t.Error(d)
				}
			})
		}
	}
}
