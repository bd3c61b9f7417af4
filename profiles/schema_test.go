package profiles

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// TestSchemaAndLoader holds the JSON Schema of the site file to the loader: the
// two must agree on every file, good or broken, but for what a schema cannot
// say.
func TestSchemaAndLoader(t *testing.T) {
	text, err := SiteSchema()
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal([]byte(text), &schema); err != nil {
		t.Fatal(err)
	}
	beyond := map[string]string{ // and what a schema cannot say of them
		"pair-80.yaml": "sums", "pair-n.yaml": "sums", "pair-end.yaml": "sums",
		"duplicate.yaml": "a key given twice is lost", "boundary-twice.yaml": "a key given twice is lost",
	}
	used := map[string]bool{}
	for _, folder := range []string{"good", "bad-sites"} {
		files, err := filepath.Glob(filepath.Join("../testdata/profiles", folder, "*site*.yaml"))
		if folder == "bad-sites" {
			files, err = filepath.Glob(filepath.Join("../testdata/profiles", folder, "*.yaml"))
		}
		if err != nil || len(files) < 3 {
			t.Fatalf("%s: %d files, %v", folder, len(files), err)
		}
		for _, path := range files {
			name := filepath.Base(path)
			_, loadErr := LoadSite(path)
			complaint := conform(schema, schema, plain(t, path), "")
			switch {
			case beyond[name] != "":
				used[name] = true
				if loadErr == nil || complaint != "" {
					t.Errorf("%s is no longer beyond the schema: %v, %s", name, loadErr, complaint)
				}
			case (loadErr == nil) != (complaint == ""):
				t.Errorf("%s: the loader says %v, the schema %q", name, loadErr, complaint)
			}
		}
	}
	if len(used) != len(beyond) {
		t.Errorf("files that are gone: %d of %d", len(used), len(beyond))
	}
}

// TestSchemaKeys holds the words of the schema to those of the loader, where
// both list them.
func TestSchemaKeys(t *testing.T) {
	text, err := SiteSchema()
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties map[string]struct {
			Description string
			Enum        []any
			Properties  map[string]any
		}
	}
	if err := json.Unmarshal([]byte(text), &schema); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for key, p := range schema.Properties {
		keys = append(keys, key)
		if p.Description == "" {
			t.Errorf("%s has no description", key)
		}
	}
	sorted := func(list []string) []string { return slices.Sorted(slices.Values(list)) }
	if d := cmp.Diff(sorted(siteKeys()), sorted(keys)); d != "" {
		t.Error(d)
	}
	var roles []string
	for r := range schema.Properties["roles"].Properties {
		roles = append(roles, r)
	}
	if d := cmp.Diff(sorted(siteRoleWords()), sorted(roles)); d != "" {
		t.Error(d)
	}
	for _, name := range givenSettings() {
		kind, _ := settingNamed(name)
		if got, want := fmt.Sprint(schema.Properties[name].Enum), fmt.Sprint(kind.sayable()); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestExample: the example is good, by the loader and by the schema, and shows
// every key.
func TestExample(t *testing.T) {
	text, err := SiteExample()
	if err != nil {
		t.Fatal(err)
	}
	s, err := parseSite("example.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CheckPorts(nil); err != nil {
		t.Error(err)
	}
	for _, key := range append(siteKeys(), "rate", "timeout", "rounds", "max_targets", "source-server", "setup-share") {
		if !regexp.MustCompile(`(?m)^ *(# )?` + key + `:`).MatchString(text) {
			t.Errorf("the example does not show %s", key)
		}
	}
	if strings.Contains(text, "\t") {
		t.Error("the example has tabs")
	}
	if s.Code != "PS1" || s.Limits.Rounds != 6 || len(s.Boundaries) != 2 {
		t.Errorf("%+v", s)
	}
}

func TestBoundary(t *testing.T) {
	s, err := LoadSite("../testdata/profiles/good/full-site.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]string{
		"198.18.2.1": "Head office", "198.18.1.255": "Berlin", "198.18.3.10": "Berlin", "198.18.3.21": "Head office",
		"198.19.0.0": "", "fd00:198::1": "Berlin", "fd00:199::1": "", "::ffff:198.18.1.1": "Berlin",
	} {
		if got := s.Boundary(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is in %q, want %q", addr, got, want)
		}
	}
	if d := cmp.Diff([]string{"../testdata/profiles/good/clients.txt", "../testdata/profiles/good/lists/more.csv"}, s.Clients); d != "" {
		t.Error(d)
	}
}

// plain reads a YAML file as an editor does that checks it against a schema.
func plain(t *testing.T, path string) any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.TrimPrefix(string(text), "\ufeff"))
	var v any
	if err := yaml.UnmarshalWithOptions(text, &v, yaml.AllowDuplicateMapKey()); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// conform checks a value against the part of JSON Schema that ours uses. It
