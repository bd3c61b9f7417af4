package profiles

import (
	"fmt"
	"slices"
)

// A profile file may extend a built-in one: it then has all rows and ports of
// it, drops some, changes keys of others, and adds its own. The two files are
// put together as plain data, before anything is decoded, so that the result
// goes through the same checks as every profile.

// extend returns the fields of the profile with those of its base filled in,
// and the groups that the base has.
func (d decoder) extend(f fields) (merged fields, groups []string) {
	if f["extends"] == nil {
		if f["drop"] != nil {
			d.add(f["drop"].at, `name a profile in "extends"`, `"drop" without "extends"`)
		}
		return f, nil
	}
	at := f["extends"].at
	name := d.word(f["extends"], "profile", Names())
	base := builtinNode(name)
	if base == nil {
		delete(f, "rows") // what they change is not known
		return f, nil
	}
	of := fields{}
	for _, p := range base.pairs {
		of[p.key.text] = restamp(p.value, at)
	}
	for _, key := range []string{"title", "about"} {
		if f[key] == nil && of[key] != nil {
			f[key] = of[key]
		}
	}
	f["ports"] = mergePairs(of["ports"], f["ports"])
	for _, r := range of["rows"].items {
		if g := r.value("any_of"); g != nil {
			groups = append(groups, g.text)
		}
	}
	f["rows"] = d.mergeRows(of["rows"], f["rows"], d.dropped(f["drop"], of["rows"]))
	return f, groups
}

// builtinNode is a built-in profile as plain data; nil when there is none.
func builtinNode(name string) *node {
	text, err := builtin.ReadFile("builtin/" + name + ".yaml")
	if err != nil {
		return nil
	}
	return parseYAML(string(text), &mistakes{limit: yamlLimit}) // a test holds them to be good
}

// restamp copies plain data and gives all of it one place: that of the word by
// which the user's file brought it in.
func restamp(n *node, at place) *node {
	if n == nil {
		return nil
	}
	out := &node{kind: n.kind, at: at, text: n.text}
	for _, i := range n.items {
		out.items = append(out.items, restamp(i, at))
	}
	for _, p := range n.pairs {
		out.pairs = append(out.pairs, pair{restamp(p.key, at), restamp(p.value, at)})
	}
	return out
}

// value finds the value of a key in a mapping.
func (n *node) value(key string) *node {
	for _, p := range n.pairs {
		if p.key.text == key {
			return p.value
		}
	}
	return nil
}

// mergePairs lays a mapping over another. A key without a value takes the
// base's key away.
func mergePairs(base, over *node) *node {
	switch {
	case base == nil:
		return over
	case over == nil:
		return base
	case over.kind != mapNode:
		return over // the decoder says what is wrong with it
	}
	out := &node{kind: mapNode, at: over.at}
	for _, p := range base.pairs {
		if over.value(p.key.text) == nil {
			out.pairs = append(out.pairs, p)
		}
	}
	for _, p := range over.pairs {
		if p.value.kind != nullNode || base.value(p.key.text) == nil {
			out.pairs = append(out.pairs, p)
		}
	}
	return out
}

// dropped reads the ids of rows that the profile does not take over.
func (d decoder) dropped(n, rows *node) map[string]bool {
	var known []string
	for _, r := range rows.items {
		known = append(known, r.value("id").text)
	}
	out := map[string]bool{}
	if n == nil {
		return out
	}
	for _, item := range d.list(n, "drop") {
		if id := d.word(item, "row", known); id != "" {
			out[id] = true
		}
	}
	return out
}

// mergeRows puts the rows of a file over those of its base: a row with the id
// of one of the base's changes it, any other is added.
func (d decoder) mergeRows(base, over *node, drop map[string]bool) *node {
	out := &node{kind: listNode, at: base.at}
	var added []*node
	changes := map[string]*node{}
	if over != nil && over.kind != refusedNode {
		for _, n := range d.list(over, "rows") {
			id := n.value("id")
			isBase := id != nil && slices.ContainsFunc(base.items, func(b *node) bool { return b.value("id").text == id.text })
			switch {
			case isBase && drop[id.text]:
				d.add(id.at, "leave one of them away", "row %s is both dropped and changed", id.text)
			case isBase && changes[id.text] == nil:
				changes[id.text] = n
			case isBase:
				d.add(n.at, fmt.Sprintf("the other one is in line %d", changes[id.text].at.line), "two rows have the id %q", id.text)
			default:
				added = append(added, n)
			}
		}
	}
	for _, b := range base.items {
		id := b.value("id").text
		if drop[id] {
			continue
		}
		if changes[id] != nil {
			b = restamp(b, changes[id].at) // what does not go together is the change's mistake
		}
		out.items = append(out.items, mergePairs(b, changes[id]))
	}
	out.items = append(out.items, added...)
	return out
}
