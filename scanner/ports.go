package scanner

import (
	"fmt"
	"strings"
)

// OwnPorts are the ports of a row that is asked on ports of its own.
func (r *Requirement) OwnPorts() []uint16 {
	if len(r.Ports) > 0 {
		return r.Ports
	}
	return []uint16{r.Port}
}

// PortList writes ports for people, neighbours as a range: "80, 10124-10139".
func PortList(ports []uint16) string {
	var parts []string
	for i := 0; i < len(ports); {
		last := i
		for last+1 < len(ports) && int(ports[last+1]) == int(ports[last])+1 {
			last++
		}
		switch last - i {
		case 0:
			parts = append(parts, fmt.Sprint(ports[i]))
		case 1:
			parts = append(parts, fmt.Sprint(ports[i]), fmt.Sprint(ports[last]))
		default:
			parts = append(parts, fmt.Sprintf("%d-%d", ports[i], ports[last]))
		}
		i = last + 1
	}
	return strings.Join(parts, ", ")
}