// returns the first complaint; a keyword that it does not know is one.
func conform(root, s map[string]any, v any, at string) string {
	for word, arg := range s {
		check, known := keywords()[word]
		if !known {
			return at + ": the schema has the unknown keyword " + word
		}
		if check == nil {
			continue // says something to people
		}
		if msg := check(root, s, arg, v, at); msg != "" {
			return msg
		}
	}
	return ""
}

type keyword func(root, s map[string]any, arg, v any, at string) string

// keywords are those that our schema uses; nil for what only people read.
func keywords() map[string]keyword {
	return map[string]keyword{
		"$schema": nil, "$defs": nil, "title": nil, "description": nil, "properties": properties,
		"additionalProperties": func(root, s map[string]any, arg, v any, at string) string {
			o, _ := v.(map[string]any)
			own, _ := s["properties"].(map[string]any)
			for key, value := range o {
				if _, listed := own[key]; listed {
					continue
				}
				if sub, ok := arg.(map[string]any); !ok {
					return at + "/" + key + " is not allowed"
				} else if msg := conform(root, sub, value, at+"/"+key); msg != "" {
					return msg
				}
			}
			return ""
		},
		"$ref": func(root, _ map[string]any, arg, v any, at string) string {
			defs, _ := root["$defs"].(map[string]any)
			sub, ok := defs[strings.TrimPrefix(fmt.Sprint(arg), "#/$defs/")].(map[string]any)
			if !ok {
				return fmt.Sprintf("%s: no definition %v", at, arg)
			}
			return conform(root, sub, v, at)
		},
		"anyOf": func(root, _ map[string]any, arg, v any, at string) string {
			list, _ := arg.([]any)
			for _, s := range list {
				if sub, ok := s.(map[string]any); ok && conform(root, sub, v, at) == "" {
					return ""
				}
			}
			return fmt.Sprintf("%s: %v fits none", at, v)
		},
		"enum": func(_, _ map[string]any, arg, v any, at string) string {
			list, _ := arg.([]any)
			if slices.ContainsFunc(list, func(w any) bool { return cmp.Equal(w, v) }) {
				return ""
			}
			return fmt.Sprintf("%s: %v is none of %v", at, v, list)
		},
		"required": func(_, _ map[string]any, arg, v any, at string) string {
			list, _ := arg.([]any)
			o, isObject := v.(map[string]any)
			for _, key := range list {
				if _, ok := o[fmt.Sprint(key)]; isObject && !ok {
					return fmt.Sprintf("%s has no %v", at, key)
				}
			}
			return ""
		},
		"items": func(root, _ map[string]any, arg, v any, at string) string {
			list, _ := v.([]any)
			sub, _ := arg.(map[string]any)
			for i, item := range list {
				if msg := conform(root, sub, item, fmt.Sprintf("%s/%d", at, i)); msg != "" {
					return msg
				}
			}
			return ""
		},
		"minItems": func(_, _ map[string]any, arg, v any, at string) string {
			n, _ := arg.(float64)
			if list, ok := v.([]any); ok && float64(len(list)) < n {
				return at + " is too short"
			}
			return ""
		},
		"propertyNames": func(root, _ map[string]any, arg, v any, at string) string {
			o, _ := v.(map[string]any)
			sub, _ := arg.(map[string]any)
			for key := range o {
				if msg := conform(root, sub, key, at+"/"+key); msg != "" {
					return msg
				}
			}
			return ""
		},
		"pattern": func(_, _ map[string]any, arg, v any, at string) string {
			if w, ok := v.(string); ok && !regexp.MustCompile(fmt.Sprint(arg)).MatchString(w) {
				return fmt.Sprintf("%s: %q does not match %v", at, w, arg)
			}
			return ""
		},
		"type":    ofType,
		"minimum": func(_, _ map[string]any, arg, v any, at string) string { return bound(v, arg, 1, at) },
		"maximum": func(_, _ map[string]any, arg, v any, at string) string { return bound(v, arg, -1, at) },
	}
}

func properties(root, _ map[string]any, arg, v any, at string) string {
	o, _ := v.(map[string]any)
	list, _ := arg.(map[string]any)
	for key, s := range list {
		sub, _ := s.(map[string]any)
		if value, ok := o[key]; ok {
			if msg := conform(root, sub, value, at+"/"+key); msg != "" {
				return msg
			}
		}
	}
	return ""
}

func ofType(_, _ map[string]any, arg, v any, at string) string {
	is := "null"
	switch n := v.(type) {
	case string:
		is = "string"
	case map[string]any:
		is = "object"
	case []any:
		is = "array"
	case bool:
		is = "boolean"
	case float64:
		if is = "number"; n == float64(int64(n)) {
			is = "integer"
		}
	}
	if is != fmt.Sprint(arg) {
		return fmt.Sprintf("%s is a %s and no %v", at, is, arg)
	}
	return ""
}

// bound checks sign*(v-limit) >= 0.
func bound(v, limit any, sign float64, at string) string {
	n, ok := v.(float64)
	if l, _ := limit.(float64); ok && sign*(n-l) < 0 {
		return fmt.Sprintf("%s: %v is out of range", at, n)
	}
	return ""
}
