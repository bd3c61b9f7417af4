package schedule_test

import (
	"bytes"
	"cmreach/cmd/cmreach/schedule"
	"encoding/xml"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

// hostile are arguments that each scheduler has its own way to spoil.
var hostile = []string{
	"", " ", "a b", "'", `"`, `\`, `\\`, "%", `\%`, `\\%`, `%%`, `a\%2% c\\`, "$HOME", "${HOME}", "$$", "`id`", "$(id)", "*", "~", "~root", ";", "a;b", "&", "|", "<>", "!",
	"#", "-", "--", `C:\Program Files\x\`, `\"`, `\\"`, `a\\\"b`, "it's", `'%'`, `'\%'`, "%n", "%H", "%i", "ü €  𐍈", "&amp;", "-->", "]]>", "{a,b}", "a=b", "@x", ":", "+x", "[a]", "(", "^", "blocked>2%,down>30%",
}

func job(args ...string) schedule.Job {
	j := schedule.Job{Name: "cmreach", Program: "/usr/local/bin/cmreach", When: schedule.When{Every: time.Hour}}
	for _, a := range args {
		j.Args = append(j.Args, schedule.Arg{Value: a})
	}
	return j
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
	}
}

func TestGolden(t *testing.T) {
	own := job("check", "--profile=push", "pc1")
	own.Jitter = 5 * time.Minute
	own.When = schedule.When{Every: 24 * time.Hour, At: 2*time.Hour + 30*time.Minute}
	own.Args = append(own.Args, schedule.Arg{Flag: "--state=", Value: "/var/lib/cmreach/push.state", Use: schedule.Writes},
		schedule.Arg{Flag: "--notify-file=", Value: "/etc/cmreach/50% off", Use: schedule.Secret},
		schedule.Arg{Flag: "--targets=", Value: "/etc/cmreach/clients.txt", Use: schedule.Reads})
	root := job("check", "a $b")
	root.When = schedule.When{Every: 15 * time.Minute, At: 5 * time.Minute}
	root.Args = append(root.Args, schedule.Arg{Flag: "--output=junit=", Value: "/srv/my reports/junit.xml", Use: schedule.Writes})
	for name, j := range map[string]schedule.Job{"own": own, "root": root} {
		line, err := schedule.Cron(j)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".cron", line)
		units, err := schedule.Systemd(j)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".systemd", units.Text(j.Name))
		verify(t, j)
		j.Program = `C:\Program Files\cmreach\cmreach.exe`
		task, err := schedule.Windows(j)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".xml", task)
	}
}

// verify has systemd itself read the units, and the times in them.
func verify(t *testing.T, j schedule.Job) {
	t.Helper()
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CMREACH_REQUIRE") == "all" {
			t.Fatal("systemd-analyze is required and not installed (Debian: systemd)")
		}
		t.Log("systemd-analyze is not installed (Debian: systemd): the units were not read by systemd")
		return
	}
	j.Program = "/bin/sh" // which is there
	u, err := schedule.Systemd(j)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	args := []string{"verify", "--man=no"}
	for name, text := range map[string]string{"cmreach.service": u.Service, "cmreach.timer": u.Timer} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput()
	if err != nil || strings.Contains(string(out), dir) {
		t.Errorf("systemd-analyze: %v\n%s", err, out)
	}
}

// cronParse is what cron does with a command before the shell sees it:
// the rule of crontab(5), byte by byte. ok is false when something was left
// over for standard input.
func cronParse(line string) (cmd string, ok bool) {
	var out []byte
	escaped := false
	for i := range len(line) {
		c := line[i]
		switch {
		case escaped && c == '%':
			out[len(out)-1] = '%'
			escaped = false
			continue
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '%':
			return string(out), false
		}
		out = append(out, c)
	}
	return string(out), true
}

// Cron's rule and then a real shell give every argument as it was.
func TestCronRoundTrip(t *testing.T) {
	sh, err := exec.LookPath("/bin/sh")
	if err != nil {
		t.Skip("no /bin/sh")
	}
	printer := filepath.Join(t.TempDir(), "print it's 100%")
	if err := os.WriteFile(printer, []byte("#!/bin/sh\nfor a; do printf '%s\\0' \"$a\"; done\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for chunk := range slices.Chunk(hostile, 12) {
		j := job(chunk...)
		j.Program = printer
		j.Jitter = 0
		text, err := schedule.Cron(j)
		if err != nil {
			t.Fatal(err)
		}
		cmd, ok := cronParse(cronCommand(t, text))
		if !ok {
			t.Errorf("cron would give a part of it to standard input: %s", text)
		}
		out, err := exec.CommandContext(t.Context(), sh, "-c", cmd).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s\n%s", err, cmd, out)
		}
		if got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"); !slices.Equal(got, chunk) {
			t.Errorf("%q, want %q", got, chunk)
		}
	}
	// With jitter the shell counts: here to 0 or 1 seconds.
	j := job("x")
	j.Program, j.Jitter = printer, 2*time.Second
	text, err := schedule.Cron(j)
	if err != nil {
		t.Fatal(err)
	}
	cmd, ok := cronParse(cronCommand(t, text))
	if !ok || !strings.HasPrefix(cmd, "sleep ") {
		t.Fatalf("%q", cmd)
	}
	out, err := exec.CommandContext(t.Context(), sh, "-c", cmd).CombinedOutput()
	if err != nil || string(out) != "x\x00" {
		t.Errorf("%q, %v", out, err)
	}
}

