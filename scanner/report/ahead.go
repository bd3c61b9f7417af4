package report

import (
	"cmreach/scanner/record"
	"iter"
)

// The reader of a record goes ahead by at most this much: enough to keep it busy
// while a host with much evidence is written, and nothing beside a record.
const (
	aheadHosts   = 32
	aheadBatches = 2
)

// ahead reads hosts while those before them are judged and written. The order
// stays; when it returns, nothing reads any more.
func ahead(hosts iter.Seq2[record.Entry, error]) iter.Seq2[record.Entry, error] {
	type batch struct {
		hosts []record.Entry
		err   error // after them
	}
	return func(yield func(record.Entry, error) bool) {
		read, enough := make(chan batch, aheadBatches), make(chan struct{})
		go func() {
			defer close(read)
			var b batch
			give := func() bool {
				select {
				case read <- b:
					b.hosts = make([]record.Entry, 0, aheadHosts)
					return true
				case <-enough:
					return false
				}
			}
			for e, err := range hosts {
				if b.err = err; err != nil {
					break
				}
				if b.hosts = append(b.hosts, e); len(b.hosts) == aheadHosts && !give() {
					return
				}
			}
			give()
		}()
		defer func() {
			close(enough)
			for range read { // until it has let go of the record
			}
		}()
		for b := range read {
			for _, e := range b.hosts {
				if !yield(e, nil) {
					return
				}
			}
			if b.err != nil {
				yield(record.Entry{}, b.err)
				return
			}
		}
	}
}
