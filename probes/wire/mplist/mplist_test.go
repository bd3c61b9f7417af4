package mplist

import (
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
)

const (
	nginx = `<MPList><MP Name="MP1" FQDN="mp1.lab.test"><Version>9106</Version><Capabilities SchemaVersion="1.0"/></MP></MPList>`
	two   = "<?xml version=\"1.0\"?>\r\n<MPList>\n <MP Name=\"MP1\" FQDN=\"mp1.lab.test\" SiteCode=\"PS1\"><Version> 9128 </Version>" +
		"<Capabilities SchemaVersion=\"1.0\"><Property Name=\"SSLState\" Value=\"0\"/></Capabilities></MP>" +
		"<MP FQDN=\"mp2.lab.test\" Other=\"x\"/><Unknown><Deep/></Unknown></MPList>\n<!-- end -->"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []MP
	}{
		{"the stand-in of the lab", nginx, []MP{{Name: "MP1", FQDN: "mp1.lab.test", Version: "9106"}}},
		{"two entries and unknown parts", two, []MP{
			{Name: "MP1", FQDN: "mp1.lab.test", SiteCode: "PS1", Version: "9128"}, {FQDN: "mp2.lab.test"},
		}},
		{"byte order mark", "\xef\xbb\xbf" + nginx, []MP{{Name: "MP1", FQDN: "mp1.lab.test", Version: "9106"}}},
		{"UTF-16", utf16LE(`<?xml version="1.0" encoding="utf-16"?><MPList><MP Name="A"/></MPList>`), []MP{{Name: "A"}}},
		{"no management point", "<MPList/>", []MP{}},
		{"XML's own entities", `<MPList><MP Name="A&amp;B"/></MPList>`, []MP{{Name: "A&B"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, in, want string
		not            bool // not a list at all
	}{
		{"nothing", "", "not a list of management points: not XML", true},
		{"a page", "<!DOCTYPE html><html><body>Sign in</body></html>", "it has a document type", true},
		{"a page without a type", "<html></html>", "the document is a <html>", true},
		{"words", "FSP\n", "not XML", true},
		{"bytes", "\xff\xfd\x00", "not text", true},
		{"another list", "<MPLIST></MPLIST>", "<MPLIST>", true},
		{"entity bomb", `<!DOCTYPE MPList [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><MPList><MP Name="&b;"/></MPList>`, "document type", true},
		{"cut", nginx[:40], "ends too early", false},
		{"two roots", nginx + nginx, "something follows the list", false},
		{"text behind", nginx + "x", "text after the list", false},
		{"no name", "<MPList><MP SiteCode='PS1'/></MPList>", "an entry has no name", false},
		{"unknown entity", "<MPList><MP Name='&b;'/></MPList>", "broken XML", false},
		{"long name", "<MPList><MP Name='" + strings.Repeat("a", 256) + "'/></MPList>", "Name is longer than 255 bytes", false},
		{"escape in a name", "<MPList><MP Name='a&#x9;b'/></MPList>", "Name is not printable", false},
		{"element in a version", "<MPList><MP Name='a'><Version><b/></Version></MP></MPList>", "element <b> inside Version", false},
		{"too many", "<MPList>" + strings.Repeat("<MP Name='a'/>", 257) + "</MPList>", "more than 256 entries", false},
		{"too deep", "<MPList>" + strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100) + "</MPList>", "nested too deeply", false},
		{"too large", "<MPList>" + strings.Repeat(" ", MaxSize) + "</MPList>", "larger than 65536 bytes", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse([]byte(tt.in))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, %v; want an error with %q", got, err, tt.want)
			}
			if errors.Is(err, ErrNotList) != tt.not {
				t.Errorf("%v: ErrNotList is %v", err, !tt.not)
			}
		})
	}
	if _, err := Parse([]byte(nginx[:60])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a cut list: %v", err)
	}
}

func utf16LE(s string) string {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(nginx))
	f.Add([]byte(two))
	f.Add([]byte(utf16LE(nginx)))
	f.Add([]byte("<!DOCTYPE a [<!ENTITY b 'c'>]><MPList/>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := Parse(b)
		if err != nil {
			if list != nil {
				t.Errorf("entries beside the error %v", err)
			}
			return
		}
		if len(list) > maxEntries {
			t.Errorf("%d entries", len(list))
		}
		for _, mp := range list {
			for _, s := range []string{mp.Name, mp.FQDN, mp.SiteCode, mp.Version} {
				if len(s) > maxText || printable(s) != s {
					t.Errorf("text %q", s)
				}
			}
		}
	})
}
