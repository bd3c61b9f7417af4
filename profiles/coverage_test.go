package profiles

import (
	"cmreach/scanner"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestStatements holds the rows against the documents: each row answers to a
// statement, each statement is answered, and each row cites it.
func TestStatements(t *testing.T) {
	text, err := os.ReadFile("../testdata/profiles/statements.txt")
	if err != nil {
		t.Fatal(err)
	}
	edition := map[string]string{
		"S1": "Windows Firewall and port settings for clients (2015-12-08), ",
		"S2": "Ports used by Network Access Protection, Configuration Manager 2007 (2008-03), ", "C": "",
	}
	rows := builtinRows(t)
	cited := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.SplitN(strings.TrimSpace(line), " | ", 3)
		if len(parts) != 3 {
			t.Fatalf("line %q", line)
		}
		document, place, _ := strings.Cut(parts[0], " ")
		from, known := edition[document]
		if !known {
			t.Fatalf("line %q: no such document", line)
		}
		if parts[1] == "-" {
			continue // a rule answers
		}
		for _, id := range strings.Fields(parts[1]) {
			row, ok := rows[id]
			if !ok {
				t.Errorf("%s is stated in %s and has no row", id, parts[0])
				continue
			}
			cited[id] = true
			quoted := `ine ` + place + `: "` + parts[2] // "line 7" or "Line 7"
			if document == "C" {
				quoted = parts[2]
			}
			if !strings.HasPrefix(row.Source, from) || !strings.Contains(row.Source, quoted) {
				t.Errorf("the source of %s does not cite %s: %s: %s", id, parts[0], quoted, row.Source)
			}
		}
	}
	for id, row := range rows {
		if !cited[id] {
			t.Errorf("%s answers to no statement", id)
		}
		if strings.HasPrefix(id, "nap/") && !strings.Contains(row.Source, "Legacy") {
			t.Errorf("%s does not say that it is legacy", id)
		}
		if row.Fix == "" || row.Title == "" || strings.Contains(row.Title, "\n") {
			t.Errorf("%s: title %q, fix %q", id, row.Title, row.Fix)
		}
	}
}

// TestFixesNamePorts: a cure names the port that is in use, not the default.
func TestFixesNamePorts(t *testing.T) {
	number := regexp.MustCompile(`(?:TCP|UDP) ([0-9]+(?:-[0-9]+)?)`)
	for _, p := range load(t, Names()...) {
		for _, r := range p.Rows {
			for _, m := range number.FindAllStringSubmatch(r.Fix, -1) {
				for _, port := range p.Ports {
					if scanner.PortList(port.Numbers()) == m[1] {
						t.Errorf("the fix of %s/%s says %s and not {%s}", p.Name, r.ID, m[0], port.Name)
					}
				}
			}
			if r.Port != "" && r.Protocol != scanner.Manual && strings.Contains(r.Fix, "Permit TCP") && !strings.Contains(r.Fix, "{port}") {
				t.Errorf("the fix of %s/%s does not say {port}: %s", p.Name, r.ID, r.Fix)
			}
			if s := p.FixText(r); fixPort.MatchString(s) {
				t.Errorf("the fix of %s/%s keeps a placeholder: %s", p.Name, r.ID, s)
			}
		}
	}
}

func builtinRows(t testing.TB) map[string]Row {
	t.Helper()
	rows := map[string]Row{}
	for _, p := range load(t, Names()...) {
		for _, r := range p.Rows {
			rows[p.Name+"/"+r.ID] = r
		}
	}
	return rows
}

// TestRowIDs holds the ids that others rely on: reports, scripts, tickets.
func TestRowIDs(t *testing.T) {
	want := map[string]string{
		"push":                  "icmp smb epm-tcp rpc-dynamic epm-udp mp-http mp-https fsp-http dp-http dp-https",
		"gpo":                   "mp-http mp-https dp-http dp-https source-smb client-smb fsp-http",
		"sup":                   "sup-http sup-https source-smb fsp-http",
		"manual":                "share-smb mp-http mp-https dp-http dp-https source-smb fsp-http",
		"software-distribution": "dp-http dp-https dp-smb",
		"client-requests":       "http https",
		"client-notification":   "notify-tcp fallback-http fallback-https",
		"remote-control":        "control-tcp",
		"remote-assistance":     "epm-tcp rdp program",
		"wake-up-proxy":         "proxy-udp wol-udp icmp",
		"remote-diagnostics":    "smb epm-tcp rpc-dynamic",
		"queries":               "program",
		"nap":                   "ad-ldap ad-ldaps gc-ldap gc-ldaps shv-smb shv-epm-tcp shv-rpc-dynamic status-smb dhcp hra-http hra-https ike ike-natt ipsec-filter",
	}
	for name, ids := range want {
		var got []string
		for _, r := range load(t, name)[0].Rows {
			got = append(got, r.ID)
		}
		if d := cmp.Diff(strings.Fields(ids), got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// TestCatalog holds the list of profiles to the files, and its words to be
// one thing each.
func TestCatalog(t *testing.T) {
	files, err := fs.Glob(builtin, "builtin/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(Names()) {
		t.Errorf("%d files, %d profiles", len(files), len(Names()))
	}
	for _, name := range Names() {
		if !slices.Contains(files, "builtin/"+name+".yaml") {
			t.Errorf("%s has no file", name)
		} else if p := load(t, name)[0]; p.Name != name || p.About == "" {
			t.Errorf("%s: name %q, about %q", name, p.Name, p.About)
		}
	}
	words := Words()
	slices.Sort(words)
	if n := len(slices.Compact(words)); n != len(Words()) {
		t.Errorf("%d of %d words are different", n, len(Words()))
	}
}

// TestRowsGoTogether holds what every built-in row must keep to.
func TestRowsGoTogether(t *testing.T) {
	for id, r := range builtinRows(t) {
		switch {
		case r.Protocol == scanner.Manual && !strings.Contains(r.Fix, "y hand"):
			t.Errorf("%s is checked by hand, and its cure does not say how: %s", id, r.Fix)
		case r.Via != "" && !strings.Contains(r.Fix, "49152-65535"):
			t.Errorf("%s does not say which ports are dynamic: %s", id, r.Fix)
		case r.Via != "" && !strings.Contains(r.Fix, "1025-5000"):
			t.Errorf("%s does not say which ports were dynamic before Vista: %s", id, r.Fix)
		}
	}
	// A group's HTTP row comes before its HTTPS row.
	for _, p := range load(t, Names()...) {
		at := map[string]int{}
		for i, r := range p.Rows {
			at[r.ID] = i
		}
		for id, i := range at {
			if j, ok := at[strings.TrimSuffix(id, "s")]; ok && strings.HasSuffix(id, "https") && j > i {
				t.Errorf("%s/%s comes before its HTTP row", p.Name, id)
			}
		}
	}
}
