package scanner

// confirm asks a listener that answered once more, when everything else of the
// host is done and one of its ports was silent or refused: only if it is still
// there, that says something of the port. It reports whether there is one to ask.
func (e *engine) confirm(h *hostRun) bool {
	var said *Observation
	open := map[suspect]bool{}
	for i := range h.Observations {
		o := &h.Observations[i]
		if o.FarEnd == nil {
			continue
		}
		open[suspect{o.Protocol, o.Port}] = true
		if said == nil || said.Protocol != TCP { // which repairs a loss by itself
			said = o
		}
	}
	doubt := false
	for _, row := range h.Rows {
		doubt = doubt || row.FarEnd != "" && !open[suspect{row.Protocol, row.Port}]
	}
	if said == nil || !doubt {
		return false
	}
	if said.Protocol == TCP {
		e.enqueue(job{host: h, port: said.Port, probe: e.cfg.Probes[said.Probe], again: true})
		return true
	}
	h.open++
	e.ask(&task{host: h, proto: said.Protocol, port: said.Port, probe: said.Probe, again: true}, e.now)
	return true
}

// confirm marks the answer of a listener to the last question, and reports
// whether it is one. An answer that did not come is no observation: it leaves
// what was observed before in doubt.
func (o *Observation) confirm() bool {
	if o.FarEnd == nil || o.Outcome != Spoke {
		return false
	}
	said := *o.FarEnd
	said.Again = true
	o.FarEnd = &said
	return true
}
