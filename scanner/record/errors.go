package record

import "fmt"

// VersionError says that a record was written in a format that this program
// does not read.
type VersionError struct {
	Found   string // the schema of the record, "cmreach/2"
	Writer  string // the version of cmreach that wrote it
	Support string // the schema that this program reads
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("the record is of format %q, written by cmreach %q; this program reads %q: use the version that wrote it",
		e.Found, e.Writer, e.Support)
}

// SyntaxError names the line of a record that cannot be read.
type SyntaxError struct {
	Line int
	Err  error
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d of the record: %v", e.Line, e.Err) }

// Unwrap gives the reason.
func (e *SyntaxError) Unwrap() error { return e.Err }

// Truncated says that a record stops before its end, as it does when a run
// was killed or a copy was cut short, and what could be read of it. It comes
// after everything that could be read.
type Truncated struct {
	Hosts     int    // complete hosts that were read
	Planned   int    // targets that the header planned; 0: not known
	Lines     int    // whole lines that were read
	LostBytes int    // bytes of a last, incomplete line
	LostHost  string // a host whose messages are not complete, and which is therefore left out
}

func (e *Truncated) Error() string {
	s := fmt.Sprintf("the record has no end: %d addresses in %d lines could be read", e.Hosts, e.Lines)
	if e.Planned > 0 {
		s = fmt.Sprintf("the record has no end: %d addresses of %d planned hosts in %d lines could be read", e.Hosts, e.Planned, e.Lines)
	}
	if e.LostBytes > 0 {
		s += fmt.Sprintf("; the last line is incomplete, %d bytes are lost", e.LostBytes)
	}
	if e.LostHost != "" {
		s += fmt.Sprintf("; host %q is incomplete and left out", e.LostHost)
	}
	return s
}
