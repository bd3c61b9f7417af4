package record_test

import (
	"bytes"
	"cmreach/scanner/record"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// inspect reads all of a record and says what can be kept of it.
func inspect(r io.Reader) (record.Survey, error) {
	p, err := record.Open(r)
	if err != nil {
		return record.Survey{}, err
	}
	for _, err := range p.Hosts() {
		if err != nil {
			return p.Survey(), err
		}
	}
	return p.Survey(), nil
}

// Of a record that was cut at any byte, what is kept is what a replay of the cut
// record finds: each whole host and nothing else. What follows is written again
// by the same writer, and the result is the whole record.
func TestSurveyEveryPrefix(t *testing.T) {
	all := write(t)
	for n := range len(all) + 1 {
		s, err := inspect(bytes.NewReader(all[:n]))
		before := replay(all[:n])
		if before.err != nil {
			if err == nil {
				t.Fatalf("%d bytes: there is no header, and %+v", n, s)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if s.Whole > int64(n) || s.Hosts != len(before.hosts) || (s.End != nil) != (before.end != nil) {
			t.Fatalf("%d bytes: %+v, replayed %d hosts", n, s, len(before.hosts))
		}
		kept := all[:s.Whole]
		if open := kept[len(kept)-1] != '\n'; open != s.Open {
			t.Fatalf("%d bytes: the last line is open: %v, told %v", n, open, s.Open)
		}
		after := replay(kept)
		if d := cmp.Diff(before.hosts, after.hosts, cmpopts.EquateComparable(netip.Addr{})); d != "" || after.cut == nil || after.cut.LostHost != "" {
			t.Fatalf("%d bytes: %+v (-before +after the cut):\n%s", n, after.cut, d)
		}
		again, err := inspect(bytes.NewReader(kept))
		if err != nil || again.Whole != s.Whole || again.Hosts != s.Hosts {
			t.Fatalf("%d bytes: inspected again: %+v, %v, before %+v", n, again, err, s)
		}
	}
}

func TestSurveyTellsTheEnd(t *testing.T) {
	all := write(t)
	s, err := inspect(bytes.NewReader(all))
	if err != nil || s.End == nil || s.End.Exit != 1 || s.Progress == nil || s.Progress.Hosts != 3 || s.Hosts != 3 {
		t.Errorf("%+v, %v", s, err)
	}
	if !strings.HasPrefix(string(all[s.Whole:]), `{"cause":`) {
		t.Errorf("what is cut off begins with %.30q", all[s.Whole:])
	}
}

// Other programs may write JSON with other white space.
func TestSurveyOtherSpelling(t *testing.T) {
	all := write(t)
	spaced := bytes.ReplaceAll(bytes.ReplaceAll(all, []byte(`{"path":`), []byte(`{ "path" : `)), []byte(`{"finding":`), []byte(` {"finding": `))
	a, errA := inspect(bytes.NewReader(all))
	b, errB := inspect(bytes.NewReader(spaced))
	if err := errors.Join(errA, errB); err != nil || a.Hosts != b.Hosts || replay(spaced[:b.Whole]).err != nil {
		t.Errorf("%+v and %+v, %v", a, b, err)
	}
}

func TestSurveyBroken(t *testing.T) {
	all := string(write(t))
	for name, text := range map[string]string{
		"empty":             "",
		"no record":         "hello\n",
		"torn header":       all[:40],
		"other version":     strings.Replace(all, "cmreach/1", "cmreach/2", 1),
		"line in the midst": strings.Replace(all, "{\"observation\"", "{\"observatio\x00", 1),
		"no message":        strings.Replace(all, "\n", "\n{\"opinion\":{}}\n", 1),
		"after the end":     all + "{\"cause\":{}}\n",
	} {
		if s, err := inspect(strings.NewReader(text)); err == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestLockedRecord(t *testing.T) {
	name := filepath.Join(t.TempDir(), "run.jsonl")
	f, regular, err := record.Create(name)
	if err != nil || !regular {
		t.Fatal(regular, err)
	}
	if _, err := f.Write(write(t)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := record.Create(name); !errors.Is(err, record.ErrLocked) {
		t.Errorf("created over the writer's head: %v", err)
	}
	if _, err := record.Append(name); !errors.Is(err, record.ErrLocked) {
		t.Errorf("opened over the writer's head: %v", err)
	}
	if b, err := os.ReadFile(name); err != nil || len(b) != len(write(t)) {
		t.Errorf("%d bytes are left, %v", len(b), err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if f, err = record.Append(name); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestCut(t *testing.T) {
	all := write(t)
	name := filepath.Join(t.TempDir(), "run.jsonl")
	for _, n := range []int{len(all), len(all) - 30, bytes.LastIndex(all, []byte("\n{\"progress\"")), bytes.LastIndex(all, []byte(`{"cause"`))} {
		if err := os.WriteFile(name, all[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := record.Append(name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := inspect(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Cut(f); err != nil {
			t.Fatal(err)
		}
		w := record.NewWriter(f)
		if err := errors.Join(w.WriteEnd(record.End{Hosts: 3, Exit: 1}), f.Close()); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(name)
		if r := replay(b); err != nil || r.err != nil || len(r.hosts) != 3 || r.end == nil || r.end.Exit != 1 {
			t.Errorf("cut at %d: %+v, %v", n, r, err)
		}
	}
}

// The end is found without reading the record, wherever a kill has cut it.
func TestLastEnd(t *testing.T) {
	all := write(t)
	f, err := os.Create(filepath.Join(t.TempDir(), "run.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(append(bytes.Repeat([]byte("x"), record.MaxLine), '\n')); err != nil { // more than is looked at
		t.Fatal(err)
	}
	from := int64(record.MaxLine + 1)
	if _, err := f.Write(all); err != nil {
		t.Fatal(err)
	}
	for n := len(all); n >= 0; n -= max(1, (len(all)-n)/16) { // byte by byte at the end
		if err := f.Truncate(from + int64(n)); err != nil {
			t.Fatal(err)
		}
		want := replay(all[:n]).end
		end, err := record.LastEnd(f)
		if err != nil || (end == nil) != (want == nil) || !reflect.DeepEqual(end, want) {
			t.Fatalf("%d bytes: %+v, %v, want %+v", n, end, err, want)
		}
	}
}

func FuzzSurvey(f *testing.F) {
	all := write(f)
	f.Add(all)
	f.Add(all[:len(all)/2])
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := inspect(bytes.NewReader(b))
		if s.Whole > int64(len(b)) || s.Whole < 0 {
			t.Fatalf("%+v of %d bytes", s, len(b))
		}
		if again, errAgain := inspect(bytes.NewReader(b[:s.Whole])); err == nil && (errAgain != nil || again.Whole != s.Whole || again.Hosts != s.Hosts) {
			t.Errorf("%+v, and of the whole part %+v, %v", s, again, errAgain)
		}
	})
}
