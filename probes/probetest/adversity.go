package probetest

import (
	"cmreach/scanner"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/goleak"
)

// The limits that every probe keeps, whatever its peer does.
const (
	maxRead = 256 << 10 // bytes taken from the connections of one conversation
	maxText = 1 << 10   // length of any text in the result
)

// short is the time of a conversation with a peer that never comes to the
// point. Peers that do get the guard's time: a loaded machine fails no test.
const short = 300 * time.Millisecond

// Adversity holds a TCP probe against every kind of hostile peer. Answers are
// what a right peer says first; peers that cut, stall and drip are made of
// them, so that the probe is led past its first check.
//
// For each peer the probe must return when its context ends, with one of the
// outcomes that fit the peer and never with Spoke; it must not panic, read
// without bound, return long or unprintable text, or leave a connection or a
// goroutine behind.
func Adversity(t *testing.T, probe scanner.Probe, answers ...[]byte) {
	t.Helper()
	if probe.Talk == nil {
		t.Fatalf("probe %q holds no conversation: Adversity is for TCP probes", probe.Name)
	}
	hostile := scenarios()
	for i, answer := range answers {
		hostile = append(hostile, spoiled(fmt.Sprintf("answer %d", i+1), answer)...)
	}
	for _, s := range hostile {
		t.Run("adversity/"+s.name, func(t *testing.T) { s.run(t, probe) })
	}
}

// scenario is one hostile peer and the outcomes that fit it.
type scenario struct {
	name string
	peer func(conn net.Conn)
	// reply is what a Dial that does not connect ends with, in place of a peer.
	reply scanner.Reply
	// patience is how long the context lasts; 0: as long as it takes.
	patience time.Duration
	// cancel ends the context: before the first Dial, or when the probe has
	// sent its request.
	cancel cancelPoint
	want   []scanner.Outcome
}

// reporter is the part of *testing.T that the checks use.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

type cancelPoint uint8

const (
	cancelNever cancelPoint = iota
	cancelBefore
	cancelOnRequest
)

func (s scenario) run(t *testing.T, probe scanner.Probe) {
	t.Helper()
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())

	patience := s.patience
	if patience == 0 {
		patience = guard / 2
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if s.cancel == cancelBefore {
		cancel()
	}

	w := &watch{}
	call, closePeer := s.call(t, cancel)
	defer closePeer()
	call.Dial = w.dialer(call.Dial)

	got, ok := converse(ctx, t, probe, call)
	if !ok {
		return
	}
	s.checkOutcome(t, got, w.opened())
	w.check(t)
	checkText(t, got)
}

// call makes the call of the scenario, and what ends its peer.
func (s scenario) call(t *testing.T, cancel context.CancelFunc) (scanner.Call, func()) {
	t.Helper()
	if s.peer == nil {
		return scanner.Call{
			Host:  "peer.example",
			To:    netip.MustParseAddrPort("127.0.0.1:1"),
			Depth: scanner.AssuranceIdentity,
			Dial:  s.dialFails,
		}, func() {}
	}
	peer := s.peer
	if s.cancel == cancelOnRequest {
		peer = func(conn net.Conn) {
			request(conn)
			cancel()
			drain(conn)
		}
	}
	srv := newServer(t, peer)
	return scanner.Call{
		Host:  "peer.example",
		To:    srv.addr,
		Depth: scanner.AssuranceIdentity,
		Dial:  srv.dial,
	}, srv.close
}

// dialFails is a Dial that ends as the scenario says.
func (s scenario) dialFails(ctx context.Context) (net.Conn, scanner.Reply) {
	if s.reply.Outcome == scanner.Silent {
		<-ctx.Done()
	}
	return nil, s.reply
}

// converse runs the conversation and catches a panic and a hang.
func converse(ctx context.Context, t reporter, probe scanner.Probe, call scanner.Call) (scanner.Result, bool) {
	t.Helper()
	type end struct {
		result scanner.Result
		panics error
	}
	done := make(chan end, 1)
	go func() {
		var e end
		defer func() {
			if p := recover(); p != nil {
				e.panics = fmt.Errorf("%v\n%s", p, debug.Stack())
			}
			done <- e
		}()
		e.panics = errors.New("the goroutine was ended") // by runtime.Goexit
		e.result = probe.Talk(ctx, call)
		e.panics = nil
	}()
	select {
	case e := <-done:
		if e.panics != nil {
			t.Errorf("the probe panicked: %v", e.panics)
			return scanner.Result{}, false
		}
		return e.result, true
	case <-time.After(guard):
		t.Errorf("the probe did not return when its context ended")
		return scanner.Result{}, false
	}
}

func (s scenario) checkOutcome(t reporter, got scanner.Result, opened int) {
	t.Helper()
	want := s.want
	if s.peer != nil && opened == 0 {
		// A loaded machine may not even connect in the time of a short
		// context; then silence is the truth.
		want = []scanner.Outcome{scanner.Silent}
	}
	if !slices.Contains(want, got.Outcome) {
		t.Errorf("outcome %s (err %q, details %v), want one of %v", got.Outcome, got.Err, got.Details, want)
	}
	if s.peer == nil && got.Reply.Outcome != s.reply.Outcome {
		t.Errorf("reply of the failed Dial: %+v, want it passed on: %+v", got.Reply, s.reply)
	}
	if got.Proof == scanner.AssuranceRole || got.Proof == scanner.AssuranceIdentity {
		t.Errorf("proof %s from a hostile peer", got.Proof)
	}
	if !got.Identity.IsZero() {
		t.Errorf("identity %+v from a hostile peer", got.Identity)
	}
	if len(got.Reveals) > 0 {
		t.Errorf("endpoints %v from a hostile peer", got.Reveals)
	}
}

// checkText holds the words of a result to be short and fit for a terminal.
func checkText(t reporter, got scanner.Result) {
	t.Helper()
	texts := []string{got.Err}
	for _, d := range got.Details {
		texts = append(texts, d.Key, d.Value)
	}
	for _, text := range texts {
		if len(text) > maxText {
			t.Errorf("text of %d bytes, want at most %d: %.80q...", len(text), maxText, text)
		}
		if !utf8.ValidString(text) {
			t.Errorf("text is not UTF-8: %.80q", text)
		}
		for _, r := range text {
			if unicode.IsControl(r) {
				t.Errorf("text has control characters: %.200q", text)
				break
			}
		}
	}
}
