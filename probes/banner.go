package probes

import (
	"bytes"
	"cmreach/scanner"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"
)

// bannerMax is how much of what a peer says is looked at.
const bannerMax = 4 << 10

const bannerDoc = `what the administrator's own profile expects

Sends: what the row says, or nothing: then the peer speaks first.
Proves: that the answer begins with the text, or matches the pattern, that the
row expects. Whose answer that is, only the row knows.
Cannot prove: which computer it is.
Needs: no rights.`

// Banner is the conversation of a row that says itself what it sends and what
// must come back. Each such row has its own.
func Banner(name string, protocol scanner.Protocol, e scanner.Expect) (scanner.Probe, error) {
	b := banner{Expect: e}
	if e.Pattern != "" {
		re, err := regexp.Compile(e.Pattern)
		if err != nil {
			return scanner.Probe{}, fmt.Errorf("the pattern of %s: %w", name, err)
		}
		b.pattern = re
	}
	p := scanner.Probe{Name: name, Doc: bannerDoc, Protocol: protocol}
	switch protocol {
	case scanner.UDP:
		p.Request = func(scanner.Ask) []byte { return e.Send }
		if e.Prefix != "" || b.pattern != nil {
			p.Decode = b.decode
		}
	default:
		p.Talk = b.talk
	}
	return p, nil
}

type banner struct {
	scanner.Expect
	pattern *regexp.Regexp
}

// fit is how an answer compares with what is expected.
type fit uint8

const (
	misfit  fit = iota
	partial     // what came so far may become it
	fits
)

func (b banner) compare(said []byte) fit {
	if b.pattern != nil {
		if b.pattern.Match(said) {
			return fits
		}
		return partial
	}
	n := min(len(said), len(b.Prefix))
	switch {
	case string(said[:n]) != b.Prefix[:n]:
		return misfit
	case n < len(b.Prefix):
		return partial
	}
	return fits
}

func (b banner) talk(ctx context.Context, c scanner.Call) scanner.Result {
	conn, reply := c.Dial(ctx)
	if conn == nil {
		return scanner.Result{Outcome: reply.Outcome, Reply: reply, Err: reply.Err}
	}
	defer func() { _ = conn.Close() }()                                              // what was read is what counts
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // Close, above, ends the rest
	defer stop()
	if len(b.Send) > 0 {
		_, _ = conn.Write(b.Send) // a server that has hung up may have said why: read in any case
	}
	said := make([]byte, 0, bannerMax)
	for {
		n, err := conn.Read(said[len(said):cap(said)])
		said = said[:len(said)+n]
		got := partial
		if n > 0 {
			got = b.compare(said)
		}
		switch {
		case got != partial, len(said) == cap(said):
			return b.judge(said, got)
		case err == nil:
		case len(said) > 0:
			return b.ended(said)
		case ctx.Err() != nil && !errors.Is(err, io.EOF):
			return scanner.Result{Outcome: scanner.Mute}
		default:
			return scanner.Result{Outcome: scanner.Cut, Err: printable(err.Error(), 2*prefixLen)}
		}
	}
}

// ended judges an answer that stopped before it was what is expected.
func (b banner) ended(said []byte) scanner.Result {
	if b.pattern == nil && b.compare(said) == partial {
		return scanner.Result{Outcome: scanner.Garbled, Err: "it said only: " + lookedLike(said)}
	}
	return b.judge(said, misfit)
}

func (b banner) judge(said []byte, got fit) scanner.Result {
	if got != fits {
		return scanner.Result{Outcome: scanner.Foreign, Err: "it said: " + lookedLike(said)}
	}
	r := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
	r.Detail("said", lookedLike(said))
	return r
}

func (b banner) decode(request, answer []byte) scanner.Result {
	if bytes.Equal(request, answer) && b.compare(request) != fits {
		return scanner.Result{Outcome: scanner.Foreign, Err: "sent the request back"}
	}
	answer = answer[:min(len(answer), bannerMax)]
	if got := b.compare(answer); got == fits {
		return b.judge(answer, got)
	}
	return b.judge(answer, misfit)
}
