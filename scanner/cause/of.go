package cause

import "cmreach/scanner/verdict"

// Of is the ID of the cause that explains a finding; empty where nothing is to
// be explained, because the path is open, not required, or made good by another
// of its any-of group. Where a run has more causes than a [Grouper] tells
// apart, the ID may be that of none of them.
func Of(f *verdict.Finding) string {
	if f.State == verdict.Open || !f.Required || f.SatisfiedBy != "" {
		return ""
	}
	return keyOf(f).id()
}
