package history

import (
	"bufio"
	"bytes"
	"cmreach/scanner/verdict"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strconv"
	"strings"
)

// maxLine is the longest line that is read. A name and its paths are far shorter.
const maxLine = 1 << 20

// ErrForeign says that a file is something else than a memory, so that it must
// not be replaced by one.
var ErrForeign = errors.New("it is no state file of cmreach")

// VersionError says that a newer program wrote the file.
type VersionError struct {
	Found  int
	Writer string // the version of cmreach
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("it is of format %d, written by cmreach %q; this program reads formats up to %d: use the version that wrote it", e.Found, e.Writer, Version)
}

// DamagedError says that a memory cannot be read any more, and why.
type DamagedError struct{ Why string }

func (e *DamagedError) Error() string { return e.Why }

func damaged(format string, args ...any) error { return &DamagedError{fmt.Sprintf(format, args...)} }

// Read reads a memory. What is damaged is a *[DamagedError], and nothing of it
// is believed; what a newer program wrote is a *[VersionError], and what is
// something else altogether [ErrForeign].
func Read(r io.Reader) (*Memory, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	first, err := in.Peek(1)
	switch {
	case errors.Is(err, io.EOF):
		return nil, damaged("it is empty")
	case err != nil:
		return nil, err
	case first[0] == 0: // as some file systems leave what was not written before the power failed
		return nil, damaged("it begins with zero bytes")
	}
	rd := reader{m: New(), in: bufio.NewScanner(in)}
	rd.in.Buffer(nil, maxLine)
	if err := rd.read(); err != nil {
		return nil, err
	}
	return rd.m, nil
}

// reader reads one memory.
type reader struct {
	m     *Memory
	in    *bufio.Scanner
	sum   uint32
	paths int
}

func (r *reader) read() error {
	n := 0
	for r.in.Scan() {
		n++
		b := r.in.Bytes()
		if n == 1 {
			if err := r.header(b); err != nil {
				return err
			}
		} else if last, err := r.line(b, n); err != nil || last {
			return err
		}
		r.sum = crc32.Update(r.sum, castagnoli, b)
		r.sum = crc32.Update(r.sum, castagnoli, []byte{'\n'})
	}
	switch err := r.in.Err(); {
	case errors.Is(err, bufio.ErrTooLong) && n == 0:
		return ErrForeign
	case errors.Is(err, bufio.ErrTooLong):
		return damaged("line %d is too long", n+1)
	case err != nil:
		return err
	default:
		return damaged("it was cut after line %d", n)
	}
}

// magic is how every memory begins, of whatever version.
const magic = `{"cmreach_state":`