// cronCommand is the sixth field of the last line.
func cronCommand(t *testing.T, text string) string {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for _, l := range lines[:len(lines)-1] {
		if !strings.HasPrefix(l, "# ") {
			t.Errorf("no comment: %q", l)
		}
	}
	fields := strings.SplitN(lines[len(lines)-1], " ", 6)
	if len(fields) != 6 {
		t.Fatalf("%q", lines)
	}
	return fields[5]
}

// execParse reads ExecStart= by the rules of systemd.service(5) and
// systemd.syntax(7): quotes and backslashes, then specifiers, then variables.
func execParse(line string) (words []string, err error) {
	var word []byte
	in, quoted := false, false
	for i := 0; i < len(line); i++ {
		c := line[i]
		more := i+1 < len(line)
		switch {
		case c == '\\' && quoted && more && (line[i+1] == '\\' || line[i+1] == '"'):
			i++
			word = append(word, line[i])
		case c == '\\':
			return nil, errors.New("a lone backslash")
		case c == '"' && (quoted || !in):
			quoted, in = !quoted, true
		case c == '"' || c == '\'' && !quoted:
			return nil, errors.New("a quotation mark in a word")
		case c == ' ' && !quoted:
			if in {
				words = append(words, string(word))
			}
			word, in = nil, false
		case (c == '%' || c == '$') && more && line[i+1] == c:
			i++
			word, in = append(word, c), true
		case c == '%' || c == '$':
			return nil, errors.New("a specifier or a variable")
		case c == ';' && !quoted:
			return nil, errors.New("the end of a command")
		default:
			word, in = append(word, c), true
		}
	}
	if in {
		words = append(words, string(word))
	}
	return words, nil
}

func TestSystemdRoundTrip(t *testing.T) {
	u, err := schedule.Systemd(job(hostile...))
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(u.Service, "\nExecStart=")
	line, _, _ = strings.Cut(line, "\n")
	got, err := execParse(line)
	if want := append([]string{"/usr/local/bin/cmreach"}, hostile...); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v: %q, want %q", err, got, want)
	}
	verify(t, job(hostile...))
}

// argvParse is the rule of CommandLineToArgvW for all but the first word: 2n
// backslashes and a quotation mark are n backslashes and the end or beginning
// of quotes, 2n+1 are n and the mark itself; others are themselves.
func argvParse(line string) (words []string) {
	var word []byte
	in, quoted := false, false
	for i := 0; i < len(line); {
		n := 0
		for i < len(line) && line[i] == '\\' {
			n, i, in = n+1, i+1, true
		}
		switch {
		case i < len(line) && line[i] == '"':
			word = append(word, strings.Repeat(`\`, n/2)...)
			if n%2 == 1 {
				word = append(word, '"')
			} else {
				quoted = !quoted
			}
			in = true
			i++
			continue
		default:
			word = append(word, strings.Repeat(`\`, n)...)
		}
		if i == len(line) {
			break
		}
		if c := line[i]; (c == ' ' || c == '\t') && !quoted {
			if in {
				words = append(words, string(word))
			}
			word, in = nil, false
		} else {
			word, in = append(word, c), true
		}
		i++
	}
	if in {
		words = append(words, string(word))
	}
	return words
}

func TestWindowsRoundTrip(t *testing.T) {
	j := job(hostile...)
	j.Program = `C:\Program Files\R&D\<cmreach>.exe`
	text, err := schedule.Windows(j)
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r > 0x7e }) {
		t.Error("not ASCII: PowerShell would have to know the encoding")
	}
	var task struct {
		XMLName xml.Name `xml:"http://schemas.microsoft.com/windows/2004/02/mit/task Task"`
		Command string   `xml:"Actions>Exec>Command"`
		Args    string   `xml:"Actions>Exec>Arguments"`
	}
	d := xml.NewDecoder(bytes.NewReader([]byte(text)))
	if err := d.Decode(&task); err != nil {
		t.Fatal(err)
	}
	if task.Command != j.Program {
		t.Errorf("command %q", task.Command)
	}
	if got := argvParse(task.Args); !slices.Equal(got, hostile) {
		t.Errorf("%q, want %q", got, hostile)
	}
	for _, bad := range []string{"x%PATH%", "$(Arg0)", "%ProgramFiles(x86)%"} {
		if _, err := schedule.Windows(job(bad)); err == nil {
			t.Errorf("%q: the Task Scheduler would expand it", bad)
		}
	}
}

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
