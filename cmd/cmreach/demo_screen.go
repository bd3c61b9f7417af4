package main

import (
	"cmreach/scanner/lab"
	"cmreach/scanner/report"
	"fmt"
	"strings"
)

// introduce says what is about to be checked.
func (d *demonstration) introduce() {
	servers := 0
	for _, hosts := range d.plan.Roles {
		servers += len(hosts)
	}
	fmt.Fprintf(d.stdout, "A lab of %d clients and %d servers, with planted faults; its site file is\n%s.\n",
		len(d.plan.Targets), servers, d.file(demoSite))
	fmt.Fprintf(d.stdout, "\n== As the site server: cmreach check -s %s -p %s\n", demoSite, strings.Join(lab.Profiles(), ","))
}

// introduceMerged says which runs the verdict is of.
func (d *demonstration) introduceMerged() {
	var others []string
	for _, c := range d.plan.Checks[1:] {
		others = append(others, c.Vantage)
	}
	fmt.Fprintf(d.stdout, "\n== Merged with what was checked as %s\n(with --vantage; here one machine plays every part, in yours it is three)\n", strings.Join(others, " and "))
}

// show puts a run on the screen: in brief, without what was shown before, or
// all of it.
func (d *demonstration) show(run, before *report.Run) error {
	look := d.look(d.verbose)
	if d.verbose {
		return d.render(output{"text", ""}, run, look)
	}
	if err := enough(report.Brief(d.stdout, run, before, report.TextOptions{Color: look.color, Width: look.width})); err != nil {
		return fmt.Errorf("cannot write to standard output: %w", reason(err))
	}
	return nil
}

func (d *demonstration) listFaults() {
	fmt.Fprintf(d.stdout, "\n== Planted in the lab\n")
	for _, f := range d.plan.Faults {
		fmt.Fprintf(d.stdout, "  %s\n", wrap(f, 76, "    "))
	}
	for _, m := range d.plan.Missing {
		fmt.Fprintf(d.stdout, "  left out: %s\n", wrap(m, 66, "    "))
	}
}

// whatNext says what to do with the files.
func (d *demonstration) whatNext(records []string) {
	fmt.Fprintf(d.stdout, `
%s has the site file with its list of clients, to begin your own with, the
%d records and their reports in full. In a browser: %s
As text: cmreach report %s
`, d.dir, len(records), d.file("merged.html"), d.file("merged.jsonl"))
}
