package schedule

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// expanded is what the Task Scheduler replaces in an action: variables of the
// environment, and the arguments of a task ($(Arg0)).
var expanded = regexp.MustCompile(`%[A-Za-z_][A-Za-z0-9_()]*%|\$\(Arg[0-9]+\)`)

// Windows is a task for Register-ScheduledTask, [MS-TSCH] 2.5. It is in ASCII,
// and says nothing of its encoding: the task is registered from a string, and
// PowerShell writes files in more than one encoding.
func Windows(j Job) (string, error) {
	err := j.check()
	var words []string
	for _, a := range j.Args {
		if found := expanded.FindString(a.String()); found != "" {
			err = errors.Join(err, fmt.Errorf("the argument %q: the Task Scheduler would put something else in the place of %s: write it otherwise", a, found))
		}
		words = append(words, argvQuote(a.String()))
	}
	if err != nil {
		return "", err
	}
	repetition := ""
	if j.When.Every < day {
		repetition = fmt.Sprintf("\n      <Repetition>\n        <Interval>%s</Interval>\n        <Duration>P1D</Duration>\n      </Repetition>", period(j.When.Every))
	}
	if j.Jitter >= time.Second {
		repetition += fmt.Sprintf("\n      <RandomDelay>%s</RandomDelay>", period(j.Jitter))
	}
	at := j.When.first()
	return fmt.Sprintf(windowsTask, j.Name, j.When.words(), int(at/time.Hour), int(at%time.Hour/time.Minute), repetition,
		xmlText(j.Program), xmlText(strings.Join(words, " "))), nil
}

// windowsTask runs as the local system, which may read what is under
// C:\ProgramData and asks for no password. A date in the past means from now on.
const windowsTask = `<?xml version="1.0"?>
<!-- Save as %[1]s.xml; then, in PowerShell as administrator:
       Register-ScheduledTask -TaskName %[1]s -Xml (Get-Content -Raw %[1]s.xml)
       Start-ScheduledTask -TaskName %[1]s
       (Get-ScheduledTaskInfo -TaskName %[1]s).LastTaskResult   the exit code -->
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>cmreach: network paths of client deployment, %[2]s</Description>
  </RegistrationInfo>
  <Triggers>
    <CalendarTrigger>
      <Enabled>true</Enabled>
      <StartBoundary>2026-01-01T%02[3]d:%02[4]d:00</StartBoundary>%[5]s
      <ScheduleByDay>
        <DaysInterval>1</DaysInterval>
      </ScheduleByDay>
    </CalendarTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>S-1-5-18</UserId>
      <RunLevel>HighestAvailable</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RunOnlyIfNetworkAvailable>true</RunOnlyIfNetworkAvailable>
    <ExecutionTimeLimit>P1D</ExecutionTimeLimit>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>%[6]s</Command>
      <Arguments>%[7]s</Arguments>
    </Exec>
  </Actions>
</Task>
`

// period is a duration of XML Schema, 3.2.6.
func period(d time.Duration) string {
	s := "PT"
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{time.Hour, "H"}, {time.Minute, "M"}, {time.Second, "S"}} {
		if n := d / u.of; n > 0 {
			s += fmt.Sprintf("%d%s", n, u.name)
			d -= n * u.of
		}
	}
	return s
}

// argvQuote makes one argument of a command line, as CommandLineToArgvW and the
// C runtime read it: backslashes count only before a quotation mark.
func argvQuote(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\"") {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	slashes := 0
	for i := range len(s) {
		switch s[i] {
		case '\\':
			slashes++
		case '"':
			b.WriteString(strings.Repeat(`\`, slashes+1)) // they are doubled, and the mark is escaped
			slashes = 0
		default:
			slashes = 0
		}
		b.WriteByte(s[i])
	}
	b.WriteString(strings.Repeat(`\`, slashes) + `"`)
	return b.String()
}

// xmlText escapes a text for XML in ASCII.
func xmlText(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case strings.ContainsRune(`<>&"'`, r), r > 0x7e:
			fmt.Fprintf(&b, "&#%d;", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
