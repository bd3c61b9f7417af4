//go:build !race

package report_test

// underRace says that the race detector watches.
const underRace = false
