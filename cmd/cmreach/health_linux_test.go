package main

import (
	"bufio"
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/history"
	"cmreach/scanner/lab"
	"cmreach/scanner/verdict"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

var updateHealth = flag.Bool("update-health", false, "write the transcript of the health job anew")

// TestHealthJob plays the runs of a health job while the network changes, and
// compares what each of them prints, to which output, whom it notifies of what,
// and with which exit code, with the transcript testdata/history/job.txt.
func TestHealthJob(t *testing.T) {
	needRoot(t)
	j := &healthJob{t: t, prog: buildProgram(t), targets: []string{"198.19.1.1", "198.19.1.2", "198.19.1.3"}}
	n := &lab.Network{Domain: "lab.test", Routers: []lab.Router{{Name: "r1"}}}
	n.Fleets = []lab.Fleet{{
		Name: "clients", Behind: "r1", Host: n.HostByAddr, Listen: lab.ClientPC(),
		Prefixes: []netip.Prefix{netip.MustParsePrefix("198.19.1.0/29")},
	}}
	j.lab = startLab(t, n)
	quickNeighbours(t, j.lab, "r1")
	state := filepath.Join(j.prog.dir, "state")
	j.hook()

	j.run("the first run: everything is open")
	j.run("nothing changed")
	j.ip("route", "add", "prohibit", "198.19.1.1/32")
	j.run("this machine may not send to 198.19.1.1")
	j.run("it still may not")
	j.ip("route", "del", "198.19.1.1/32")
	j.run("it may again")
	j.block()
	j.run("r1 rejects TCP 445 to 198.19.1.2")
	j.run("it still does")
	j.unblock()
	j.run("it does no more")
	j.off()
	j.run("198.19.1.3 is off")
	j.atOnce()
	j.targets = j.targets[:2]
	j.run("198.19.1.3 is no target any more")
	j.block()
	whole := j.read(state)
	j.must(os.WriteFile(state, whole[:len(whole)/2], 0o600))
	j.run("the state file was cut in half, and r1 rejects again")
	if got := j.read(state + ".bad"); !bytes.Equal(got, whole[:len(whole)/2]) {
		t.Errorf("the damaged file was not kept, but\n%s", got)
	}
	j.unblock()
	j.diskFull(state)
	j.run("there is room again")
	for _, rejects := range []bool{true, false, true} {
		what := "r1 lets TCP 445 through"
		if j.unblock(); rejects {
			j.block()
			what = "r1 rejects TCP 445"
		}
		j.run(what)
	}
	j.run("r1 still rejects")
	j.unblock()
	for range 4 {
		j.run("r1 lets TCP 445 through")
	}
	j.refuses.Store(true)
	j.block()
	j.run("r1 rejects TCP 445, and the receiver of notifications refuses them")
	j.run("both still do")
	j.refuses.Store(false)
	j.run("r1 still rejects, and the receiver takes notifications again")
	j.run("nothing changed")
	j.refuses.Store(true)
	j.unblock()
	j.run("r1 lets TCP 445 through, and the receiver refuses again")
	j.refuses.Store(false)
	j.run("the receiver takes notifications again")
	j.refuses.Store(true)
	j.block()
	j.run("r1 rejects TCP 445, and the receiver refuses")
	j.refuses.Store(false)
	j.unblock()
	j.run("both are well before anybody was told")
	j.run("nothing changed")
	j.compare("../../testdata/history/job.txt")
}

// healthJob is a job and the network that it watches.
type healthJob struct {
	t          *testing.T
	prog       cmreach
	lab        *lab.Lab
	targets    []string
	transcript strings.Builder
	n          int

	url     string      // of the receiver of notifications
	refuses atomic.Bool // it answers with status 403
	mu      sync.Mutex
	told    []string
}

// hook starts the receiver, on the machine that the job runs on.
func (j *healthJob) hook() {
	var l net.Listener
	j.must(j.lab.In("", func() (err error) {
		l, err = net.Listen("tcp", "127.0.0.1:0")
		return err
	}))
	j.url = "http://" + l.Addr().String() + "/sEcReT"
	s := &http.Server{ReadTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if j.refuses.Load() {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		var got struct{ Text string }
		err := json.NewDecoder(r.Body).Decode(&got)
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.told = append(j.told, got.Text); err != nil {
			j.told = append(j.told, err.Error())
		}
	})}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	j.t.Cleanup(func() {
		_ = s.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			j.t.Error(err)
		}
	})
}

