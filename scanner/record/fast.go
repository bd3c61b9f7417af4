package record

import (
	"bytes"
	"cmreach/scanner"
	"encoding/json"
	"net/netip"
	"time"
)

// A record has a dozen lines for each host, and almost all of them are as the
// Writer writes them: those are read here, without reflection. Whatever is
// unusual, be it an escape in a text, another order of the fields or a fault,
// goes to the strict decoder, which has the last word: what is accepted here
// means the same there.

// fast reads usual lines. What it returns is valid until its next call.
type fast struct {
	path  Path
	seen  Observation
	host  string     // of the latest line
	text  []byte     // the address of the latest line, as it stands there
	addr  netip.Addr // and what it is
	words map[string]string
	arena []byte // room for findings
}

// maxWords bounds the rows and probes that are remembered.
const maxWords = 4096

// message reads a line; ok is false for one that is not usual.
func (f *fast) message(b []byte) (m Message, ok bool) {
	c := cursor{rest: b}
	switch {
	case c.skip(`{"observation":{`):
		ok = f.observation(&c) && c.end(`}}`)
		m.Observation = &f.seen
	case c.skip(`{"path":{`):
		ok = f.pathOf(&c) && c.end(`}}`)
		m.Path = &f.path
	case c.skip(`{"finding":`):
		from := c.rest
		if ok = c.object(0) && c.end(`}`); ok {
			m.Finding = f.keep(from[:len(from)-1])
		}
	}
	return m, ok
}

// keep copies a finding.
func (f *fast) keep(b []byte) json.RawMessage {
	if cap(f.arena)-len(f.arena) < len(b) {
		f.arena = make([]byte, 0, max(16<<10, len(b)))
	}
	from := len(f.arena)
	f.arena = append(f.arena, b...)
	return json.RawMessage(f.arena[from:len(f.arena):len(f.arena)])
}

// who reads the host and the address, which are mostly those of the line before.
func (f *fast) who(c *cursor) (string, netip.Addr, bool) {
	if !c.skip(`"host":`) {
		return "", netip.Addr{}, false
	}
	name, ok := c.text()
	if !ok || !c.skip(`,"addr":`) {
		return "", netip.Addr{}, false
	}
	text, ok := c.text()
	if !ok {
		return "", netip.Addr{}, false
	}
	if string(name) != f.host {
		f.host = string(name)
	}
	if !bytes.Equal(text, f.text) {
		f.text = f.text[:0]
		if f.addr.UnmarshalText(text) != nil {
			f.addr = netip.Addr{}
			return "", f.addr, false
		}
		f.text = append(f.text, text...)
	}
	return f.host, f.addr, true
}

// word gives back a text of which there are few.
func (f *fast) word(b []byte) string {
	if s, ok := f.words[string(b)]; ok {
		return s
	}
	if f.words == nil || len(f.words) >= maxWords {
		f.words = map[string]string{}
	}
	s := string(b)
	f.words[s] = s
	return s
}

func (f *fast) pathOf(c *cursor) bool {
	host, addr, ok := f.who(c)
	if !ok || !c.skip(`,"requirement":`) {
		return false
	}
	row, ok := c.text()
	if !ok {
		return false
	}
	f.path = Path{Host: host, Addr: addr, Requirement: f.word(row)}
	if c.skip(`,"boundary":`) {
		b, ok := c.text()
		if !ok {
			return false
		}
		f.path.Boundary = f.word(b)
	}
	if c.skip(`,"tags":[`) {
		f.path.Tags = c.details()
	}
	return !c.bad
}

func (f *fast) observation(c *cursor) bool {
	host, addr, ok := f.who(c)
	if !ok {
		return false
	}
	f.seen = Observation{Host: host, Addr: addr}
	o := &f.seen.Observation
	if c.skip(`,"protocol":`) {
		c.value(o.Protocol.UnmarshalText)
	}
	o.Port = c.short(`,"port":`)
	f.name(c, `,"probe":`, &o.Probe)
	f.name(c, `,"asked":`, &o.Asked)
	o.Via = c.short(`,"via":`)
	o.HopLimit = c.byte(`,"hop_limit":`)
	c.must(`,"outcome":`)
	c.value(o.Outcome.UnmarshalText)
	c.must(`,"sent":`)
	c.time(&o.Sent)
	o.Took = time.Duration(c.number(`,"took":`))
	o.Tries = int(c.number(`,"tries":`))
	if c.skip(`,"by":`) {
		f.by(c, o)
	}
	o.TTL = c.byte(`,"ttl":`)
	if c.skip(`,"icmp":{"type":`) {
		o.ICMP.Type = c.byte("")
		c.must(`,"code":`)
		o.ICMP.Code = c.byte("")
		c.must(`}`)
	}
	if c.skip(`,"rationed":`) {
		c.value(o.Rationed.UnmarshalText)
	}
	c.string(`,"err":`, &o.Err)
	if c.skip(`,"proof":`) {
		c.value(o.Proof.UnmarshalText)
	}
	o.NeedsCredentials = c.skip(`,"needs_credentials":true`)
	if c.skip(`,"identity":{`) {
		c.identity(&o.Identity)
	}
	if c.skip(`,"details":[`) {
		o.Details = c.details()
	}
	return !c.bad
}

// by reads who answered: mostly the host itself.
func (f *fast) by(c *cursor, o *scanner.Observation) {
	text, ok := c.text()
	switch {
	case !ok:
		c.bad = true
	case bytes.Equal(text, f.text):
		o.From = f.addr
	case o.From.UnmarshalText(text) != nil:
		c.bad = true
	}
}

// name reads an optional text of which there are few.
func (f *fast) name(c *cursor, field string, to *string) {
	if c.skip(field) {
		b, ok := c.text()
		if c.bad = c.bad || !ok; ok {
			*to = f.word(b)
		}
	}
}
