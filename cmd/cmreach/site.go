package main

import (
	"cmreach/profiles"
	"errors"
	"fmt"
	"strings"
)

// site serves those who write a site file: it checks one, prints one to begin
// with, and prints the schema for editors.
func (p *program) site(args []string) (int, error) {
	fs := p.flagSet("site", "check FILE | init | schema")
	with := fs.StringSliceP("profile", "p", nil, "check: `FILE`s with profiles whose ports the site file may name")
	if err := parse(fs, args); err != nil {
		return 0, err
	}
	rest := fs.Args()
	words := []string{"check", "init", "schema"}
	switch word := fs.Arg(0); {
	case word == "":
		return 0, usage(errors.New("say what to do: cmreach site check FILE, cmreach site init, or cmreach site schema"))
	case word == "check" && len(rest) == 2:
		return p.checkSite(rest[1], *with)
	case word == "check":
		return 0, usage(errors.New("name one site file: cmreach site check site.yaml"))
	case word != "init" && word != "schema":
		return 0, usage(fmt.Errorf("unknown word %q: %s", word, profiles.Suggest(word, words)))
	case len(rest) > 1:
		return 0, usage(fmt.Errorf("site %s takes no arguments, but got %q: leave it away", word, rest[1]))
	case word == "init":
		return p.printText(profiles.SiteExample())
	default:
		return p.printText(profiles.SiteSchema())
	}
}

// printText prints a text of the program's own.
func (p *program) printText(text string, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return 0, p.print(text)
}

// checkSite reads a site file and the lists that it names, and says what is in
// it. Every mistake is told.
func (p *program) checkSite(name string, with []string) (int, error) {
	var names, files []string
	for _, w := range with {
		if isFile(w) {
			files = append(files, w)
		} else {
			names = append(names, w)
		}
	}
	list, err := profiles.Load(names, files)
	errs := []error{err}
	site, err := profiles.LoadSite(name)
	errs = append(errs, err)
	var targets *profiles.Targets
	if site != nil {
		errs = append(errs, site.CheckPorts(list))
		s := selection{targets: site.Clients, maxTargets: profiles.DefaultMaxTargets}
		s.adopt(site)
		targets, err = p.readTargets(&s, nil, site.Exclude)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return 0, usage(err)
	}
	return 0, p.print(siteSummary(site, targets))
}

// siteSummary says what a site file names, for the eye of who wrote it.
func siteSummary(site *profiles.Site, targets *profiles.Targets) string {
	hosts := 0
	for _, h := range site.Roles {
		hosts += len(h)
	}
	parts := []string{
		fmt.Sprintf("%s for %s", count(hosts, "host"), count(len(site.Roles), "role")),
		count(len(site.Ports), "port"), count(len(site.Settings), "setting"),
		count(targets.Len(), "client"), count(len(site.Exclude), "exclusion"),
	}
	if n := len(site.Boundaries); n == 1 {
		parts = append(parts, "1 boundary")
	} else {
		parts = append(parts, fmt.Sprintf("%d boundaries", n))
	}
	code := "without a site code"
	if site.Code != "" {
		code = "site " + site.Code
	}
	return fmt.Sprintf("%s is good: %s, %s\n", site.File, code, strings.Join(parts, ", "))
}
