package profiles

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// This is the only file that knows the YAML library. It takes from it the
// syntax and the positions, and nothing else: decoding is ours, so that every
// value keeps its place, all mistakes come at once, and what YAML can do beyond
// plain data (anchors, merges, tags, several documents) is refused by name.

// Limits that keep a hostile or mistaken file from taking long: the parser's
// time grows with the square of the nesting.
const (
	yamlMaxBytes  = 1 << 20
	yamlMaxTokens = 30_000
	yamlMaxDepth  = 32
	yamlMaxColumn = 4096
)

type nodeKind uint8

const (
	nullNode nodeKind = iota
	scalarNode
	listNode
	mapNode
	refusedNode // something was refused here and reported already
)

// node is a piece of plain data with its place.
type node struct {
	kind  nodeKind
	at    place
	text  string // of a scalar, as it was written when it was not quoted
	items []*node
	pairs []pair
}

type pair struct{ key, value *node }

// parseYAML reads one document. Syntax errors and refused constructs go to m;
// the node is nil when nothing could be read.
func parseYAML(text string, m *mistakes) *node {
	if p, msg := notPlainText(text); msg != "" {
		m.add(p, "save the file as UTF-8 text", "%s", msg)
		return nil
	}
	tokens := lexer.Tokenize(text)
	if p, why := tooMuch(tokens); why != "" {
		m.add(p, "", "%s", why)
		return nil
	}
	file, err := parseTokens(tokens)
	if err != nil {
		var bad yaml.Error
		if errors.As(err, &bad) && bad.GetToken() != nil {
			m.add(tokenPlace(bad.GetToken()), syntaxHint(bad.GetMessage()), "%s", bad.GetMessage())
		} else {
			m.add(place{1, 1}, "", "%s", firstLine(err.Error()))
		}
		return nil
	}
	var root *node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		n := convert(doc.Body, m, 0)
		switch {
		case n.kind == refusedNode: // reported
		case root != nil:
			m.add(n.at, "keep one document in a file", "the file has a second document")
		default:
			root = n
		}
	}
	if root == nil && len(m.list) == 0 {
		m.add(place{1, 1}, "", "the file is empty")
	}
	return root
}

// parseTokens runs the library's parser. A panic there on a strange file is the
// file's error here.
func parseTokens(tokens token.Tokens) (f *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			f, err = nil, fmt.Errorf("the file is not readable as YAML: %v", r)
		}
	}()
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// tooMuch finds files that would take long to parse.
func tooMuch(tokens token.Tokens) (place, string) {
	if len(tokens) > yamlMaxTokens {
		return tokenPlace(tokens[yamlMaxTokens]), "the file is too long for a profile or a site file"
	}
	flow, line, onLine := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, onLine = t.Position.Line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
			onLine++
		case token.SequenceEndType, token.MappingEndType:
			flow--
			onLine--
		case token.SequenceEntryType, token.MappingKeyType:
			onLine++
		default:
		}
		if flow > yamlMaxDepth || onLine > yamlMaxDepth {
			return tokenPlace(t), "the file is nested too deeply"
		}
		if t.Position.Column > yamlMaxColumn {
			return tokenPlace(t), "the line is too long"
		}
	}
	return place{}, ""
}

func convert(n ast.Node, m *mistakes, depth int) *node {
	if n == nil {
		return &node{kind: nullNode}
	}
	at := tokenPlace(n.GetToken())
	if depth > yamlMaxDepth {
		return refuse(m, at, "", "the file is nested too deeply")
	}
	switch v := n.(type) {
	case *ast.MappingNode:
		out := convertPairs(v.Values, m, depth)
		if len(v.Values) == 0 {
			out.at = at
		}
		return out
	case *ast.MappingValueNode:
		return convertPairs([]*ast.MappingValueNode{v}, m, depth)
	case *ast.SequenceNode:
		out := &node{kind: listNode, at: at}
		for _, item := range v.Values {
			out.items = append(out.items, convert(item, m, depth+1))
		}
		return out
	case *ast.NullNode:
		return &node{kind: nullNode, at: at}
	case *ast.LiteralNode:
		return &node{kind: scalarNode, at: at, text: v.Value.Value}
	case *ast.StringNode:
		return &node{kind: scalarNode, at: at, text: v.Value}
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		// The text as it was written: "010" is a site code as well as a number.
		return &node{kind: scalarNode, at: at, text: n.GetToken().Value}
	case *ast.AnchorNode, *ast.AliasNode:
		return refuse(m, at, "write the value out", "anchors and aliases are not allowed here")
	case *ast.MergeKeyNode:
		return refuse(m, at, "write the keys out", "merge keys are not allowed here")
	case *ast.TagNode:
		return refuse(m, at, "leave the tag away", "tags are not allowed here")
	case *ast.DirectiveNode:
		return refuse(m, at, "leave the line away", "directives are not allowed here")
	default:
		return refuse(m, at, "", "%s is not allowed here", strings.ToLower(n.Type().String()))
	}
}

func convertPairs(values []*ast.MappingValueNode, m *mistakes, depth int) *node {
	out := &node{kind: mapNode}
	for _, v := range values {
		p := pair{key: convert(v.Key, m, depth+1)}
		if p.key.kind == refusedNode {
			continue
		}
		if p.key.kind != scalarNode {
			m.add(p.key.at, "", "a key must be a plain word")
			continue
		}
		p.value = convert(v.Value, m, depth+1)
		// The library says where a mapping's first colon is; its first key, and
		// the key of a missing value, are better places.
		if p.value.kind == nullNode {
			p.value.at = p.key.at
		}
		out.pairs = append(out.pairs, p)
	}
	if len(values) > 0 {
		out.at = tokenPlace(values[0].Key.GetToken())
	}
	return out
}

func refuse(m *mistakes, at place, hint, format string, args ...any) *node {
	m.add(at, hint, format, args...)
	return &node{kind: refusedNode, at: at}
}

func tokenPlace(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{1, 1}
	}
	return place{t.Position.Line, t.Position.Column}
}

// notPlainText finds what no text editor writes.
func notPlainText(text string) (place, string) {
	p := place{1, 0}
	for _, r := range text {
		p.column++
		switch {
		case r == '\n':
			p = place{p.line + 1, 0}
		case r == '\t': // the parser has its own words for tabs
		case r == utf8.RuneError:
			return p, "the file is not UTF-8 text"
		case r < ' ' || r == 0x7f || r == 0xfeff:
			return p, "the file has a control character"
		}
	}
	return place{}, ""
}

// syntaxHint says what usually causes an error of the YAML parser.
func syntaxHint(msg string) string {
	switch {
	case strings.Contains(msg, "mapping value is not allowed"):
		return `put a value that contains ": " in quotation marks`
	case strings.Contains(msg, "\t"):
		return "indent with spaces, not with tabs"
	case strings.Contains(msg, "quoted"):
		return "close the quotation marks"
	case strings.Contains(msg, "must be specified"), strings.Contains(msg, "end token"):
		return "close the bracket"
	}
	return "check the indentation and the characters before this place"
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
