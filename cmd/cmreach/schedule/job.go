package schedule

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Use says what an argument is to the program.
type Use uint8

// The uses of an argument.
const (
	Plain  Use = iota // words
	Reads             // a file that is read
	Secret            // a file that is read, and that nobody else should read
	Writes            // a file that is written, or replaced
)

// Arg is one argument of the program. A file has its whole path.
type Arg struct {
	Flag  string // "--output=text=", or empty
	Value string
	Use   Use
}

func (a Arg) String() string { return a.Flag + a.Value }

// Job is what is to be run, and when.
type Job struct {
	Name    string // of the unit or the task
	Program string // its whole path
	Args    []Arg
	When    When
	Jitter  time.Duration // each run begins up to this much later
}

// When is a time of day, and how often after it.
type When struct {
	Every time.Duration // divides an hour, or whole hours that divide a day
	At    time.Duration // since midnight
}

const day = 24 * time.Hour

var clock = regexp.MustCompile(`^([01]?[0-9]|2[0-3]):([0-5][0-9])$`)

// ParseWhen reads "15m", "1h" or "1d", and "02:30" or nothing. Only what all
// schedulers can do alike is taken.
func ParseWhen(every, at string) (When, error) {
	w := When{Every: day}
	if every != "1d" {
		d, err := time.ParseDuration(every)
		if err != nil || d < time.Minute || d%time.Minute != 0 || d > day || d < time.Hour && time.Hour%d != 0 || d >= time.Hour && (d%time.Hour != 0 || day%d != 0) {
			return w, fmt.Errorf("--every: %q cannot be had of every scheduler: give minutes that divide an hour (5m, 15m, 30m), hours that divide a day (1h, 6h), or 1d", every)
		}
		w.Every = d
	}
	if at == "" {
		if w.Every == day {
			w.At = 2*time.Hour + 30*time.Minute // when few work, and before the backups of most
		}
		return w, nil
	}
	m := clock.FindStringSubmatch(at)
	if m == nil {
		return w, fmt.Errorf("--at: %q is no time of day: write hours and minutes, such as 02:30", at)
	}
	h, _ := strconv.Atoi(m[1]) // digits, as the expression says
	min, _ := strconv.Atoi(m[2])
	w.At = time.Duration(h)*time.Hour + time.Duration(min)*time.Minute
	return w, nil
}

// minutes and hours are those at which a run begins; nil stands for all hours.
func (w When) minutes() []int {
	every := min(w.Every, time.Hour)
	var out []int
	for m := (w.At % time.Hour) % every; m < time.Hour; m += every {
		out = append(out, int(m/time.Minute))
	}
	return out
}

func (w When) hours() []int {
	if w.Every <= time.Hour {
		return nil
	}
	var out []int
	for h := w.At.Truncate(time.Hour) % w.Every; h < day; h += w.Every {
		out = append(out, int(h/time.Hour))
	}
	return out
}

// first is the first time of a day at which a run begins.
func (w When) first() time.Duration { return w.At % w.Every }

// words say when the job runs, for comments.
func (w When) words() string {
	at := fmt.Sprintf("%02d:%02d", int(w.first()/time.Hour), int(w.first()%time.Hour/time.Minute))
	switch {
	case w.Every == day:
		return "every day at " + at
	case w.Every == time.Hour:
		return fmt.Sprintf("every hour, %d minutes past", int(w.first()/time.Minute))
	case w.Every > time.Hour:
		return fmt.Sprintf("every %d hours, from %s on", int(w.Every/time.Hour), at)
	case w.Every == time.Minute:
		return "every minute"
	default:
		return fmt.Sprintf("every %d minutes, from %s on", int(w.Every/time.Minute), at)
	}
}

var goodName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// check refuses what no scheduler could be told.
func (j *Job) check() error {
	var errs []error
	if !goodName.MatchString(j.Name) {
		errs = append(errs, fmt.Errorf("--name: %q cannot name a job everywhere: use up to 64 letters, digits, - and _", j.Name))
	}
	if j.Jitter < 0 || j.Jitter >= j.When.Every || j.Jitter > maxJitter {
		errs = append(errs, fmt.Errorf("--jitter: %s is out of range: give less than the time between two runs, and 12h at the most", j.Jitter))
	}
	for _, a := range append([]Arg{{Value: j.Program}}, j.Args...) {
		if s := a.String(); !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
			errs = append(errs, fmt.Errorf("the argument %q has control characters or is no text: no scheduler takes it", s))
		}
	}
	return errors.Join(errs...)
}

// maxJitter is what two random bytes can count in seconds, and less.
const maxJitter = 12 * time.Hour

// list joins numbers.
func list(n []int, format, sep string) string {
	var s []string
	for _, v := range n {
		s = append(s, fmt.Sprintf(format, v))
	}
	return strings.Join(s, sep)
}
