package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// checkFlags are the flags of check, as they were given.
type checkFlags struct {
	selection
	reportFlags
	audit     bool
	quiet     bool
	pcap      string
	pcapAll   bool
	resume    string
	set       *pflag.FlagSet
	continues *prior // the record that is gone on with; nil: a new run
}

func (p *program) checkFlagSet() *checkFlags {
	f := &checkFlags{set: p.flagSet("check", "[FLAGS] [TARGET…]")}
	f.selection.register(f.set)
	f.reportFlags.register(f.set, "all hosts and all evidence, and a log")
	f.set.StringVar(&f.resume, "resume", "", "go on with the run of this record (`RUN.jsonl`) where it was interrupted or killed; alone it takes the plan from the record")
	f.set.BoolVar(&f.audit, "audit-names", false, "compare names and addresses in both directions of the DNS; remarks go to the evidence")
	f.set.BoolVarP(&f.quiet, "quiet", "q", false, "no progress and no remarks")
	f.set.StringVar(&f.pcap, "pcap", "", "`FILE` for the packets of the sweep as evidence (pcapng; raw engine)")
	f.set.BoolVar(&f.pcapAll, "pcap-all", false, "with --pcap: the packets of all paths, not of the failed ones alone")
	return f
}

// readCheck reads the arguments of check, and those in the record of a run that
// is gone on with.
func (p *program) readCheck(args []string) (*checkFlags, error) {
	f := p.checkFlagSet()
	if err := parse(f.set, args); err != nil {
		return nil, err
	}
	if f.resume == "" {
		if f.set.Changed("resume") {
			return nil, usage(errors.New("--resume names no record: write --resume RUN.jsonl"))
		}
		return f, nil
	}
	old, err := openPrior(f.resume)
	if err != nil {
		return nil, usage(err)
	}
	if !f.describes() {
		if f, err = p.adopted(f, old); err != nil {
			old.close()
			return nil, err
		}
	}
	f.continues = old
	return f, nil
}

// how are the flags that say how a plan is carried out and reported, and not
// what it is: these may be others when a run is gone on with.
var how = []string{
	"rate", "timeout", "rounds", "engine", "dns", "far-end-key-file", "output", "advice", "fail-on", "prom-hosts", "junit-dialect", "junit-granularity", "audit-names", "quiet", "verbose", "pcap", "pcap-all", "resume",
	"state", "confirm", "only-changes", "wait", "log-format", "notify", "notify-file", "notify-timeout",
}

// once are those of them that a record does not keep.
// The URLs of --notify are secrets.
var once = []string{"quiet", "verbose", "pcap", "pcap-all", "resume", "log-format", "notify", "notify-file", "notify-timeout"}

// describes reports whether the arguments say what the plan is.
func (f *checkFlags) describes() bool {
	is := f.set.NArg() > 0
	f.set.Visit(func(g *pflag.Flag) { is = is || !slices.Contains(how, g.Name) })
	return is
}

// adopted are the flags of the record, and above them those that were given now.
func (p *program) adopted(f *checkFlags, old *prior) (*checkFlags, error) {
	kept := old.header.Args
	switch {
	case len(kept) == 0:
		return nil, usage(fmt.Errorf("--resume: %s does not keep the flags of its run: give the same flags and targets again", f.resume))
	case slices.Contains(kept, "--targets=-"):
		return nil, usage(fmt.Errorf("--resume: the targets of %s came from standard input: give the same list and flags again: %s",
			f.resume, old.command()))
	}
	var args []string
	for _, a := range kept {
		name, _, _ := strings.Cut(strings.TrimPrefix(a, "--"), "=")
		if strings.HasPrefix(a, "--") && a != "--" && f.set.Changed(name) {
			continue
		}
		args = append(args, a)
	}
	again := p.checkFlagSet()
	if err := parse(again.set, append(f.given(nil), args...)); err != nil {
		return nil, usage(fmt.Errorf("--resume: the flags in %s: %w", f.resume, err))
	}
	return again, nil
}

// kept are the flags and targets for the record.
func (f *checkFlags) kept() []string {
	args := f.given(once)
	if f.set.NArg() > 0 {
		args = append(append(args, "--"), f.set.Args()...)
	}
	size := 0
	for _, a := range args {
		size += len(a)
	}
	if size > maxArgs {
		return nil
	}
	return args
}

// maxArgs bounds the flags in a record.
const maxArgs = 1 << 16

// given writes the flags that were given, without some. Files have their whole
// path: who goes on may be in another directory.
func (f *checkFlags) given(without []string) []string {
	var args []string
	f.set.Visit(func(g *pflag.Flag) {
		if slices.Contains(without, g.Name) {
			return
		}
		values := []string{g.Value.String()}
		if list, ok := g.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			switch g.Name {
			case "targets", "site", "far-end-key-file", "state", "advice":
				v = whole(v)
			case "profile":
				if isFile(v) {
					v = whole(v)
				}
			case "output":
				format, file, toFile := strings.Cut(v, "=")
				if format == "jsonl" && without != nil {
					continue // that is the record itself
				}
				if toFile {
					v = format + "=" + whole(file)
					if endsInSlash(file) {
						v += "/" // it stays a folder
					}
				}
			}
			args = append(args, "--"+g.Name+"="+v)
		}
	})
	return args
}

// whole is the whole path of a file.
func whole(name string) string {
	if name == "" || name == "-" {
		return name
	}
	place := samePlace(filepath.Clean(name))
	if endsInSlash(name) && !endsInSlash(place) {
		place += string(filepath.Separator) // it says that the output is a folder
	}
	return place
}
