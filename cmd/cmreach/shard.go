package main

import (
	"cmreach/profiles"
	"cmreach/scanner/record"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// mostShards is into how many parts a plan may be split.
const mostShards = 4096

// shard is a part of the plan, from 1, and of how many. The zero value is all
// of it.
type shard struct{ number, of int }

// readShard reads --shard.
func readShard(s string) (shard, error) {
	if s == "" {
		return shard{}, nil
	}
	i, n, ok := strings.Cut(s, "/")
	number, err := strconv.Atoi(i)
	of, errOf := strconv.Atoi(n)
	switch {
	case !ok || err != nil || errOf != nil:
		return shard{}, fmt.Errorf("--shard: %q is no part: give its number and how many there are, such as 3/8", s)
	case of < 1 || of > mostShards:
		return shard{}, fmt.Errorf("--shard: %q: a plan has 1 to %d parts", s, mostShards)
	case number < 1 || number > of:
		return shard{}, fmt.Errorf("--shard: %q: the parts are 1/%d to %d/%d", s, of, of, of)
	}
	return shard{number, of}, nil
}

// take puts the plan into an order and takes the part out of it. The order is
// another one in every run; but the parts of a plan are of the same order, on
// whichever machines they are checked, so that its key follows from the plan.
func (s shard) take(plan *profiles.Plan) error {
	if s.of == 0 {
		var key [8]byte
		_, _ = rand.Read(key[:]) // never fails
		plan.Take(binary.BigEndian.Uint64(key[:]), 1, 1)
		return nil
	}
	if all := plan.All(); uint64(s.of) > all { //nolint:gosec // G115: at least 1
		return fmt.Errorf("--shard: %d parts of %s: some would be empty: give at most %d", s.of, count(int(all), "host"), all) //nolint:gosec // G115: less than of
	}
	key := sha256.Sum256([]byte("cmreach order " + plan.Digest()))
	plan.Take(binary.BigEndian.Uint64(key[:8]), s.number, s.of)
	return nil
}

// shardOf is the part that was taken of a plan, for its record; nil: all of it.
func shardOf(plan *profiles.Plan) *record.Shard {
	number, of := plan.Shard()
	if of < 2 {
		return nil
	}
	return &record.Shard{Number: number, Of: of, Hosts: int(plan.All())} //nolint:gosec // G115: bounded by MostTargets
}

// shardNote says what a part is, for people.
func shardNote(s *record.Shard) string {
	return fmt.Sprintf("this is part %d of %d of a plan with %s: the verdict is on this part alone; cmreach merge joins the records of all", s.Number, s.Of, count(s.Hosts, "host"))
}

// parts is what a set of records has of one plan.
type parts struct {
	plan  string // its digest
	hosts int
	have  []bool // which parts are there
}

// missing names the parts that are not there; nil when all are.
func (p *parts) missing() error {
	var none []string
	for i, there := range p.have {
		if !there {
			none = append(none, strconv.Itoa(i+1))
		}
	}
	if len(none) == 0 {
		return nil
	}
	verb := "are"
	if len(none) == 1 {
		verb = "is"
	}
	list := strings.Join(none, ", ")
	if len(none) > 20 {
		list = strings.Join(none[:20], ", ") + " and more"
	}
	return fmt.Errorf("%d of %d parts %s missing: %s", len(none), len(p.have), verb, list)
}

// sharded are the parts of plans among the runs, by the vantage: from each a
// plan of its own may have been split. Parts of different plans under one
// vantage are an error, because together they are no plan.
func sharded(runs []mergeInput) (all []*parts, err error) {
	type from struct {
		vantage string
		parts   *parts
		file    string
	}
	var list []from
	for _, r := range runs {
		for _, o := range origins(r) {
			if o.Shard == nil {
				continue
			}
			s := *o.Shard
			i := slices.IndexFunc(list, func(f from) bool { return f.vantage == string(o.Vantage) })
			if s.Of < 1 || s.Of > mostShards || s.Number < 1 || s.Number > s.Of {
				return nil, fmt.Errorf("%s says that it is part %d of %d: take the original", r.file, s.Number, s.Of)
			}
			if i < 0 {
				i = len(list)
				p := &parts{plan: o.Plan, hosts: s.Hosts, have: make([]bool, s.Of)}
				list = append(list, from{string(o.Vantage), p, r.file})
				all = append(all, p)
			}
			p := list[i].parts
			if p.plan != o.Plan || len(p.have) != s.Of {
				return nil, fmt.Errorf("%s and %s are parts of different plans: check all parts with the same targets and flags, and with --shard 1/N to N/N",
					list[i].file, r.file)
			}
			p.have[s.Number-1] = true
		}
	}
	return all, nil
}

// missingParts names the parts of plans that are not among the runs; empty: none.
func missingParts(runs []mergeInput) string {
	all, err := sharded(runs)
	if err != nil {
		return ""
	}
	var missing []string
	for _, p := range all {
		if err := p.missing(); err != nil {
			missing = append(missing, err.Error())
		}
	}
	return strings.Join(missing, "; ")
}

// origins are the runs that a record is of.
func origins(r mergeInput) []record.Origin {
	in := r.Header
	if len(in.Merged) > 0 {
		return in.Merged
	}
	return []record.Origin{{
		Run: r.label, Scanner: in.Scanner, Vantage: in.Vantage, Started: in.Started, Finished: r.End.Finished, Hosts: r.Tally.Hosts,
		Plan: in.Plan, Shard: in.Shard, Sources: r.End.Sources,
	}}
}

// disjoint reports whether the runs are different parts of one plan and nothing
// else: then no host is in two of them, and the plan is returned.
func (m *merger) disjoint() *parts {
	all, err := sharded(m.runs)
	if err != nil || len(all) != 1 {
		return nil
	}
	seen := map[int]bool{}
	for _, r := range m.runs {
		for _, o := range origins(r) {
			if o.Shard == nil || seen[o.Shard.Number] {
				return nil
			}
			seen[o.Shard.Number] = true
		}
	}
	return all[0]
}
