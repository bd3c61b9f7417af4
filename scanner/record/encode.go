package record

import (
	"cmreach/scanner"
	"cmreach/scanner/jsontext"
	"strconv"
)

// The messages of which there are many are written by hand, as encoding/json
// would write them: with reflection, the record would cost more than the check.

// appender is a finding that can write itself.
type appender interface {
	AppendJSON(b []byte) ([]byte, error)
}

// appendPath is Message{Path: …} in JSON; who is its host and its address.
func appendPath(b, who []byte, row, boundary string, tags []scanner.Detail, addresses int) []byte {
	b = append(b, `{"path":{`...)
	b = append(b, who...)
	b = append(b, `,"requirement":`...)
	b = jsontext.String(b, row)
	if boundary != "" {
		b = append(b, `,"boundary":`...)
		b = jsontext.String(b, boundary)
	}
	if len(tags) > 0 {
		b = append(b, `,"tags":`...)
		b = appendDetails(b, tags)
	}
	if addresses != 0 {
		b = append(b, `,"addresses":`...)
		b = strconv.AppendInt(b, int64(addresses), 10)
	}
	return append(b, `}}`...)
}

// appendObservation is Message{Observation: …} in JSON.
func appendObservation(b, who []byte, o *scanner.Observation) (_ []byte, err error) {
	b = append(b, `{"observation":{`...)
	b = append(b, who...)
	if o.Protocol != 0 {
		b = append(b, `,"protocol":`...)
		b = jsontext.Word(b, o.Protocol.String())
	}
	b = appendNumber(b, `,"port":`, int64(o.Port))
	b = appendText(b, `,"probe":`, o.Probe)
	b = appendText(b, `,"asked":`, o.Asked)
	b = appendNumber(b, `,"via":`, int64(o.Via))
	b = appendNumber(b, `,"hop_limit":`, int64(o.HopLimit))
	b = append(b, `,"outcome":`...)
	b = jsontext.Word(b, o.Outcome.String())
	b = append(b, `,"sent":`...)
	if b, err = jsontext.Time(b, o.Sent); err != nil {
		return nil, err
	}
	b = appendNumber(b, `,"took":`, int64(o.Took))
	b = appendNumber(b, `,"tries":`, int64(o.Tries))
	if o.From.IsValid() {
		b = append(b, `,"by":`...)
		b = jsontext.Addr(b, o.From)
	}
	b = appendNumber(b, `,"ttl":`, int64(o.TTL))
	if o.ICMP != (scanner.ICMPError{}) {
		b = append(b, `,"icmp":{"type":`...)
		b = jsontext.Int(b, int64(o.ICMP.Type))
		b = append(b, `,"code":`...)
		b = jsontext.Int(b, int64(o.ICMP.Code))
		b = append(b, '}')
	}
	if o.Rationed.IsValid() {
		b = append(b, `,"rationed":`...)
		b = jsontext.Addr(b, o.Rationed)
	}
	b = appendText(b, `,"err":`, o.Err)
	if o.Proof != 0 {
		b = append(b, `,"proof":`...)
		b = jsontext.Word(b, o.Proof.String())
	}
	if o.NeedsCredentials {
		b = append(b, `,"needs_credentials":true`...)
	}
	if b, err = appendPeer(b, o); err != nil {
		return nil, err
	}
	if len(o.Details) > 0 {
		b = append(b, `,"details":`...)
		b = appendDetails(b, o.Details)
	}
	return append(b, `}}`...), nil
}

// appendPeer is what the peer says of itself.
func appendPeer(b []byte, o *scanner.Observation) (_ []byte, err error) {
	if !o.Identity.IsZero() {
		b = append(b, `,"identity":`...)
		if b, err = appendIdentity(b, &o.Identity); err != nil {
			return nil, err
		}
	}
	f := o.FarEnd
	if f == nil {
		return b, nil
	}
	b = append(b, `,"far_end":{"since":`...)
	if b, err = jsontext.Time(b, f.Since); err != nil {
		return nil, err
	}
	b = append(b, `,"until":`...)
	if b, err = jsontext.Time(b, f.Until); err != nil {
		return nil, err
	}
	b = appendPorts(b, `,"udp":`, f.UDP)
	b = appendPorts(b, `,"tcp":`, f.TCP)
	if f.Again {
		b = append(b, `,"again":true`...)
	}
	return append(b, '}'), nil
}

func appendIdentity(b []byte, id *scanner.Identity) (_ []byte, err error) {
	from := len(b)
	b = appendText(b, `,"computer":`, id.Computer)
	b = appendText(b, `,"domain":`, id.Domain)
	b = appendText(b, `,"dns_name":`, id.DNSName)
	b = appendText(b, `,"dns_domain":`, id.DNSDomain)
	if len(id.Names) > 0 {
		b = append(b, `,"names":`...)
		b = jsontext.Strings(b, id.Names)
	}
	if len(id.Addrs) > 0 {
		b = append(b, `,"addrs":`...)
		b = jsontext.Addrs(b, id.Addrs)
	}
	b = appendText(b, `,"os":`, id.OS)
	b = appendText(b, `,"server_id":`, id.ServerID)
	if !id.Clock.IsZero() {
		b = append(b, `,"clock":`...)
		if b, err = jsontext.Time(b, id.Clock); err != nil {
			return nil, err
		}
	}
	b[from] = '{' // in place of the first comma: something is set
	return append(b, '}'), nil
}

func appendDetails(b []byte, list []scanner.Detail) []byte {
	for i, d := range list {
		if i == 0 {
			b = append(b, '[')
		} else {
			b = append(b, ',')
		}
		b = append(b, `{"key":`...)
		b = jsontext.String(b, d.Key)
		b = append(b, `,"value":`...)
		b = jsontext.String(b, d.Value)
		b = append(b, '}')
	}
	return append(b, ']')
}

func appendPorts(b []byte, name string, ports []uint16) []byte {
	if len(ports) == 0 {
		return b
	}
	b = append(b, name...)
	for i, p := range ports {
		if i == 0 {
			b = append(b, '[')
		} else {
			b = append(b, ',')
		}
		b = jsontext.Int(b, int64(p))
	}
	return append(b, ']')
}

// appendText appends a text that is left out when it is empty.
func appendText(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return jsontext.String(append(b, name...), value)
}

// appendNumber appends a number that is left out when it is 0.
func appendNumber(b []byte, name string, value int64) []byte {
	if value == 0 {
		return b
	}
	return jsontext.Int(append(b, name...), value)
}
