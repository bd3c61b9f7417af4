package beacon

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// The length of keys, in bytes.
const (
	MinKey = 16
	MaxKey = 1024
	newKey = 32
)

// Key signs messages. It is derived from the secret that both ends were given,
// so that the secret can serve another purpose without harm. The zero value
// signs nothing that another key accepts, and is not [Key.Valid].
type Key struct{ mac [sha256.Size]byte }

// label names what the derived key is for (RFC 5869 2.3 with an info alone).
const label = "cmreach two-ended check 1"

// NewKey derives a key from a secret.
func NewKey(secret []byte) (Key, error) {
	if len(secret) < MinKey || len(secret) > MaxKey {
		return Key{}, fmt.Errorf("the key has %d bytes, and needs %d to %d", len(secret), MinKey, MaxKey)
	}
	m := hmac.New(sha256.New, secret)
	_, _ = m.Write([]byte(label)) // never fails (hash.Hash)
	var k Key
	m.Sum(k.mac[:0])
	return k, nil
}

// ParseKey reads the text of a secret: hexadecimal, white space around it. The
// error does not repeat the text.
func ParseKey(text string) (Key, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Key{}, errors.New("the key is empty")
	}
	secret, err := hex.DecodeString(text)
	if err != nil {
		return Key{}, errors.New("the key is not written in hexadecimal digits")
	}
	return NewKey(secret)
}

// MakeSecret returns the text of a new random secret.
func MakeSecret() string {
	b := make([]byte, newKey)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

// Valid reports whether the key was derived from a secret.
func (k Key) Valid() bool { return k != Key{} }

// String keeps the key out of logs.
func (k Key) String() string { return "(key)" }

// GoString keeps the key out of logs.
func (k Key) GoString() string { return "(key)" }

func (k Key) sum(b []byte) []byte {
	m := hmac.New(sha256.New, k.mac[:])
	_, _ = m.Write(b) // never fails (hash.Hash)
	return m.Sum(nil)[:macLen]
}
