package main

import (
	"cmreach/profiles"
	"cmreach/scanner"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// discover finds the management points of a site in the DNS, where the site
// publishes them as _mssms_mp_<site>._tcp.<suffix> ("Publish management points
// to DNS": learn.microsoft.com, "Understand how clients find site resources and
// services"). It is done when --dns-suffix is given and no management point is
// named. What it finds is used as if it had been given by --role and --port.
func (s *selection) discover(ctx context.Context, dns nameService, list []*profiles.Profile, site *profiles.Site) (notes []string, err error) {
	if s.dnsSuffix == "" || !needsManagementPoint(list) || s.namesManagementPoint(site) {
		return nil, nil
	}
	if site == nil || site.Code == "" {
		return []string{"no management point was looked up: no site code is known (--site-code, or site: in the site file)"}, nil
	}
	service := "mssms_mp_" + strings.ToLower(site.Code)
	full := "_" + service + "._tcp." + s.dnsSuffix
	_, records, err := dns.LookupSRV(ctx, service, "tcp", s.dnsSuffix)
	hint := "name one with --role management-point=HOST, or leave --dns-suffix away"
	var de *net.DNSError
	switch {
	case errors.As(err, &de) && de.IsNotFound:
		return nil, fmt.Errorf("--dns-suffix: the site publishes no management point as %s: %s", full, hint)
	case err != nil && len(records) == 0:
		return nil, fmt.Errorf("--dns-suffix: %s could not be looked up: %w: %s", full, err, hint)
	}
	var hosts []string
	var ports []uint16
	for _, r := range records {
		host := strings.TrimSuffix(r.Target, ".")
		if host == "" {
			continue // "decidedly not available", RFC 2782
		}
		notes = append(notes, fmt.Sprintf("%s names the management point %s, port %d", full, host, r.Port))
		hosts = append(hosts, host)
		ports = append(ports, r.Port)
	}
	if len(hosts) == 0 {
		return nil, fmt.Errorf("--dns-suffix: %s names no host: %s", full, hint)
	}
	s.roles = append(s.roles, string(scanner.RoleManagementPoint)+"="+strings.Join(hosts, ","))
	more, err := s.usePorts(ports, full, site)
	return append(notes, more...), err
}

// usePorts takes a port that is none of the usual ones for the HTTP port,
// unless a flag or the site file names it.
func (s *selection) usePorts(ports []uint16, full string, site *profiles.Site) ([]string, error) {
	slices.Sort(ports)
	ports = slices.DeleteFunc(slices.Compact(ports), func(p uint16) bool {
		return p == 80 || p == 443 || s.namesPort(p) || slices.Contains(site.Ports["http"], p) || slices.Contains(site.Ports["https"], p)
	})
	switch {
	case len(ports) == 0:
		return nil, nil
	case len(ports) > 1:
		return nil, fmt.Errorf("--dns-suffix: %s names the ports %d and %d: check the management points one by one with --role and --port", full, ports[0], ports[1])
	case slices.ContainsFunc(s.ports, func(f string) bool { return strings.Contains(","+f, ",http=") }):
		return []string{fmt.Sprintf("port %d of %s is not checked: --port http says otherwise", ports[0], full)}, nil
	}
	s.ports = append(s.ports, fmt.Sprintf("http=%d", ports[0]))
	return []string{fmt.Sprintf("port %d of %s is taken for the HTTP port; if it is the HTTPS port, give --port https=%d", ports[0], full, ports[0])}, nil
}

// namesPort reports whether a --port names this number.
func (s *selection) namesPort(p uint16) bool {
	return slices.ContainsFunc(s.ports, func(f string) bool {
		return slices.ContainsFunc(strings.Split(f, ","), func(e string) bool { return strings.TrimSpace(e[strings.Index(e, "=")+1:]) == fmt.Sprint(p) })
	})
}

func needsManagementPoint(list []*profiles.Profile) bool {
	return slices.ContainsFunc(list, func(p *profiles.Profile) bool {
		return slices.ContainsFunc(p.Rows, func(r profiles.Row) bool { return r.To == scanner.RoleManagementPoint })
	})
}

func (s *selection) namesManagementPoint(site *profiles.Site) bool {
	return site != nil && len(site.Roles[scanner.RoleManagementPoint]) > 0 ||
		slices.ContainsFunc(s.roles, func(f string) bool {
			return strings.HasPrefix(strings.TrimSpace(f), string(scanner.RoleManagementPoint)+"=")
		})
}

// withCode is the site with the code of --site-code, which wins over the file's.
func (s *selection) withCode(site *profiles.Site) *profiles.Site {
	if s.siteCode == "" {
		return site
	}
	out := profiles.Site{File: "--site-code"}
	if site != nil {
		out = *site
	}
	out.Code = strings.ToUpper(s.siteCode)
	return &out
}

// readSiteCode checks --site-code: three letters or digits.
func readSiteCode(code string) error {
	if code == "" {
		return nil
	}
	bad := strings.ContainsFunc(code, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if len(code) != 3 || bad {
		return fmt.Errorf("--site-code: %q is not a site code: it has three letters or digits, such as PS1", code)
	}
	return nil
}

// readSuffix checks --dns-suffix, and takes dots at its ends away.
func readSuffix(suffix string) (string, error) {
	out := strings.Trim(suffix, ".")
	bad := strings.ContainsFunc(out, func(r rune) bool {
		return r != '-' && r != '.' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if suffix != "" && (out == "" || bad || strings.Contains(out, "..") || len(out) > 200) {
		return "", fmt.Errorf("--dns-suffix: %q is not a DNS domain: give one such as corp.example.com", suffix)
	}
	return out, nil
}
