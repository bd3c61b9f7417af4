package record

import (
	"bytes"
	"cmreach/scanner"
	"cmreach/scanner/jsontext"
	"math"
	"net/netip"
	"time"
)

// cursor reads JSON from left to right, as far as it is of the plainest kind:
// without white space, escapes, fractions and exponents.
type cursor struct {
	rest []byte
	bad  bool // something was met that it does not read
}

// skip passes a piece of JSON if it comes next.
func (c *cursor) skip(s string) bool {
	if len(c.rest) < len(s) || string(c.rest[:len(s)]) != s {
		return false
	}
	c.rest = c.rest[len(s):]
	return true
}

func (c *cursor) must(s string) { c.bad = !c.skip(s) || c.bad }

// end reports whether s, and nothing else, is left.
func (c *cursor) end(s string) bool { return !c.bad && string(c.rest) == s }

// text reads a text of printable ASCII and gives what is between the quotes.
func (c *cursor) text() ([]byte, bool) {
	if len(c.rest) == 0 || c.rest[0] != '"' {
		return nil, false
	}
	for i := 1; i < len(c.rest); i++ {
		switch b := c.rest[i]; {
		case b == '"':
			s := c.rest[1:i]
			c.rest = c.rest[i+1:]
			return s, true
		case b < ' ' || b >= 0x80 || b == '\\':
			return nil, false
		}
	}
	return nil, false
}

// value hands a text to what reads it.
func (c *cursor) value(read func([]byte) error) {
	b, ok := c.text()
	c.bad = c.bad || !ok || read(b) != nil
}

// string reads an optional text.
func (c *cursor) string(field string, to *string) {
	if c.skip(field) {
		b, ok := c.text()
		*to, c.bad = string(b), c.bad || !ok
	}
}

// time reads a time in RFC 3339.
func (c *cursor) time(to *time.Time) {
	all := c.rest
	b, ok := c.text()
	c.bad = c.bad || !ok || to.UnmarshalJSON(all[:min(len(b)+2, len(all))]) != nil
}

// short reads an optional number of 16 bits.
func (c *cursor) short(name string) uint16 {
	n := c.number(name)
	c.bad = c.bad || n > math.MaxUint16
	return uint16(n & math.MaxUint16)
}

// byte reads an optional number of 8 bits.
func (c *cursor) byte(name string) uint8 {
	n := c.number(name)
	c.bad = c.bad || n > math.MaxUint8
	return uint8(n & math.MaxUint8)
}

// number reads an optional whole number.
func (c *cursor) number(name string) int64 {
	if !c.skip(name) {
		return 0
	}
	return c.digits()
}

// digits read a whole number that is not negative, as JSON writes it.
func (c *cursor) digits() int64 {
	var n int64
	i := 0
	for ; i < len(c.rest) && c.rest[i] >= '0' && c.rest[i] <= '9'; i++ {
		digit := int64(c.rest[i] - '0')
		if n > (math.MaxInt64-digit)/10 {
			c.bad = true
			return 0
		}
		n = n*10 + digit
	}
	if i == 0 || i > 1 && c.rest[0] == '0' {
		c.bad = true
		return 0
	}
	c.rest = c.rest[i:]
	return n
}

// identity reads what a peer says of itself, after the bracket. The first field
// comes without a comma.
func (c *cursor) identity(id *scanner.Identity) {
	first := true
	name := func(field string) bool {
		if first {
			field = field[1:]
		}
		if !c.skip(field) {
			return false
		}
		first = false
		return true
	}
	text := func(field string, to *string) {
		if name(field) {
			c.string("", to)
		}
	}
	text(`,"computer":`, &id.Computer)
	text(`,"domain":`, &id.Domain)
	text(`,"dns_name":`, &id.DNSName)
	text(`,"dns_domain":`, &id.DNSDomain)
	if name(`,"names":[`) {
		c.list(func() {
			var s string
			c.string("", &s)
			id.Names = append(id.Names, s)
		})
	}
	if name(`,"addrs":[`) {
		c.list(func() {
			var a netip.Addr
			c.value(a.UnmarshalText)
			id.Addrs = append(id.Addrs, a)
		})
	}
	text(`,"os":`, &id.OS)
	text(`,"server_id":`, &id.ServerID)
	if name(`,"clock":`) {
		c.time(&id.Clock)
	}
	c.must(`}`)
}

// list reads the elements of a list that is not empty, after the bracket.
func (c *cursor) list(element func()) {
	for !c.bad {
		element()
		if !c.skip(`,`) {
			c.must(`]`)
			return
		}
	}
}

func (c *cursor) details() []scanner.Detail {
	var out []scanner.Detail
	c.list(func() {
		var d scanner.Detail
		c.must(`{"key":`)
		c.string("", &d.Key)
		c.must(`,"value":`)
		c.string("", &d.Value)
		c.must(`}`)
		out = append(out, d)
	})
	return out
}

// maxDepth is how deep the objects and lists of an opinion lie in each other.
const maxDepth = 8

// object passes an object, whatever is in it.
func (c *cursor) object(depth int) bool {
	if depth > maxDepth || !c.skip(`{`) {
		return false
	}
	if c.skip(`}`) {
		return true
	}
	for {
		if !c.quoted() || !c.skip(`:`) || !c.any(depth+1) {
			return false
		}
		if !c.skip(`,`) {
			return c.skip(`}`)
		}
	}
}

// array passes a list.
func (c *cursor) array(depth int) bool {
	if depth > maxDepth || !c.skip(`[`) {
		return false
	}
	if c.skip(`]`) {
		return true
	}
	for {
		if !c.any(depth + 1) {
			return false
		}
		if !c.skip(`,`) {
			return c.skip(`]`)
		}
	}
}

// any passes a value.
func (c *cursor) any(depth int) bool {
	if len(c.rest) == 0 {
		return false
	}
	switch c.rest[0] {
	case '"':
		return c.quoted()
	case '{':
		return c.object(depth)
	case '[':
		return c.array(depth)
	case 't':
		return c.skip(`true`)
	case 'f':
		return c.skip(`false`)
	case 'n':
		return c.skip(`null`)
	default:
		c.digits()
		return !c.bad
	}
}

// quoted passes a text.
func (c *cursor) quoted() bool {
	if !c.skip(`"`) {
		return false
	}
	if i := bytes.IndexByte(c.rest, '"'); i >= 0 && jsontext.Bare(c.rest[:i]) {
		c.rest = c.rest[i+1:]
		return true
	}
	for i := 0; i < len(c.rest); {
		switch b := c.rest[i]; {
		case b == '"':
			c.rest = c.rest[i+1:]
			return true
		case b < ' ':
			return false
		case b == '\\':
			n := escape(c.rest[i:])
			if n == 0 {
				return false
			}
			i += n
		default:
			i++
		}
	}
	return false
}

// escape is the length of the escape that the text begins with (RFC 8259 7); 0
// where it is none.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		for i := 2; i < 6; i++ {
			if i >= len(b) || !isHex(b[i]) {
				return 0
			}
		}
		return 6
	default:
		return 0
	}
}

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
}
