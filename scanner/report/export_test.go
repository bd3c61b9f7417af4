package report

import "cmreach/scanner/verdict"

// GridOf are the subnets of the matrix of a run, with their hosts and paths.
func GridOf(r *Run) (nets []string, hosts int, states verdict.Counts, err error) {
	g, err := newGrid(r)
	if err != nil {
		return nil, 0, states, err
	}
	for _, l := range g.list {
		nets = append(nets, l.name)
		hosts += l.hosts
		for _, c := range l.cells {
			for s, n := range c.States {
				states[s] += n
			}
		}
	}
	return nets, hosts, states, nil
}
