package probetest

import (
	"cmreach/scanner"
	"net"
)

// scenarios lists the hostile peers that need no knowledge of the protocol.
func scenarios() []scenario {
	all := unconnected()
	all = append(all, abrupt()...)
	all = append(all, slow()...)
	all = append(all, loud()...)
	return append(all, foreign()...)
}

// unconnected are the ways in which no connection comes about.
func unconnected() []scenario {
	return []scenario{
		{
			name:  "refused",
			reply: scanner.Reply{Outcome: scanner.Refused},
			want:  []scanner.Outcome{scanner.Refused},
		},
		{
			name:  "rejected by a router",
			reply: scanner.Reply{Outcome: scanner.Rejected, ICMP: scanner.ICMPError{Type: 3, Code: 13}},
			want:  []scanner.Outcome{scanner.Rejected},
		},
		{
			name:  "no descriptor left here",
			reply: scanner.Reply{Outcome: scanner.LocalError, Err: "too many open files", Temporary: true},
			want:  []scanner.Outcome{scanner.LocalError},
		},
		{
			name:     "silent",
			reply:    scanner.Reply{Outcome: scanner.Silent},
			patience: short,
			want:     []scanner.Outcome{scanner.Silent},
		},
		{
			name:   "cancelled before it began",
			peer:   Mute,
			cancel: cancelBefore,
			want:   []scanner.Outcome{scanner.Silent, scanner.Mute},
		},
	}
}

// abrupt are peers that accept and end the connection.
func abrupt() []scenario {
	return []scenario{
		{name: "close after accept", peer: func(net.Conn) {}, want: []scanner.Outcome{scanner.Cut}},
		{name: "reset after accept", peer: Reset, want: []scanner.Outcome{scanner.Cut}},
		{name: "close after request", peer: SayAndClose(nil), want: []scanner.Outcome{scanner.Cut}},
		{
			name: "reset after request",
			peer: func(conn net.Conn) { request(conn); Reset(conn) },
			want: []scanner.Outcome{scanner.Cut},
		},
		{
			name: "one byte and close",
			peer: SayAndClose([]byte{0}),
			want: []scanner.Outcome{scanner.Cut, scanner.Garbled, scanner.Foreign},
		},
	}
}

// slow are peers that never come to the point.
func slow() []scenario {
	drip := []scanner.Outcome{scanner.Mute, scanner.Garbled, scanner.Foreign}
	return []scenario{
		{name: "mute", peer: Mute, patience: short, want: []scanner.Outcome{scanner.Mute}},
		{
			name:   "cancelled while it waits",
			peer:   Mute,
			cancel: cancelOnRequest,
			want:   []scanner.Outcome{scanner.Mute, scanner.Silent},
		},
		{name: "one byte, then mute", peer: Say([]byte{0}), patience: short, want: drip},
		{name: "tarpit of zeros", peer: Tarpit([]byte{0}), patience: short, want: drip},
		{name: "tarpit of text", peer: Tarpit([]byte("220-be patient ")), patience: short, want: drip},
		{name: "tarpit of noise", peer: Tarpit(noise(256)), patience: short, want: drip},
	}
}

// loud are peers that send more than anybody wants, or announce it.
func loud() []scenario {
	broken := []scanner.Outcome{scanner.Garbled, scanner.Foreign}
	const http = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
	list := []struct {
		name       string
		head, unit []byte
	}{
		{"endless zeros", nil, []byte{0}},
		{"endless noise", nil, noise(4096)},
		{"endless text without a line end", nil, []byte("A")},
		{"endless lines", nil, []byte("220-and another thing\r\n")},
		{"endless HTTP header", []byte(http), []byte("X-More: of the same\r\n")},
		{"endless HTTP header line", []byte(http + "X-More: "), []byte("A")},
		{"endless HTTP body", []byte(http + "\r\n<html>"), []byte("<p>more</p>\n")},
		{"oversized HTTP body", []byte(http + "Content-Length: 9223372036854775807\r\n\r\n"), []byte("more ")},
		{"oversized SMB frame", []byte{0x00, 0xff, 0xff, 0xff, 0xfe, 'S', 'M', 'B', 64, 0}, []byte{0}},
		{"oversized SMB fields", append([]byte{0x00, 0x00, 0xff, 0xff, 0xfe, 'S', 'M', 'B', 64, 0}, ones(200)...), []byte{0xff}},
		{"oversized RPC fragment", []byte{5, 0, 12, 3, 0x10, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0}, []byte{0xff}},
		{"oversized TLS record", []byte{22, 3, 3, 0xff, 0xff}, []byte{2}},
	}
	all := make([]scenario, 0, len(list)+2)
	for _, l := range list {
		all = append(all, scenario{name: l.name, peer: Endless(l.head, l.unit), want: broken})
	}
	return append(
		all,
		scenario{name: "noise", peer: Say(noise(4096)), want: broken},
		scenario{name: "noise and close", peer: SayAndClose(noise(4096)), want: broken},
	)
}

// foreign are honest services of another protocol.
func foreign() []scenario {
	const page = "<html><head><title>Sign in</title></head><body>Sign in to continue</body></html>"
	const http = "HTTP/1.1 200 OK\r\nServer: portal\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + page
	const badHTTP = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	only := []scanner.Outcome{scanner.Foreign}
	return []scenario{
		{name: "HTTP page", peer: SayAndClose([]byte(http)), want: only},
		{name: "HTTP 400", peer: SayAndClose([]byte(badHTTP)), want: only},
		{name: "SSH", peer: Greet([]byte("SSH-2.0-OpenSSH_9.9\r\n")), want: only},
		{name: "SMTP", peer: Greet([]byte("220 mail.example ESMTP ready\r\n")), want: only},
		{
			name: "text with terminal escapes",
			peer: Greet([]byte("220 \x1b]0;title\x07\x1b[2J\x1b[31m\xff\xfe\u202e ready\r\n")),
			want: only,
		},
		{
			// To a probe that speaks TLS an alert is no foreign word.
			name: "TLS alert",
			peer: SayAndClose([]byte{21, 3, 1, 0, 2, 2, 40}),
			want: []scanner.Outcome{scanner.Foreign, scanner.Garbled, scanner.Cut},
		},
	}
}

// spoiled makes hostile peers of a right answer.
func spoiled(name string, answer []byte) []scenario {
	cuts := []struct {
		where string
		n     int
	}{
		{"a quarter", len(answer) / 4},
		{"half", len(answer) / 2},
		{"all but one byte", len(answer) - 1},
	}
	var all []scenario
	for _, c := range cuts {
		part := answer[:c.n]
		all = append(
			all,
			scenario{
				name: name + ": " + c.where + ", then close",
				peer: SayAndClose(part),
				want: []scanner.Outcome{scanner.Cut, scanner.Garbled},
			},
			scenario{
				name:     name + ": " + c.where + ", then mute",
				peer:     Say(part),
				patience: short,
				want:     []scanner.Outcome{scanner.Mute, scanner.Garbled},
			},
		)
	}
	return append(all, scenario{
		name:     name + ": dripped",
		peer:     Drip(answer),
		patience: short,
		want:     []scanner.Outcome{scanner.Mute, scanner.Garbled},
	})
}

func ones(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 0xff
	}
	return b
}
