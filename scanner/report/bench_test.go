package report_test

import (
	"cmreach/scanner/report"
	"testing"
)

// BenchmarkLoad reads, judges and sums up a run of 73 hosts.
func BenchmarkLoad(b *testing.B) {
	rec := runs()[0].record(b)
	b.SetBytes(int64(len(rec)))
	b.ReportAllocs()
	for b.Loop() {
		load(b, rec, report.Options{Judge: judge})
	}
}
