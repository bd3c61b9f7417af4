package report

import (
	"cmreach/scanner/verdict"
	"fmt"
)

// answer says how the run stands: its word, and one sentence.
func (r *Run) answer() (c color, word, sentence string) {
	by := r.Tally.HostsBy
	ready := by[verdict.ClassPassed] + by[verdict.ClassSatisfied]
	total := r.Tally.Hosts
	switch exit := r.Tally.Exit(); {
	case total == 0:
		return yellow, "NOTHING CHECKED", "no host was checked."
	case exit == verdict.ExitFailed:
		return red, "NOT READY", fmt.Sprintf("%d of %s cannot be reached as required.", by[verdict.ClassFailed], hosts(total))
	case exit == verdict.ExitError:
		return yellow, "NO ANSWER", fmt.Sprintf("this machine could not do the test for %d of %s.", by[verdict.ClassError], hosts(total))
	case exit == verdict.ExitUndecided && by[verdict.ClassUndecided] > 0:
		return yellow, "NOT DECIDED", fmt.Sprintf("nothing is known to be blocked, but %d of %s did not show it.", by[verdict.ClassUndecided], hosts(total))
	case !r.Complete():
		return yellow, "NOT DECIDED", fmt.Sprintf("the run did not come to its end; nothing wrong was found at %s so far.", hosts(total))
	case by[verdict.ClassTolerated] > 0:
		return green, "READY", fmt.Sprintf("what is not open at %s is within the limits of --fail-on.", hosts(by[verdict.ClassTolerated]))
	case ready == 0:
		return yellow, "NOT TESTED", "no required path starts here; see below from where to test."
	case r.merged():
		return green, "READY", "every required path that the runs have tested is open."
	default:
		return green, "READY", "every required path that can be tested from here is open."
	}
}
