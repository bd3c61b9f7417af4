package verdict

import (
	"cmreach/scanner"
	"cmreach/scanner/jsontext"
)

// AppendJSON appends the finding as encoding/json writes it, without the
// escapes for HTML: records have many.
func (f *Finding) AppendJSON(b []byte) ([]byte, error) {
	b = append(b, `{"profile":`...)
	b = jsontext.String(b, f.Profile)
	b = append(b, `,"requirement":`...)
	b = jsontext.String(b, f.Requirement)
	b = append(b, `,"from":`...)
	b = jsontext.String(b, string(f.From))
	b = append(b, `,"to":`...)
	b = jsontext.String(b, string(f.To))
	b = append(b, `,"host":`...)
	b = jsontext.String(b, f.Host)
	b = append(b, `,"addr":`...)
	b = jsontext.Addr(b, f.Addr)
	b = append(b, `,"protocol":`...)
	b = jsontext.Word(b, f.Protocol.String())
	b = append(b, `,"port":`...)
	b = jsontext.Int(b, int64(f.Port))
	b = appendPorts(b, f.Ports)
	b = append(b, `,"required":`...)
	if f.Required {
		b = append(b, `true`...)
	} else {
		b = append(b, `false`...)
	}
	b = appendText(b, `,"any_of":`, f.AnyOf)
	b = appendText(b, `,"satisfied_by":`, f.SatisfiedBy)
	b = append(b, `,"state":`...)
	b = jsontext.Word(b, f.State.String())
	if f.Seen != StateUnknown {
		b = append(b, `,"seen":`...)
		b = jsontext.Word(b, f.Seen.String())
	}
	b = append(b, `,"reason":`...)
	b = jsontext.String(b, f.Reason)
	b = append(b, `,"assurance":`...)
	b = jsontext.Word(b, f.Assurance.String())
	return f.appendWhy(b), nil
}

// appendWhy appends the second half of the finding: what it rests on.
func (f *Finding) appendWhy(b []byte) []byte {
	if f.By.IsValid() {
		b = append(b, `,"by":`...)
		b = jsontext.Addr(b, f.By)
	}
	if len(f.Between) > 0 {
		b = append(b, `,"between":`...)
		b = jsontext.Addrs(b, f.Between)
	}
	b = append(b, `,"message":`...)
	b = jsontext.String(b, f.Message)
	b = append(b, `,"evidence":`...)
	b = jsontext.Strings(b, f.Evidence)
	b = appendText(b, `,"fix":`, f.Fix)
	if f.Conflict {
		b = append(b, `,"conflict":true`...)
	}
	b = appendText(b, `,"boundary":`, f.Boundary)
	b = appendTags(b, f.Tags)
	return append(b, '}')
}

func appendPorts(b []byte, ports []PortFinding) []byte {
	if len(ports) == 0 {
		return b
	}
	b = append(b, `,"ports":`...)
	for i, p := range ports {
		b = appendComma(b, i)
		b = append(b, `{"port":`...)
		b = jsontext.Int(b, int64(p.Port))
		b = append(b, `,"state":`...)
		b = jsontext.Word(b, p.State.String())
		b = append(b, `,"reason":`...)
		b = jsontext.String(b, p.Reason)
		b = append(b, '}')
	}
	return append(b, ']')
}

func appendTags(b []byte, tags []scanner.Detail) []byte {
	if len(tags) == 0 {
		return b
	}
	b = append(b, `,"tags":`...)
	for i, d := range tags {
		b = appendComma(b, i)
		b = append(b, `{"key":`...)
		b = jsontext.String(b, d.Key)
		b = append(b, `,"value":`...)
		b = jsontext.String(b, d.Value)
		b = append(b, '}')
	}
	return append(b, ']')
}

// appendComma begins the element i of a list.
func appendComma(b []byte, i int) []byte {
	if i == 0 {
		return append(b, '[')
	}
	return append(b, ',')
}

// appendText appends a text that is left out when it is empty.
func appendText(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return jsontext.String(append(b, name...), value)
}
