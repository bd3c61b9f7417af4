package report

// Clean makes untrusted text fit for one line of a message to people, as all
// text formats show it: what is not printable is written as an escape.
func Clean(s string) string { return clean(s) }
