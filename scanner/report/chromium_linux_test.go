package report_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// browser is a Chromium without a window, driven by the DevTools protocol over
// a pair of pipes: each message is JSON and ends with a zero byte. It runs in a
// network namespace of its own that has not even a loopback.
type browser struct {
	t       testing.TB
	out     *os.File
	session string
	mu      sync.Mutex
	next    int
	waiting map[int]chan reply
	told    []event // what the page reported by itself, in order
	signal  chan struct{}
	gone    chan struct{} // closed when the browser's end of the pipe is
}

type reply struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

type event struct {
	Method string
	Params json.RawMessage
}

// startChromium starts a browser with an empty page, or skips the test.
func startChromium(t testing.TB) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CMREACH_REQUIRE") == "all" {
			t.Fatal("chromium is required and not installed (Debian: chromium)")
		}
		t.Skip("chromium is not installed (Debian: chromium): the HTML report was not opened in a browser")
	}
	theirs, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	in, answers, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.MkdirTemp("", "cmreach-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe", "--user-data-dir="+home, "about:blank")
	cmd.ExtraFiles = []*os.File{theirs, answers} // 3 and 4
	cmd.Env = append(os.Environ(), "HOME="+home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, out: out, waiting: map[int]chan reply{}, signal: make(chan struct{}, 1), gone: make(chan struct{})}
	go b.listen(in)
	theirs.Close()
	answers.Close()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the group that was made for it
		_ = cmd.Wait()
		out.Close()
		<-b.gone
		in.Close()
		_ = os.RemoveAll(home)
	})
	b.attach()
	return b
}

// attach takes the first page, and asks to be told of what must not happen.
func (b *browser) attach() {
	b.t.Helper()
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var s struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &s)
	b.session = s.SessionID
	for _, d := range []string{"Page", "Runtime", "Log", "Network"} {
		b.call(d+".enable", nil, nil)
	}
}

// listen gives answers to who waits for them.
func (b *browser) listen(in *os.File) {
	defer close(b.gone)
	r := bufio.NewReaderSize(in, 1<<20)
	for {
		line, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m struct {
			ID int
			reply
			event
		}
		if json.Unmarshal(line[:len(line)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		if c := b.waiting[m.ID]; m.ID > 0 && c != nil {
			delete(b.waiting, m.ID)
			c <- m.reply
		} else if m.Method != "" {
			b.told = append(b.told, m.event)
			select {
			case b.signal <- struct{}{}:
			default:
			}
		}
		b.mu.Unlock()
	}
}

// call sends a command and waits for its answer.
func (b *browser) call(method string, params map[string]any, result any) {
	b.t.Helper()
	if params == nil {
		params = map[string]any{}
	}
	c := make(chan reply, 1)
	b.mu.Lock()
	b.next++
	m := map[string]any{"id": b.next, "method": method, "params": params}
	b.waiting[b.next] = c
	b.mu.Unlock()
	if b.session != "" {
		m["sessionId"] = b.session
	}
	raw, err := json.Marshal(m)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.out.Write(append(raw, 0)); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	select {
	case r := <-c:
		if r.Error != nil {
			b.t.Fatalf("%s: %s", method, r.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(r.Result, result); err != nil {
				b.t.Fatalf("%s: %v", method, err)
			}
		}
	case <-b.gone:
		b.t.Fatalf("%s: the browser is gone", method)
	case <-time.After(2 * time.Minute):
		b.t.Fatalf("%s: no answer", method)
	}
}

// open loads a page and waits for its load event.
func (b *browser) open(url string) {
	b.t.Helper()
	b.mu.Lock()
	from := len(b.told)
	b.mu.Unlock()
	var nav struct{ ErrorText string }
	b.call("Page.navigate", map[string]any{"url": url}, &nav)
	if nav.ErrorText != "" {
		b.t.Fatalf("%s: %s", url, nav.ErrorText)
	}
	b.waitFor("Page.loadEventFired", "", from)
}

// waitFor waits until the page has reported something, in a text, after the
// first events.
func (b *browser) waitFor(method, text string, from int) {
	b.t.Helper()
	limit := time.After(2 * time.Minute)
	for {
		b.mu.Lock()
		seen := slices.ContainsFunc(b.told[from:], func(e event) bool { return e.Method == method && strings.Contains(string(e.Params), text) })
		b.mu.Unlock()
		if seen {
			return
		}
		select {
		case <-b.signal:
		case <-b.gone:
			b.t.Fatal("the browser is gone")
		case <-limit:
			b.t.Fatalf("no %s", method)
		}
	}
}

// eval runs an expression in the page and reads its value.
func (b *browser) eval(expression string, v any) {
	b.t.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Exception struct{ Description string }
		}
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &r)
	if r.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, r.ExceptionDetails.Exception.Description)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal(r.Result.Value, v); err != nil {
		b.t.Fatalf("%s: %v in %s", expression, err, r.Result.Value)
	}
}

// until waits until a condition holds on the page, which follows a link in a
// task of its own, or gives up: what is looked at then says what is wrong.
func (b *browser) until(condition string) {
	b.t.Helper()
	b.call("Runtime.evaluate", map[string]any{"awaitPromise": true, "expression": `new Promise((done) => {
		let n = 0;
		const look = () => (` + condition + `) || ++n > 500 ? done() : setTimeout(look, 10);
		look();
	})`}, nil)
}

// text is the text of the first element that a selector finds.
func (b *browser) text(selector string) string {
	b.t.Helper()
	var s string
	b.eval(fmt.Sprintf("(document.querySelector(%s) || {textContent: '(no such element)'}).textContent", quote(selector)), &s)
	return s
}

func quote(s string) string {
	q, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(q)
}

// press presses keys, one after the other.
func (b *browser) press(keys ...string) {
	b.t.Helper()
	codes := map[string]int{"Tab": 9, "Enter": 13, "ArrowRight": 39, "ArrowDown": 40, "ArrowLeft": 37, "ArrowUp": 38}
	for _, k := range keys {
		down := map[string]any{"type": "keyDown", "key": k, "code": k, "windowsVirtualKeyCode": codes[k]}
		if k == "Enter" {
			down["text"] = "\r"
		}
		b.call("Input.dispatchKeyEvent", down, nil)
		b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": k, "code": k, "windowsVirtualKeyCode": codes[k]}, nil)
	}
}

// faults lists what a page must not do: errors, warnings and requests beside
// the pages that were opened.
func (b *browser) faults() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, e := range b.told {
		switch e.Method {
		case "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded", "Page.javascriptDialogOpening":
			out = append(out, e.Method+" "+string(e.Params))
		case "Network.requestWillBeSent":
			var p struct{ Request struct{ URL string } }
			if json.Unmarshal(e.Params, &p) != nil || !strings.HasPrefix(p.Request.URL, "file://") && p.Request.URL != "data:," {
				out = append(out, "request "+p.Request.URL)
			}
		}
	}
	return out
}

// shoot writes a picture of the page, for people who look.
func (b *browser) shoot(dir, name string, whole bool) {
	b.t.Helper()
	if dir == "" {
		return
	}
	var p struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": whole}, &p)
	raw, err := base64.StdEncoding.DecodeString(p.Data)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), raw, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}
