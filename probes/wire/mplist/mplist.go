package mplist

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of what is accepted as a list.
const (
	MaxSize    = 64 << 10 // bytes
	maxEntries = 256
	maxDepth   = 16
	maxText    = 255 // bytes of a name
)

// MP is one management point of the list. Fields that it does not have are
// empty. The texts are printable.
type MP struct {
	Name     string // NetBIOS name
	FQDN     string
	SiteCode string
	Version  string // build, such as "9128"
}

// ErrNotList says that the text is not a list of management points at all;
// other errors mean that it began as one.
var ErrNotList = errors.New("not a list of management points")

// Parse reads a list. It may be empty.
func Parse(b []byte) ([]MP, error) {
	if len(b) > MaxSize {
		return nil, fmt.Errorf("list of management points: larger than %d bytes", MaxSize)
	}
	text, err := decode(b)
	if err != nil {
		return nil, err
	}
	p := parser{Decoder: xml.NewDecoder(bytes.NewReader(text))}
	p.CharsetReader = func(_ string, input io.Reader) (io.Reader, error) { return input, nil } // decode has made it UTF-8
	root, err := p.root()
	if err != nil {
		return nil, err
	}
	if root.Name.Local != "MPList" {
		return nil, fmt.Errorf("%w: the document is a <%.40s>", ErrNotList, printable(root.Name.Local))
	}
	list, err := p.list()
	if err != nil {
		return nil, fmt.Errorf("list of management points: %w", err)
	}
	return list, nil
}

// decode makes UTF-8 of the encodings that Windows writes.
func decode(b []byte) ([]byte, error) {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(b, []byte{0xef, 0xbb, 0xbf}):
		b = b[3:]
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}):
		order = binary.LittleEndian
	case bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		order = binary.BigEndian
	}
	if order != nil {
		units := make([]uint16, 0, len(b)/2)
		for i := 2; i+1 < len(b); i += 2 {
			units = append(units, order.Uint16(b[i:]))
		}
		b = []byte(string(utf16.Decode(units)))
	}
	if !utf8.Valid(b) {
		return nil, fmt.Errorf("%w: not text", ErrNotList)
	}
	return b, nil
}

type parser struct{ *xml.Decoder }

// root finds the first element.
func (p parser) root() (xml.StartElement, error) {
	for {
		t, err := p.Token()
		switch v := t.(type) {
		case xml.StartElement:
			return v, nil
		case xml.Directive:
			return xml.StartElement{}, fmt.Errorf("%w: it has a document type", ErrNotList)
		case xml.CharData:
			if len(bytes.TrimSpace(v)) > 0 {
				return xml.StartElement{}, fmt.Errorf("%w: not XML", ErrNotList)
			}
		}
		if err != nil {
			return xml.StartElement{}, fmt.Errorf("%w: not XML", ErrNotList)
		}
	}
}

// list reads the content of MPList to its end, and then the rest.
func (p parser) list() ([]MP, error) {
	list := []MP{}
	for {
		t, err := p.Token()
		if err != nil {
			return nil, p.cut(err)
		}
		switch v := t.(type) {
		case xml.Directive:
			return nil, errors.New("directive inside the list")
		case xml.EndElement:
			return list, p.rest()
		case xml.StartElement:
			if v.Name.Local != "MP" {
				if err := p.pass(2); err != nil {
					return nil, err
				}
				continue
			}
			if len(list) == maxEntries {
				return nil, fmt.Errorf("more than %d entries", maxEntries)
			}
			mp, err := p.entry(v)
			if err != nil {
				return nil, err
			}
			list = append(list, mp)
		}
	}
}

// entry reads one MP element.
func (p parser) entry(start xml.StartElement) (MP, error) {
	var mp MP
	fields := map[string]*string{"Name": &mp.Name, "FQDN": &mp.FQDN, "SiteCode": &mp.SiteCode}
	for _, a := range start.Attr {
		if field := fields[a.Name.Local]; field != nil {
			if err := set(field, a.Name.Local, a.Value); err != nil {
				return MP{}, err
			}
		}
	}
	if mp.Name == "" && mp.FQDN == "" {
		return MP{}, errors.New("an entry has no name")
	}
	for {
		t, err := p.Token()
		if err != nil {
			return MP{}, p.cut(err)
		}
		switch v := t.(type) {
		case xml.EndElement:
			return mp, nil
		case xml.StartElement:
			if v.Name.Local != "Version" {
				if err := p.pass(3); err != nil {
					return MP{}, err
				}
				continue
			}
			text, err := p.text()
			if err != nil {
				return MP{}, err
			}
			if err := set(&mp.Version, "Version", text); err != nil {
				return MP{}, err
			}
		}
	}
}

// text reads the content of an element that has no elements in it.
func (p parser) text() (string, error) {
	var b strings.Builder
	for {
		t, err := p.Token()
		if err != nil {
			return "", p.cut(err)
		}
		switch v := t.(type) {
		case xml.CharData:
			b.Write(v)
		case xml.EndElement:
			return strings.TrimSpace(b.String()), nil
		case xml.StartElement:
			return "", fmt.Errorf("element <%.40s> inside Version", printable(v.Name.Local))
		}
	}
}

// pass goes over the content of an element that opened at the given depth.
func (p parser) pass(depth int) error {
	for open := 1; open > 0; {
		t, err := p.Token()
		if err != nil {
			return p.cut(err)
		}
		switch t.(type) {
		case xml.StartElement:
			if open++; open+depth > maxDepth {
				return errors.New("nested too deeply")
			}
		case xml.EndElement:
			open--
		}
	}
	return nil
}

// rest makes sure that nothing but white space follows.
func (p parser) rest() error {
	for {
		t, err := p.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return p.cut(err)
		}
		switch v := t.(type) {
		case xml.CharData:
			if len(bytes.TrimSpace(v)) > 0 {
				return errors.New("text after the list")
			}
		case xml.Comment, xml.ProcInst:
		default:
			return errors.New("something follows the list")
		}
	}
}

// cut words an error of the XML reader without text from the network.
func (p parser) cut(err error) error {
	line, column := p.InputPos()
	var syntax *xml.SyntaxError
	if errors.Is(err, io.EOF) || errors.As(err, &syntax) && strings.Contains(syntax.Msg, "EOF") {
		return fmt.Errorf("it ends too early at %d:%d: %w", line, column, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("broken XML at %d:%d", line, column)
}

// set takes a short, printable text.
func set(field *string, what, value string) error {
	if len(value) > maxText {
		return fmt.Errorf("%s is longer than %d bytes", what, maxText)
	}
	if printable(value) != value {
		return fmt.Errorf("%s is not printable", what)
	}
	*field = value
	return nil
}

// printable drops what does not belong in a line of text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
}