func (j *healthJob) must(err error) {
	j.t.Helper()
	if err != nil {
		j.t.Fatal(err)
	}
}

func (j *healthJob) read(name string) []byte {
	b, err := os.ReadFile(name)
	j.must(err)
	return b
}

func (j *healthJob) block() {
	to := netip.MustParsePrefix("198.19.1.2/32")
	j.must(j.lab.SetFilters("r1", []lab.Filter{{To: to, Protocol: scanner.TCP, First: 445, Do: lab.RejectProhibited}}))
}

func (j *healthJob) unblock() { j.must(j.lab.SetFilters("r1", nil)) }

func (j *healthJob) off() {
	j.must(j.lab.SetFilters("clients", []lab.Filter{{To: netip.MustParsePrefix("198.19.1.3/32"), Do: lab.Drop}}))
}

// ip changes the routes of the machine that the job runs on.
func (j *healthJob) ip(args ...string) {
	cmd := exec.CommandContext(j.t.Context(), "ip", args...)
	cmd.Stderr = os.Stderr
	j.must(j.lab.In("", cmd.Run))
}

// args are those of every run.
func (j *healthJob) args(more ...string) []string {
	args := []string{"check", "-p", "push", "--only", "icmp,smb", "--timeout", "250ms", "--state", "state", "--notify", j.url}
	return append(append(args, more...), j.targets...)
}

// run runs the job once.
func (j *healthJob) run(what string, more ...string) {
	j.t.Helper()
	j.finish(what, j.start(j.prog.command(j.t, nil, j.args(append(more, "--only-changes")...)...)))
}

// process is a run of the job that goes on.
type process struct {
	*exec.Cmd
	out, errs bytes.Buffer
}

func (j *healthJob) start(cmd *exec.Cmd) *process {
	j.t.Helper()
	p := &process{Cmd: cmd}
	if p.Stdout == nil {
		p.Stdout = &p.out
	}
	p.Stderr = &p.errs
	j.must(j.lab.In("", p.Start))
	return p
}

// finish waits for the end of a run, and notes what it said.
func (j *healthJob) finish(what string, p *process) {
	j.t.Helper()
	var exit *exec.ExitError
	if err := p.Wait(); err != nil && !errors.As(err, &exit) {
		j.t.Fatal(err)
	}
	j.n++
	fmt.Fprintf(&j.transcript, "== %d. %s\n%s", j.n, what, &p.out)
	for line := range strings.Lines(p.errs.String()) {
		j.transcript.WriteString("stderr: " + line)
	}
	j.mu.Lock()
	for _, text := range j.told {
		text, _, _ = strings.Cut(text, "\nTo see more\n")
		for line := range strings.Lines(text) {
			if line != "\n" {
				j.transcript.WriteString("notified: " + line)
			}
		}
	}
	j.told = nil
	j.mu.Unlock()
	fmt.Fprintf(&j.transcript, "exit code %d\n\n", p.ProcessState.ExitCode())
}

// atOnce starts three runs at once. The first has printed its text and waits for
// the reader of its second output; it has the state file until that comes.
func (j *healthJob) atOnce() {
	pipe := filepath.Join(j.prog.dir, "pipe")
	j.must(unix.Mkfifo(pipe, 0o600))
	cmd := j.prog.command(j.t, nil, j.args("-o", "text", "-o", "json=pipe")...)
	stdout, err := cmd.StdoutPipe()
	j.must(err)
	first := j.start(cmd)
	text := bufio.NewReader(stdout)
	line, err := text.ReadString('\n')
	j.must(err)
	first.out.WriteString(line)

	j.run("another run at the same time")
	waits := j.start(j.prog.command(j.t, nil, j.args("--only-changes", "--wait", "1m")...))
	_, err = os.ReadFile(pipe)
	j.must(err)
	_, err = io.Copy(&first.out, text)
	j.must(err)
	whole := first.out.String()
	changes, _, found := strings.Cut(whole, "\nNOT DECIDED: ")
	if !found {
		j.t.Errorf("the report does not follow what changed:\n%s", whole)
	}
	first.out.Reset()
	first.out.WriteString(changes + "\nNOT DECIDED: and so on, the whole report\n")
	j.finish("the run that was under way then, without --only-changes", first)
	j.finish("a third one, which waited", waits)
}

