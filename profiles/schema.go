package profiles

import (
	"embed"
	"fmt"
)

//go:embed site/schema.json site/example.yaml
var siteFiles embed.FS

// SiteSchema is the JSON Schema of the site file, for editors. What it cannot
// say, LoadSite checks: the grammar of hosts and networks, the pair of ports of
// the software update point, and that ports exist.
func SiteSchema() (string, error) { return siteFile("site/schema.json") }

// SiteExample is a site file with every key, commented, to begin with.
func SiteExample() (string, error) { return siteFile("site/example.yaml") }

func siteFile(name string) (string, error) {
	text, err := siteFiles.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("read %s out of the program: %w", name, err)
	}
	return string(text), nil
}
