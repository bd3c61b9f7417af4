package main

import (
	"runtime/debug"
	"runtime/metrics"
)

// How often garbage is collected. A sweep makes little of it, and memory is what
// a site server has less of than time. Conversations make much, and little of
// what lives would then be marked over and over, every few megabytes: garbageRoom
// is left for it, but no more than lives itself.
const (
	garbagePercent = 20
	garbageMost    = 100
	garbageRoom    = 24 << 20
)

// garbage sets how often it is collected; nil leaves that to the runtime.
type garbage struct {
	percent int
}

// collectGarbage begins with a sweep's share.
func collectGarbage() *garbage {
	g := &garbage{}
	g.set(garbagePercent)
	return g
}

// makeRoom sets the share by what lives now; it is asked now and then while
// conversations are held.
func (g *garbage) makeRoom() {
	if g == nil {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	if live[0].Value.Kind() == metrics.KindUint64 {
		g.set(garbageShare(live[0].Value.Uint64()))
	}
}

// garbageShare is how much garbage there may be, in per cent of what lives.
func garbageShare(live uint64) int {
	return int(min(garbageMost, max(garbagePercent, 100*garbageRoom/max(live, 1))))
}

// set stops the program for a moment, and leaves small changes out.
func (g *garbage) set(percent int) {
	if change := percent - g.percent; max(change, -change) > g.percent/8 {
		debug.SetGCPercent(percent)
		g.percent = percent
	}
}
