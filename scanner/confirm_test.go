package scanner

import (
	"context"
	"testing"
	"time"
)

// listeners are the probes of a listener that holds UDP 7 and 9 and TCP 2701.
func listeners() map[string]Probe {
	said := func() Result {
		return Result{Outcome: Spoke, Proof: AssurancePortOpen, FarEnd: &FarEnd{UDP: []uint16{7, 9}, TCP: []uint16{2701}}}
	}
	return map[string]Probe{
		"far-end": {
			Name: "far-end", Protocol: UDP,
			Request: func(Ask) []byte { return []byte("?") },
			Decode:  func(_, _ []byte) Result { return said() },
		},
		"far-end-tcp": probeThat("far-end-tcp", func(ctx context.Context, c Call) Result {
			conn, _ := c.Dial(ctx)
			_ = conn.Close()
			return said()
		}),
	}
}

var (
	rowSeven = &Requirement{ID: "ours/seven", Protocol: UDP, Port: 7, FarEnd: "far-end"}
	rowNine  = &Requirement{ID: "ours/nine", Protocol: UDP, Port: 9, FarEnd: "far-end"}
)

// farEnds are the answers of listeners, the first ones and those to the last question.
func farEnds(h *Host) (first, again []Observation) {
	for _, o := range h.Observations {
		switch {
		case o.FarEnd == nil:
		case o.FarEnd.Again:
			again = append(again, o)
		default:
			first = append(first, o)
		}
	}
	return first, again
}

func TestListenerIsAskedOnceMoreAfterSilence(t *testing.T) {
	for _, ended := range []bool{false, true} { // after its first answer
		f := newFakeNet(func(s Shot, try int) (Reply, time.Duration, bool) {
			return Reply{Outcome: Answered}, time.Millisecond, s.Port == 9 && (try == 1 || !ended)
		})
		cfg := f.config()
		cfg.Probes = listeners()
		hosts, last, _ := collect(t, cfg, targets(1, rowSeven, rowNine))
		silent := only(t, hosts[0], UDP, 7, "")
		first, again := farEnds(hosts[0])
		if silent.Outcome != Silent || len(first) != 1 || only(t, hosts[0], UDP, 9, "").Outcome != Answered {
			t.Fatalf("%+v", hosts[0].Observations)
		}
		if last.Stats.Silent != 1 || last.Stats.Answered != 1 {
			t.Errorf("the last question counts as a path: %+v", last.Stats)
		}
		if ended {
			if len(again) > 0 {
				t.Errorf("a listener that ended is there again: %+v", again)
			}
			continue
		}
		if len(again) != 1 || again[0].Port != 9 {
			t.Fatalf("%d answers to the last question", len(again))
		}
		for _, s := range f.shots {
			if s.Port == 7 && s.at.After(again[0].Sent) {
				t.Errorf("UDP 7 was asked at %s, and the listener not after that but at %s", s.at, again[0].Sent)
			}
		}
	}
}

func TestListenerIsNotAskedOnceMoreWithoutDoubt(t *testing.T) {
	f := newFakeNet(answers(time.Millisecond))
	cfg := f.config()
	cfg.Probes = listeners()
	hosts, _, _ := collect(t, cfg, targets(1, rowSeven, rowNine))
	if first, again := farEnds(hosts[0]); len(first) != 2 || len(again) != 0 || len(f.shots) != 2 {
		t.Errorf("%d and %d answers, %d packets", len(first), len(again), len(f.shots))
	}
}

// The control port says it where the ports of the rows are silent.
func TestControlPort(t *testing.T) {
	row := *rowSeven
	row.Control, row.ControlProbe = 25537, "far-end-tcp"
	f := newFakeNet(func(s Shot, _ int) (Reply, time.Duration, bool) {
		return Reply{Outcome: Answered}, time.Millisecond, s.Port == 25537
	})
	cfg := f.config()
	cfg.Probes = listeners()
	hosts, _, _ := collect(t, cfg, targets(1, &row))
	if first, again := farEnds(hosts[0]); len(first) != 1 || len(again) != 1 || again[0].Protocol != TCP || again[0].Port != 25537 {
		t.Errorf("%+v", hosts[0].Observations)
	}
}
