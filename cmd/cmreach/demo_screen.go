package main

import (
	"cmreach/scanner/report"
	"fmt"
	"os"
	"slices"
	"strings"
)

// introduce says what is about to be checked.
func (d *demonstration) introduce() {
	servers := 0
	for _, hosts := range d.plan.Roles {
		servers += len(hosts)
	}
	fmt.Fprintf(d.stdout, "A lab of %d clients and %d servers, with planted faults, described in %s.\n",
		len(d.plan.Targets), servers, d.file(demoSite))
	fmt.Fprintf(d.stdout, "\n== checked from the site server: cmreach check -s %s -p push,gpo,sup,nap\n", d.file(demoSite))
}

// show puts a run on the screen: in brief, or all of it.
func (d *demonstration) show(run *report.Run) error {
	look := d.look(d.verbose)
	if d.verbose {
		return d.render(output{"text", ""}, run, look)
	}
	if err := enough(report.Brief(d.stdout, run, report.TextOptions{Color: look.color, Width: look.width})); err != nil {
		return fmt.Errorf("cannot write to standard output: %w", reason(err))
	}
	return nil
}

func (d *demonstration) listFaults() {
	fmt.Fprintf(d.stdout, "\n== planted in the lab\n")
	for _, f := range d.plan.Faults {
		fmt.Fprintf(d.stdout, "  %s\n", wrap(f, 76, "    "))
	}
	for _, m := range d.plan.Missing {
		fmt.Fprintf(d.stdout, "  left out: %s\n", wrap(m, 66, "    "))
	}
}

// whatNext says what to do with the files.
func (d *demonstration) whatNext(records []string) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return // the files were written; only their list is missing
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	fmt.Fprintf(d.stdout, "\nin %s: %s\n", d.dir, wrap(strings.Join(names, ", "), 60, "  "))
	fmt.Fprintf(d.stdout, "the whole report of a run:  cmreach report %s\n", records[0])
}
