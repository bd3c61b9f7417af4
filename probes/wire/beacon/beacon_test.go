package beacon

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const secretText = "000102030405060708090a0b0c0d0e0f"

func key(t testing.TB) Key {
	t.Helper()
	k, err := ParseKey(secretText)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// byHand writes a message as the package comment says, apart from the encoder.
func byHand(t testing.TB, parts ...string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(strings.Join(parts, ""), " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := hex.DecodeString(secretText)
	derive := hmac.New(sha256.New, secret)
	derive.Write([]byte("cmreach two-ended check 1"))
	mac := hmac.New(sha256.New, derive.Sum(nil))
	mac.Write(b)
	return append(b, mac.Sum(nil)[:16]...)
}

const (
	head  = "636d726561636831"
	nonce = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
	udp9  = "11 0009"
)

func zeros(n int) string { return strings.Repeat("00", n) }

func TestBytes(t *testing.T) {
	k, asked := key(t), byHand(t, head, "01", udp9, nonce, zeros(4+4+1+120))
	if len(asked) != Size || Size != 173 {
		t.Fatalf("a question by hand has %d bytes, Size is %d", len(asked), Size)
	}
	n, err := k.ReadQuestion(asked, Port{UDP, 9})
	if want := Nonce([]byte("\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae\xaf")); err != nil || n != want {
		t.Errorf("nonce %x, %v", n, err)
	}
	status := Status{Since: 61, Until: 839, Ports: []Port{{UDP, 9}, {TCP, 2701}}}
	want := byHand(t, head, "02", udp9, nonce, "0000003d 00000347 02", udp9, "06 0a8d", zeros(38*3))
	if got := k.Answer(asked, status); !bytes.Equal(got, want) {
		t.Errorf("answer\n%x, want\n%x", got, want)
	}
	got, err := k.ReadAnswer(asked, want)
	if diff := cmp.Diff(status, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestReadQuestion(t *testing.T) {
	k := key(t)
	other, err := ParseKey("ffffffffffffffffffffffffffffffff")
	if err != nil {
		t.Fatal(err)
	}
	good := k.Question(Port{UDP, 9})
	flipped := bytes.Clone(good)
	flipped[20] ^= 1
	cases := []struct {
		name string
		b    []byte
		want error
	}{
		{"good", good, nil},
		{"empty", nil, ErrNotBeacon},
		{"short", good[:Size-1], ErrNotBeacon},
		{"long", append(bytes.Clone(good), 0), ErrNotBeacon},
		{"another version", byHand(t, "636d726561636832", "01", udp9, nonce, zeros(129)), ErrNotBeacon},
		{"changed", flipped, ErrSignature},
		{"unsigned", append(bytes.Clone(good[:macAt]), make([]byte, macLen)...), ErrSignature},
		{"another key", other.Question(Port{UDP, 9}), ErrSignature},
		{"another port", k.Question(Port{UDP, 10}), ErrOther},
		{"another protocol", k.Question(Port{TCP, 9}), ErrOther},
		{"an answer", k.Answer(good, Status{}), ErrOther},
		{"an unknown kind", byHand(t, head, "03", udp9, nonce, zeros(129)), ErrOther},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := k.ReadQuestion(c.b, Port{UDP, 9}); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	if _, err := (Key{}).ReadQuestion((Key{}).Question(Port{UDP, 9}), Port{UDP, 9}); !errors.Is(err, ErrSignature) {
		t.Errorf("the zero key accepts its own question: %v", err)
	}
}

func TestReadAnswer(t *testing.T) {
	k := key(t)
	asked, again := k.Question(Port{UDP, 9}), k.Question(Port{UDP, 9})
	good := k.Answer(asked, Status{Since: 1, Until: 2})
	flipped := bytes.Clone(good)
	flipped[sinceAt] ^= 1
	cases := []struct {
		name string
		b    []byte
		want error
	}{
		{"good", good, nil},
		{"the question", asked, ErrEcho},
		{"to another question", k.Answer(again, Status{}), ErrOther},
		{"from another port", k.Answer(k.Question(Port{UDP, 10}), Status{}), ErrOther},
		{"changed", flipped, ErrSignature},
		{"short", good[:Size-1], ErrNotBeacon},
		{"too many ports", byHand(t, head, "02", udp9, hex.EncodeToString(asked[nonceAt:sinceAt]), zeros(8), "29", zeros(120)), ErrMalformed},
		{"an unknown kind", byHand(t, head, "03", udp9, nonce, zeros(129)), ErrMalformed},
		{"something else", []byte("220 hello"), ErrNotBeacon},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := k.ReadAnswer(asked, c.b); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	if _, err := k.ReadAnswer(nil, good); !errors.Is(err, ErrOther) {
		t.Errorf("an answer to no question: %v", err)
	}
}

func TestAnswerNamesAtMostMaxPorts(t *testing.T) {
	k := key(t)
	asked := k.Question(Port{TCP, 1})
	many := make([]Port, MaxPorts+5)
	for i := range many {
		many[i] = Port{TCP, uint16(i + 1)}
	}
	s, err := k.ReadAnswer(asked, k.Answer(asked, Status{Ports: many}))
	if err != nil || !cmp.Equal(s.Ports, many[:MaxPorts]) {
		t.Errorf("%v, %d ports", err, len(s.Ports))
	}
}

func TestKeys(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "the key is empty",
		" \n":                      "the key is empty",
		"0011":                     "the key has 2 bytes, and needs 16 to 1024",
		strings.Repeat("g", 32):    "the key is not written in hexadecimal digits",
		strings.Repeat("0", 31):    "the key is not written in hexadecimal digits",
		strings.Repeat("00", 1025): "the key has 1025 bytes, and needs 16 to 1024",
	} {
		if _, err := ParseKey(text); err == nil || err.Error() != want {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
	a, errA := ParseKey(MakeSecret())
	b, errB := ParseKey("\t" + MakeSecret() + "\r\n")
	if errA != nil || errB != nil || a == b {
		t.Errorf("new secrets: %v, %v, equal %v", errA, errB, a == b)
	}
	if s := fmt.Sprintf("%v %+v %#v %s", a, a, a, a); s != "(key) (key) (key) (key)" {
		t.Errorf("a key prints itself: %s", s)
	}
}

// FuzzRead: nothing makes the readers panic, and nothing that was not made with
// the key is accepted.
func FuzzRead(f *testing.F) {
	k := key(f)
	asked := k.Question(Port{UDP, 9})
	f.Add(asked)
	f.Add(k.Answer(asked, Status{Ports: []Port{{TCP, 2701}}}))
	f.Add(byHand(f, head, "02", udp9, nonce, zeros(8), "ff", zeros(120)))
	other, err := NewKey([]byte("another key of 28 bytes ...."))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := k.ReadAnswer(asked, b); err == nil && len(b) != Size {
			t.Error("an answer of another length is accepted")
		}
		if _, err := other.ReadQuestion(b, Port{UDP, 9}); err == nil {
			t.Error("a question of another key is accepted")
		}
		if n, err := k.ReadQuestion(b, Port{UDP, 9}); err == nil {
			if got := k.Answer(b, Status{}); len(got) > len(b) || Nonce(got[nonceAt:sinceAt]) != n {
				t.Error("the answer is longer than the question, or not its answer")
			}
		}
	})
}
