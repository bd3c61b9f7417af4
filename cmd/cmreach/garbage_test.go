package main

import (
	"runtime/debug"
	"testing"
)

func TestGarbageShare(t *testing.T) {
	for live, want := range map[uint64]int{
		0:                  100, // nothing was collected yet
		4 << 20:            100,
		24 << 20:           100,
		48 << 20:           50,
		120 << 20:          20,
		garbageRoom * 1000: garbagePercent,
		1 << 63:            garbagePercent,
	} {
		if got := garbageShare(live); got != want {
			t.Errorf("of %d bytes: %d per cent, want %d", live, got, want)
		}
	}
}

// TestGarbageRoom looks at what the runtime was told.
func TestGarbageRoom(t *testing.T) {
	was := debug.SetGCPercent(100)
	defer debug.SetGCPercent(was)
	var none *garbage
	none.makeRoom()
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("without being asked to: %d per cent", got)
	}
	g := collectGarbage()
	if got := debug.SetGCPercent(garbagePercent); got != garbagePercent {
		t.Errorf("a sweep has %d per cent, want %d", got, garbagePercent)
	}
	g.makeRoom()
	if got := debug.SetGCPercent(was); got != g.percent || got < garbagePercent {
		t.Errorf("conversations have %d per cent, %d was set", got, g.percent)
	}
}
