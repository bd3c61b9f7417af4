//go:build !race

package scanner

// underRace says that the race detector watches.
const underRace = false