func (r *reader) header(b []byte) error {
	if !bytes.HasPrefix(b, []byte(magic)) {
		if bytes.HasPrefix([]byte(magic), b) { // cut in its first bytes
			return damaged("it was cut in line 1")
		}
		return ErrForeign
	}
	var v struct {
		State   int    `json:"cmreach_state"`
		Version string `json:"version"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return damaged("line 1 is incomplete, or was changed")
	}
	if v.State < plainVersion || v.State > Version {
		return &VersionError{Found: v.State, Writer: v.Version}
	}
	var h header
	if err := strict(b, &h); err != nil {
		return damaged("line 1 is incomplete, or was changed")
	}
	confirm, err := ParseConfirm(h.Confirm)
	if err != nil || h.Run.IsZero() {
		return damaged("line 1 is incomplete, or was changed")
	}
	for _, row := range h.Rows {
		if r.m.rowOf(row); row == "" {
			return damaged("line 1 names a row that has no name")
		}
	}
	if len(r.m.rows) != len(h.Rows) {
		return damaged("line 1 names a row twice")
	}
	if !r.receivers(&h) {
		return damaged("line 1 names receivers that cannot be")
	}
	r.m.info = Info{Version: h.Version, Started: h.Run, Complete: h.Complete, Vantage: h.Vantage, Site: h.Site, Confirm: confirm}
	return nil
}

// line reads a host, or the end.
func (r *reader) line(b []byte, n int) (last bool, err error) {
	var l line
	if err := strict(b, &l); err != nil {
		return false, damaged("line %d is incomplete, or was changed", n)
	}
	if l.End != nil {
		return true, r.end(*l.End, n)
	}
	if l.Untold != nil {
		if !r.untold(l.Untold) {
			return false, damaged("line %d has what was not told of a path that cannot be", n)
		}
		return false, nil
	}
	key := fold(l.Host)
	if l.Host == "" || r.m.hosts[key] != nil || len(r.m.untold) > 0 {
		return false, damaged("line %d names no host, or one for the second time, or one in the wrong place", n)
	}
	h := &host{name: l.Host, before: l.Reached, paths: make([]path, len(l.Paths))}
	for i, s := range l.Paths {
		if !h.paths[i].parse(s, len(r.m.rows)) {
			return false, damaged("line %d has the path %q, which cannot be read", n, s)
		}
		for j := range i {
			if h.paths[j].row == h.paths[i].row {
				return false, damaged("line %d has a path twice", n)
			}
		}
	}
	r.paths += len(h.paths)
	r.m.hosts[key] = h
	return false, nil
}

// receivers reads who was told of the memory.
func (r *reader) receivers(h *header) bool {
	if len(h.Receivers) > MostReceivers || len(h.Receivers) > 0 && h.State == plainVersion {
		return false
	}
	for _, l := range h.Receivers {
		to := receiver{l.ID, l.Since, l.Lost, l.More}
		if l.ID == "" || l.More < 0 || to.since.IsZero() && (to.lost != "" || to.more > 0) {
			return false
		}
		r.m.receivers = append(r.m.receivers, to)
	}
	return true
}

// untold reads a path of which somebody was not told. It is in the plan unless
// that is the news; a bit is that of a receiver which misses something.
func (r *reader) untold(l *untoldLine) bool {
	key := pathKey{fold(l.Host), l.Row}
	u := &untold{name: l.Host, required: l.Required, was: l.Was, turned: l.Turned, added: l.Added, gone: l.Gone}
	if l.Host == "" || r.m.untold[key] != nil || len(r.m.untold) >= MostUntold || uint64(l.Row) >= uint64(len(r.m.rows)) {
		return false
	}
	for i := range 32 {
		if u.who()>>i&1 != 0 && (i >= len(r.m.receivers) || r.m.receivers[i].since.IsZero()) {
			return false
		}
	}
	h := r.m.hosts[key.host]
	there := h != nil && slices.ContainsFunc(h.paths, func(p path) bool { return p.row == key.row })
	if u.who() == 0 || there != (u.turned|u.added != 0) || there == (u.gone != 0) {
		return false
	}
	r.m.untold[key] = u
	return true
}

func (r *reader) end(e end, n int) error {
	if e.Hosts != len(r.m.hosts) || e.Paths != r.paths || e.Sum != fmt.Sprintf("%08x", r.sum) {
		return damaged("its sum is wrong: it was changed after it was written")
	}
	if r.in.Scan() {
		return damaged("something follows its end, in line %d", n+1)
	}
	return r.in.Err()
}

// strict decodes one JSON object of known fields and nothing else.
func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.InputOffset() != int64(len(b)) {
		return errors.New("something follows")
	}
	return nil
}

// parse is the reverse of text.
func (p *path) parse(s string, rows int) bool {
	w := strings.Split(s, " ")
	if len(w) != 6 || len(w[1]) != 1 {
		return false
	}
	row, err := strconv.ParseUint(w[0], 10, 32)
	if err != nil || row >= uint64(rows) { //nolint:gosec // a length
		return false
	}
	need := strings.Index(needLetters, w[1])
	standing, flapping := strings.CutSuffix(w[2], "~")
	kind, ok := kindOfLetter(standing)
	if need < 0 || !ok || kind == kindUndecided {
		return false
	}
	*p = path{row: uint32(row), required: need == 1, standing: kind, flapping: flapping}
	if w[3] != verdict.StateUnknown.String() {
		if p.state, err = verdict.ParseState(w[3]); err != nil {
			return false
		}
	}
	if p.since, err = strconv.ParseInt(w[4], 10, 64); err != nil {
		return false
	}
	return p.history(w[5])
}

// history reads the last results.
func (p *path) history(s string) bool {
	if s == "-" {
		return true
	}
	if s == "" || len(s) > MostResults {
		return false
	}
	for i := range len(s) {
		k, ok := kindOfLetter(s[i : i+1])
		if !ok || k == kindNone || k == kindUndecided {
			return false
		}
		p.results = p.results.with(k)
	}
	return true
}

func kindOfLetter(s string) (kind, bool) {
	i := strings.Index(kindLetters, s)
	return kind(max(i, 0)), len(s) == 1 && i >= 0 //nolint:gosec // there are five
}
