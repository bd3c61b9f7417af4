package probes

import (
	"cmreach/probes/wire/beacon"
	"cmreach/scanner"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"time"
)

// The words for the probes of the two-ended check.
const (
	FarEndUDP = "far-end"
	FarEndTCP = "far-end-tcp"
)

const farEndDoc = `asks "cmreach listen" on the target over UDP

Sends: a question of 173 bytes that is signed with the key of both ends.
Proves: by an answer that only a holder of the key can give, that datagrams to
this port reach the target, and which ports the listener there holds.
Cannot prove: the service, whose port the listener holds in its place.
Needs: the key, "cmreach listen" on the target, no rights.`

const farEndTCPDoc = `asks "cmreach listen" on the target over TCP

Sends: a question of 173 bytes that is signed with the key of both ends.
Proves: by an answer that only a holder of the key can give, that connections to
this port reach the target, and which ports the listener there holds.
Cannot prove: the service, whose port the listener holds in its place.
Needs: the key, "cmreach listen" on the target, no rights.`

// farEndWait is how long an answer is waited for on a connection. A listener
// answers at once; what waits longer is the service itself, and has nothing to say.
const farEndWait = 2 * time.Second

// FarEnd returns the probes of the two-ended check. They are not in [All],
// because they ask with a key.
func FarEnd(key beacon.Key) []scanner.Probe {
	f := farEnd{key: key, now: time.Now}
	return []scanner.Probe{
		{Name: FarEndUDP, Doc: farEndDoc, Protocol: scanner.UDP, Request: f.request, Decode: f.decode},
		{Name: FarEndTCP, Doc: farEndTCPDoc, Protocol: scanner.TCP, Talk: f.talk},
	}
}

type farEnd struct {
	key beacon.Key
	now func() time.Time
}

func (f farEnd) request(ask scanner.Ask) []byte {
	return f.key.Question(beacon.Port{Protocol: beacon.UDP, Number: ask.To.Port()})
}

func (f farEnd) decode(request, answer []byte) scanner.Result {
	status, err := f.key.ReadAnswer(request, answer)
	switch {
	case errors.Is(err, beacon.ErrNotBeacon):
		return scanner.Result{Outcome: scanner.Foreign, Err: err.Error() + ": the answer begins " + lookedLike(answer)}
	case errors.Is(err, beacon.ErrMalformed):
		return scanner.Result{Outcome: scanner.Garbled, Err: err.Error()}
	case err != nil:
		return scanner.Result{Outcome: scanner.Foreign, Err: err.Error()}
	}
	// What the other clock says does not matter: it gives spans, and the time
	// that the answer took is taken off both.
	const margin = time.Second
	said := scanner.FarEnd{
		Since: f.now().Add(-time.Duration(status.Since) * time.Millisecond),
		Until: f.now().Add(time.Duration(status.Until)*time.Millisecond - margin),
	}
	for _, p := range status.Ports {
		switch p.Protocol {
		case beacon.UDP:
			said.UDP = append(said.UDP, p.Number)
		case beacon.TCP:
			said.TCP = append(said.TCP, p.Number)
		}
	}
	slices.Sort(said.UDP)
	slices.Sort(said.TCP)
	result := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssurancePortOpen, FarEnd: &said}
	result.Detail("cmreach listen", "answers here")
	return result
}

// talk asks on a connection. The connection is closed when the time is over,
// whatever it does with deadlines.
func (f farEnd) talk(ctx context.Context, c scanner.Call) scanner.Result {
	conn, reply := c.Dial(ctx)
	if conn == nil {
		return scanner.Result{Outcome: reply.Outcome, Reply: reply}
	}
	ctx, cancel := context.WithTimeout(ctx, farEndWait)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		if stop() {
			_ = conn.Close()
		}
	}()
	asked := f.key.Question(beacon.Port{Protocol: beacon.TCP, Number: c.To.Port()})
	if _, err := conn.Write(asked); err != nil {
		return f.broken(ctx, nil, err)
	}
	answer := make([]byte, beacon.Size)
	n, err := io.ReadFull(conn, answer)
	if err != nil {
		return f.broken(ctx, answer[:n], err)
	}
	return f.decode(asked, answer)
}

// broken says how a conversation ended that brought no whole answer.
func (f farEnd) broken(ctx context.Context, got []byte, err error) scanner.Result {
	begun := min(len(got), len(beacon.Magic))
	var timeout net.Error
	switch {
	case string(got[:begun]) != beacon.Magic[:begun]:
		return scanner.Result{Outcome: scanner.Foreign, Err: "the answer begins " + lookedLike(got)}
	case len(got) > 0:
		return scanner.Result{Outcome: scanner.Garbled, Err: "the answer is not whole"}
	case ctx.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		return scanner.Result{Outcome: scanner.Mute}
	default:
		return scanner.Result{Outcome: scanner.Cut, Err: "the connection ended before an answer"}
	}
}
