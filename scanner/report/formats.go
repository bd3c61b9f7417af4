package report

import (
	"fmt"
	"io"
	"strings"
)

// Formats are the words for the formats, in the order of the documentation.
var Formats = []string{"text", "json", "jsonl", "junit", "html", "csv", "md", "prom"}

// Write renders a run in the format of that name. The options are for
// text, but for PromHosts.
func Write(w io.Writer, format string, r *Run, o TextOptions) error {
	switch format {
	case "text":
		return Text(w, r, o)
	case "json":
		return JSON(w, r)
	case "jsonl":
		return JSONL(w, r)
	case "junit":
		return JUnit(w, r)
	case "html":
		return HTML(w, r)
	case "prom":
		return Prom(w, r, o.PromHosts)
	case "csv":
		return CSV(w, r)
	case "md":
		return Markdown(w, r)
	default:
		return fmt.Errorf("unknown format %q (known: %s)", format, strings.Join(Formats, ", "))
	}
}