// diskFull runs the job on a file system that has no room for a second file.
func (j *healthJob) diskFull(state string) {
	j.must(os.Mkdir(filepath.Join(j.prog.dir, "tiny"), 0o755))
	script := `mount -t tmpfs -o size=8k tmpfs tiny && cp state tiny/state && : > tiny/state.lock &&
		{ head -c 4096 /dev/zero > tiny/full; "$0" "$@"; code=$?; cmp state tiny/state && ls -A tiny && exit $code; }`
	args := j.args("--only-changes")
	for i := range args {
		if args[i] == "state" {
			args[i] = "tiny/state"
		}
	}
	cmd := j.prog.command(j.t, nil)
	unshare := exec.CommandContext(j.t.Context(), "unshare", append([]string{"-m", "sh", "-c", script, j.prog.path}, args...)...)
	unshare.Dir, unshare.Env = cmd.Dir, cmd.Env
	before := j.read(state)
	j.finish("the disk is full, and r1 lets TCP 445 through", j.start(unshare))
	if !bytes.Equal(before, j.read(state)) {
		j.t.Error("the state file of the other disk changed")
	}
}

// changing is what is different in every run.
var changing = []struct {
	expression *regexp.Regexp
	stands     string
}{
	{regexp.MustCompile(`2\d\d\d-\d\d-\d\d( |\n +)\d\d:\d\d:\d\d UTC`), "DATE"},
	{regexp.MustCompile(`(?m)^cmreach \S+, push from .*(\n  .*)*`), "ABOUT"},
	{regexp.MustCompile(`(?m) from \S+$`), " from HERE"},
	{regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+`), "HOOK"},
}

// compare holds the transcript against a file.
func (j *healthJob) compare(name string) {
	got := j.transcript.String()
	for _, c := range changing {
		got = c.expression.ReplaceAllString(got, c.stands)
	}
	if *updateHealth {
		j.must(os.WriteFile(name, []byte(got), 0o644))
	}
	if d := cmp.Diff(string(j.read(name)), got); d != "" {
		j.t.Errorf("%s (-want +got; -update-health writes it anew):\n%s", name, d)
	}
}

// TestStateSurvivesKills kills runs at moments that are spread over the time
// that one takes, most of which goes into the writing of a large state: the file
// is always whole.
func TestStateSurvivesKills(t *testing.T) {
	if testing.Short() {
		leaveOut(t, "left out by -short")
	}
	prog := buildProgram(t)
	record, err := filepath.Abs("../../testdata/runs/push-interrupted.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	// An interrupted run keeps what it did not reach, and may be taken in again.
	hosts, kills := fewer(t, "hosts", 20_000, 500), fewer(t, "kills", 20, 5)
	m := history.New()
	c := m.Compare(history.Info{Started: time.Unix(1, 0), Vantage: scanner.RoleSiteServer}, verdict.DefaultFail)
	for i := range hosts {
		list := make([]verdict.Finding, 8)
		for j := range list {
			list[j] = verdict.Finding{Host: fmt.Sprintf("far-%05d", i), Requirement: fmt.Sprintf("push/row-%d", j), Required: true, State: verdict.Blocked}
		}
		c.Add(list)
	}
	c.End(true)
	state := filepath.Join(prog.dir, "state")
	f, err := os.Create(state)
	if err == nil {
		err = errors.Join(m.Write(f), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	start := func() *exec.Cmd {
		cmd := prog.command(t, nil, "report", record, "--state", "state", "-o", "text=out")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	began := time.Now()
	if code := await(t, start()); code != exitInterrupted {
		t.Fatalf("exit code %d", code)
	}
	took := time.Since(began)
	for i := range kills {
		cmd := start()
		time.Sleep(took * time.Duration(i) / time.Duration(kills)) // any moment will do
		_ = cmd.Process.Kill()                                     // it may have ended
		_ = cmd.Wait()
		b, err := os.ReadFile(state)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := history.Read(bytes.NewReader(b)); err != nil || bytes.Count(b, []byte(`"far-`)) != hosts {
			t.Fatalf("killed after %d/%d of the time: %v, %d bytes", i, kills, err, len(b))
		}
	}
	if code := await(t, start()); code != exitInterrupted {
		t.Errorf("exit code %d of a run that nobody killed", code)
	}
}
