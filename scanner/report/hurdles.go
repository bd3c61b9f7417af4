package report

import (
	"cmreach/scanner/record"
	"fmt"
	"math"
	"strings"
)

// hurdles say in one line what the run met on its way; empty: nothing.
func hurdles(h record.Hurdles) string {
	var parts []string
	if h.Cuts > 0 {
		s := "the network carried about " + perSecond(h.Carried)
		if h.Fastest > h.Carried {
			s += ", so the run slowed down from " + perSecond(h.Fastest)
		}
		parts = append(parts, s)
	}
	if h.Outage > 0 {
		parts = append(parts, fmt.Sprintf("%s lost in outages, and what was silent then was asked again", packetsWere(h.Outage)))
	}
	if h.Trouble > 0 {
		s := fmt.Sprintf("this machine had trouble %s", times(h.Trouble))
		if h.TroubleCause != "" {
			s += " (" + short(clean(h.TroubleCause), 120) + ")"
		}
		parts = append(parts, s)
	}
	if h.Retried > 0 {
		parts = append(parts, fmt.Sprintf("%s only when asked again", pathsAnswered(h.Retried)))
	}
	if len(parts) == 0 {
		return ""
	}
	s := strings.Join(parts, "; ")
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

func perSecond(rate float64) string {
	if rate < 10 {
		return fmt.Sprintf("%.1f packets/s", rate)
	}
	return fmt.Sprintf("%.0f packets/s", math.Round(rate))
}

func packetsWere(n int) string {
	if n == 1 {
		return "1 packet was"
	}
	return fmt.Sprintf("%d packets were", n)
}

func pathsAnswered(n int) string {
	if n == 1 {
		return "1 path answered"
	}
	return fmt.Sprintf("%d paths answered", n)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
