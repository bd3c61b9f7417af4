package socket

import (
	"net/netip"
	"slices"
	"testing"
)

// answerTo turns a request into the reply to it.
func answerTo(request []byte) []byte {
	b := slices.Clone(request)
	b[0] = icmp4EchoReply
	if request[0] == icmp6EchoRequest {
		b[0] = icmp6EchoReply
	}
	return b
}

func TestEchoBookReply(t *testing.T) {
	for _, to := range []netip.Addr{netip.MustParseAddr("198.18.102.50"), netip.MustParseAddr("fd00:198:102::50")} {
		book := newEchoBook([32]byte{1}, 4711)
		other := book.add(to)
		p := book.add(to)
		req, err := book.request(p)
		if err != nil {
			t.Fatal(err)
		}
		reply := answerTo(req)
		if got := book.reply(to, reply); got != p {
			t.Fatalf("genuine reply from %s not recognised", to)
		}
		if got := book.reply(to, append(slices.Clone(reply), "padding"...)); got != p {
			t.Error("padded reply not recognised")
		}
		if book.reply(to.Next(), reply) != nil {
			t.Error("reply from another address was taken")
		}
		for i := range reply {
			if i == 2 || i == 3 { // the kernel checks the checksum
				continue
			}
			forged := slices.Clone(reply)
			forged[i] ^= 1
			if book.reply(to, forged) != nil {
				t.Errorf("reply with byte %d changed was taken", i)
			}
		}
		for n := range reply {
			if book.reply(to, reply[:n]) != nil {
				t.Errorf("reply of %d bytes was taken", n)
			}
		}
		book.remove(p)
		if book.reply(to, reply) != nil {
			t.Error("reply to a request that has ended was taken")
		}
		if book.bySeq[other.seq] != other {
			t.Error("removing one request removed another")
		}
	}
}

func TestEchoBookQuoted(t *testing.T) {
	to := netip.MustParseAddr("198.18.102.50")
	book := newEchoBook([32]byte{1}, 4711)
	p := book.add(to)
	req, err := book.request(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{8, 12, 16, 20, len(req)} {
		if got := book.quoted(to, req[:n]); got != p {
			t.Errorf("quote of %d bytes: got %v", n, got)
		}
	}
	if book.quoted(to, req[:7]) != nil || book.quoted(to.Next(), req) != nil || book.quoted(to, answerTo(req)) != nil {
		t.Error("wrong quote was taken")
	}
	forged := slices.Clone(req)
	forged[8+serialSize] ^= 1
	if book.quoted(to, forged) != nil || book.quoted(to, forged[:8+serialSize+1]) != nil {
		t.Error("forged quote was taken")
	}
	if book.quoted(to, forged[:8]) != p {
		t.Error("quote of 8 bytes was not taken")
	}
	stranger := newEchoBook([32]byte{1}, 4712)
	stranger.add(to)
	if stranger.quoted(to, req[:8]) != nil {
		t.Error("quote of another process was taken")
	}
}

// The sequence number has 16 bits; the latest request with a number counts.
func TestEchoBookWrap(t *testing.T) {
	to := netip.MustParseAddr("198.18.102.50")
	book := newEchoBook([32]byte{1}, 4711)
	first := book.add(to)
	req, err := book.request(first)
	if err != nil {
		t.Fatal(err)
	}
	var again *pendingEcho
	for range 1 << 16 {
		again = book.add(to)
	}
	if again.seq != first.seq {
		t.Fatalf("sequence numbers %d and %d", first.seq, again.seq)
	}
	if book.reply(to, answerTo(req)) != first {
		t.Error("the reply to the first request was lost")
	}
	if book.quoted(to, req[:8]) != again {
		t.Error("a short quote must mean the latest request")
	}
	book.remove(first)
	if book.quoted(to, req[:8]) != again {
		t.Error("removing the first request removed the latest from the short quotes")
	}
}
