package schedule_test

import (
	"cmreach/cmd/cmreach/schedule"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestWhen(t *testing.T) {
	for _, c := range []struct{ every, at, cron string }{
		{"15m", "", "0,15,30,45 * * * *"},
		{"15m", "08:05", "5,20,35,50 * * * *"},
		{"30m", "00:45", "15,45 * * * *"},
		{"1h", "", "0 * * * *"},
		{"60m", "3:07", "7 * * * *"},
		{"6h", "02:30", "30 2,8,14,20 * * *"},
		{"6h", "23:59", "59 5,11,17,23 * * *"},
		{"12h", "", "0 0,12 * * *"},
		{"1d", "", "30 2 * * *"},
		{"24h", "04:00", "0 4 * * *"},
	} {
		w, err := schedule.ParseWhen(c.every, c.at)
		if err != nil {
			t.Error(err)
			continue
		}
		j := job("x")
		j.When = w
		text, err := schedule.Cron(j)
		if err != nil || !strings.Contains(text, "\n"+c.cron+" /usr") {
			t.Errorf("%s at %q: %v\n%s", c.every, c.at, err, text)
		}
	}
	for _, bad := range [][2]string{{"7m", ""}, {"90m", ""}, {"5h", ""}, {"2d", ""}, {"0m", ""}, {"-1h", ""}, {"1m30s", ""}, {"x", ""}, {"", ""}, {"1h", "24:00"}, {"1h", "2:3"}, {"1h", "noon"}} {
		if w, err := schedule.ParseWhen(bad[0], bad[1]); err == nil {
			t.Errorf("%q: %v", bad, w)
		}
	}
}

// What no scheduler could be told is refused by each of them.
func TestRefused(t *testing.T) {
	long := job("check")
	for i := range 200 {
		long.Args = append(long.Args, schedule.Arg{Value: "client" + strconv.Itoa(i)})
	}
	if _, err := schedule.Cron(long); err == nil {
		t.Error("cron cuts a command of more than 1,000 characters")
	}
	bad := []schedule.Job{job("a\nb"), job("\x1b[2J"), job("\xff"), job("x"), job("x")}
	bad[3].Name = "a b"
	bad[4].Jitter = time.Hour
	for i, j := range bad {
		_, c := schedule.Cron(j)
		_, s := schedule.Systemd(j)
		_, w := schedule.Windows(j)
		if c == nil || s == nil || w == nil {
			t.Errorf("%d: %v, %v, %v", i, c, s, w)
		}
	}
	j := job("x")
	j.Program = "cmreach"
	if _, err := schedule.Systemd(j); err == nil {
		t.Error("systemd wants a whole path")
	}
}
