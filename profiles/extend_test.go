package profiles

import (
	"cmreach/scanner"
	"strings"
	"testing"
)

// TestExtend: a profile that drops, changes and adds rows of a built-in one.
func TestExtend(t *testing.T) {
	p, err := parseProfile("mine.yaml", `schema: 1
profile: mine
extends: push
ports:
  smb: 1445
  agent: 9100
drop: [epm-udp, mp-http, wmi-none]
`)
	if err == nil || p != nil || !strings.Contains(err.Error(), `unknown row "wmi-none"`) {
		t.Errorf("a row that is not there was dropped: %v", err)
	}
	p, err = parseProfile("mine.yaml", `schema: 1
profile: mine
extends: push
ports:
  smb: 1445
  agent: 9100
drop: [epm-udp, mp-http]
rows:
  - id: icmp
    need: informational
    title: echo, as a remark
  - id: fsp-http
    when:
  - id: agent
    title: our own agent
    from: site-server
    to: client
    protocol: tcp
    port: agent
    need: required
    listener: with-client
    source: our handbook, page 7
    fix: start the agent
`)
	if err != nil {
		t.Fatal(err)
	}
	base := load(t, "push")[0]
	if p.Name != "mine" || p.Title != base.Title || p.About != base.About {
		t.Errorf("name %q, title %q", p.Name, p.Title)
	}
	var ids []string
	rows := map[string]Row{}
	for _, r := range p.Rows {
		ids, rows[r.ID] = append(ids, r.ID), r
	}
	if got, want := strings.Join(ids, " "), "icmp smb epm-tcp rpc-dynamic mp-https fsp-http dp-http dp-https agent"; got != want {
		t.Errorf("rows %s\nwant %s", got, want)
	}
	if r := rows["icmp"]; r.Need != scanner.Informational || r.Title != "echo, as a remark" || r.From != scanner.RoleSiteServer || r.Source != base.Rows[0].Source {
		t.Errorf("icmp: %+v", r)
	}
	if c := rows["fsp-http"].When.String(); c != "" {
		t.Errorf("fsp-http still depends on: %s", c)
	}
	if g := rows["mp-https"].AnyOf; g != "" {
		t.Errorf("mp-https is alone in the group %q", g)
	}
	if g := rows["dp-http"].AnyOf; g != "content" {
		t.Errorf("dp-http is in the group %q", g)
	}
	smb, _ := p.port("smb")
	agent, _ := p.port("agent")
	if epm, _ := p.port("epm"); smb.Default != 1445 || agent.Default != 9100 || epm.Default != 135 {
		t.Errorf("ports %v", p.Ports)
	}
}

// TestExtendEvery: each built-in profile can be extended as it stands.
func TestExtendEvery(t *testing.T) {
	for _, name := range Names() {
		p, err := parseProfile("mine.yaml", "schema: 1\nprofile: mine\nextends: "+name+"\n")
		if err != nil {
			t.Fatal(err)
		}
		if want := load(t, name)[0]; len(p.Rows) != len(want.Rows) || len(p.Ports) != len(want.Ports) {
			t.Errorf("%s: %d rows, %d ports", name, len(p.Rows), len(p.Ports))
		}
	}
}
