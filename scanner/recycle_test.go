package scanner

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A consumer that keeps nothing gets the same observations as one that keeps
// them all: nothing of a former host is left in the room of a later one.
func TestRecycledRoomHoldsNothingOld(t *testing.T) {
	router := netip.MustParseAddr("198.19.0.1")
	const n = 4000
	run := func(recycle bool) (seen map[netip.Addr][]Observation, rooms map[*Observation]bool) {
		f := newFakeNet(func(s Shot, _ int) (Reply, time.Duration, bool) {
			switch last := s.Addr.As4()[3] % 5; {
			case s.HopLimit > 0 || s.Protocol == ICMP && last == 4:
				return Reply{}, 0, false
			case s.Protocol == ICMP || last == 0:
				return Reply{Outcome: Answered, TTL: 60 + s.Addr.As4()[3]%5}, time.Millisecond, true
			case last == 1:
				return Reply{Outcome: Rejected, From: router, ICMP: ICMPError{Type: 3, Code: 13}}, time.Millisecond, true
			case last == 2:
				return Reply{Outcome: LocalError, Err: "no way to " + s.Addr.String()}, time.Millisecond, true
			default:
				return Reply{}, 0, false
			}
		})
		cfg := f.config()
		cfg.Recycle, cfg.Window = recycle, 200
		cfg.Probes = map[string]Probe{"smb": probeThat("smb", func(_ context.Context, c Call) Result {
			r := Result{Outcome: Spoke, Proof: AssuranceProtocol, Identity: Identity{Computer: c.Host}}
			r.Detail("to", c.To.String())
			return r
		})}
		seen, rooms = map[netip.Addr][]Observation{}, map[*Observation]bool{}
		synctest.Test(t, func(t *testing.T) {
			for ev := range Run(t.Context(), cfg, targets(n, rowICMP, rowSMB, rowRemote)) {
				if ev.Host == nil {
					continue
				}
				list := slices.DeleteFunc(slices.Clone(ev.Host.Observations), func(o Observation) bool { return o.HopLimit > 0 })
				seen[ev.Host.Addr] = list
				rooms[&ev.Host.Observations[0]] = true
			}
		})
		return seen, rooms
	}
	kept, each := run(false)
	again, fewer := run(true)
	if len(kept) != n || len(again) != n || len(each) != n || len(fewer) > n*3/4 {
		t.Fatalf("%d hosts in %d rooms, and %d hosts in %d", len(kept), len(each), len(again), len(fewer))
	}
	for a, want := range kept {
		got := again[a]
		if !slices.EqualFunc(got, want, sameObservation) {
			t.Fatalf("%s: got  %+v\nwant %+v", a, got, want)
		}
	}
}

// sameObservation compares everything but times and tries, which differ between runs.
func sameObservation(a, b Observation) bool {
	return a.Protocol == b.Protocol && a.Port == b.Port && a.Probe == b.Probe && a.Asked == b.Asked && a.Via == b.Via &&
		a.HopLimit == b.HopLimit && a.Outcome == b.Outcome && a.From == b.From && a.TTL == b.TTL &&
		a.ICMP == b.ICMP && a.Err == b.Err && a.Proof == b.Proof && a.NeedsCredentials == b.NeedsCredentials &&
		a.Identity.Computer == b.Identity.Computer && a.FarEnd == b.FarEnd && slices.Equal(a.Details, b.Details)
}
