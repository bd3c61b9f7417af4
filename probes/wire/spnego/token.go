package spnego

// Init is NegTokenInit, and of a server NegTokenInit2 (RFC 4178 4.2.1,
// [MS-SPNG] 2.2.1). The hint that servers send is neither written nor read: it
// says "not_defined_in_RFC4178@please_ignore".
type Init struct {
	Mechs []OID  // offered, best first
	Token []byte // for the first of them; servers send none
}

// Offers reports whether a mechanism is among those offered.
func (m Init) Offers(mech OID) bool {
	for _, o := range m.Mechs {
		if o == mech {
			return true
		}
	}
	return false
}

// Marshal writes the message inside a GSS-API token (RFC 2743 3.1).
func (m Init) Marshal() []byte {
	var mechs []byte
	for _, o := range m.Mechs {
		mechs = append(mechs, der(tagOID, []byte(o))...)
	}
	body := der(tagContext0, der(tagSequence, mechs))
	if len(m.Token) > 0 {
		body = append(body, der(tagContext2, der(tagOctetString, m.Token))...)
	}
	return der(tagApplication0, der(tagOID, []byte(OIDSPNEGO)), der(tagContext0, der(tagSequence, body)))
}

// ParseInit reads the message.
func ParseInit(b []byte) (Init, error) {
	var m Init
	token, _, err := want(b, tagApplication0, "GSS-API token")
	if err != nil {
		return m, err
	}
	mech, rest, err := want(token, tagOID, "mechanism of the GSS-API token")
	if err != nil {
		return m, err
	}
	if OID(mech) != OIDSPNEGO {
		return m, &Error{Field: "mechanism of the GSS-API token", Offset: len(rest), Reason: OID(mech).String() + ", want SPNEGO"}
	}
	body, err := choice(rest, tagContext0, "NegTokenInit")
	if err != nil {
		return m, err
	}
	for len(body) > 0 {
		var e element
		if e, body, err = next(body, "field of NegTokenInit"); err != nil {
			return m, err
		}
		switch e.tag {
		case tagContext0:
			if m.Mechs, err = parseMechs(e.value); err != nil {
				return m, err
			}
		case tagContext2:
			if m.Token, _, err = want(e.value, tagOctetString, "mechToken"); err != nil {
				return m, err
			}
		}
	}
	return m, nil
}

func parseMechs(b []byte) ([]OID, error) {
	list, _, err := want(b, tagSequence, "mechTypes")
	if err != nil {
		return nil, err
	}
	var mechs []OID
	for len(list) > 0 {
		var oid []byte
		if oid, list, err = want(list, tagOID, "mechType"); err != nil {
			return mechs, err
		}
		mechs = append(mechs, OID(oid))
	}
	return mechs, nil
}

// State is how far the negotiation is (RFC 4178 4.2.2).
type State uint8

// The states.
const (
	AcceptCompleted  State = 0
	AcceptIncomplete State = 1
	Reject           State = 2
	RequestMIC       State = 3
	StateNone        State = 0xff // not given
)

// Resp is NegTokenResp (RFC 4178 4.2.2).
type Resp struct {
	State State
	Mech  OID    // the chosen mechanism; empty: not given
	Token []byte // of the mechanism
}

// Marshal writes the message.
func (m Resp) Marshal() []byte {
	var body []byte
	if m.State != StateNone {
		body = append(body, der(tagContext0, der(tagEnumerated, []byte{byte(m.State)}))...)
	}
	if m.Mech != "" {
		body = append(body, der(tagContext1, der(tagOID, []byte(m.Mech)))...)
	}
	if len(m.Token) > 0 {
		body = append(body, der(tagContext2, der(tagOctetString, m.Token))...)
	}
	return der(tagContext1, der(tagSequence, body))
}

// ParseResp reads the message.
func ParseResp(b []byte) (Resp, error) {
	m := Resp{State: StateNone}
	body, err := choice(b, tagContext1, "NegTokenResp")
	if err != nil {
		return m, err
	}
	for len(body) > 0 {
		var e element
		if e, body, err = next(body, "field of NegTokenResp"); err != nil {
			return m, err
		}
		var value []byte
		switch e.tag {
		case tagContext0:
			if value, _, err = want(e.value, tagEnumerated, "negState"); err != nil {
				return m, err
			}
			if len(value) != 1 || value[0] > byte(RequestMIC) {
				return m, &Error{Field: "negState", Offset: len(body), Reason: "no state of RFC 4178"}
			}
			m.State = State(value[0])
		case tagContext1:
			if value, _, err = want(e.value, tagOID, "supportedMech"); err != nil {
				return m, err
			}
			m.Mech = OID(value)
		case tagContext2:
			if m.Token, _, err = want(e.value, tagOctetString, "responseToken"); err != nil {
				return m, err
			}
		}
	}
	return m, nil
}

// choice opens a NegotiationToken: a tagged sequence.
func choice(b []byte, tag byte, name string) ([]byte, error) {
	inner, _, err := want(b, tag, name)
	if err != nil {
		return nil, err
	}
	body, _, err := want(inner, tagSequence, name)
	return body, err
}
