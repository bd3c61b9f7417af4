package probes

import (
	"bytes"
	"cmreach/probes/wire/ike"
	"cmreach/scanner"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ikeAsked reads a request of the probe.
func ikeAsked(t testing.TB, b, marker []byte) ike.Message {
	t.Helper()
	msg, ok := bytes.CutPrefix(b, marker)
	m, err := ike.Parse(msg)
	if err != nil || !ok {
		t.Fatalf("request %x: %v", b, err)
	}
	return m
}

func ikeRefuses(asked ike.Message, n ike.Notify) ike.Message {
	m := ike.Message{Header: asked.Header, Payloads: []ike.Payload{ike.NotifyPayload(asked.Version, n, []byte("data"))}}
	m.Flags = 0x20
	if asked.Version == ike.Version1 {
		m.Flags, m.Exchange = 0, ike.ExchangeInformationV1
	}
	return m
}

func ikeAccepts(asked ike.Message) ike.Message {
	m := asked
	m.Responder = ike.SPI{1, 2, 3}
	if asked.Version == ike.Version2 {
		m.Flags = 0x20
	}
	return m
}

func TestIKE(t *testing.T) {
	for _, c := range []struct {
		probe  scanner.Probe
		marker []byte
	}{{IKE(), nil}, {IKENATTraversal(), []byte{0, 0, 0, 0}}} {
		t.Run(c.probe.Name, func(t *testing.T) { testIKE(t, c.probe, c.marker) })
	}
}

func testIKE(t *testing.T, probe scanner.Probe, marker []byte) {
	v2, v1 := ikeAsked(t, probe.Request(scanner.Ask{}), marker), ikeAsked(t, probe.Also(scanner.Ask{}), marker)
	if v2.Version != ike.Version2 || v2.Exchange != ike.ExchangeInit || v1.Version != ike.Version1 || v1.Exchange != ike.ExchangeMainMode || v1.Initiator == v2.Initiator {
		t.Errorf("asks %+v and %+v", v2.Header, v1.Header)
	}
	if bytes.Equal(probe.Request(scanner.Ask{}), probe.Request(scanner.Ask{})) {
		t.Error("two requests are one exchange")
	}
	wire := func(m ike.Message) []byte { return append(bytes.Clone(marker), m.Marshal()...) }
	changed := func(m ike.Message, change func(*ike.Message)) []byte {
		change(&m)
		return wire(m)
	}
	spoke := func(text string) scanner.Result {
		r := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
		r.Detail("ike", text)
		return r
	}
	bad := func(o scanner.Outcome, text string) scanner.Result { return scanner.Result{Outcome: o, Err: text} }
	stranger := ikeAsked(t, IKE().Request(scanner.Ask{}), nil)
	cases := []struct {
		name   string
		answer []byte
		want   scanner.Result
	}{
		{"IKEv2 accepts", wire(ikeAccepts(v2)), spoke("IKEv2 in answer to IKEv2: a proposal is accepted")},
		{"IKEv1 accepts", wire(ikeAccepts(v1)), spoke("IKEv1 in answer to IKEv1: a proposal is accepted")},
		{"IKEv2 no proposal", wire(ikeRefuses(v2, ike.NotifyNoProposal)), spoke("IKEv2 in answer to IKEv2: NO_PROPOSAL_CHOSEN")},
		{"IKEv2 other group", wire(ikeRefuses(v2, ike.NotifyInvalidKE)), spoke("IKEv2 in answer to IKEv2: INVALID_KE_PAYLOAD")},
		{"IKEv2 cookie", wire(ikeRefuses(v2, ike.NotifyCookie)), spoke("IKEv2 in answer to IKEv2: COOKIE")},
		{"IKEv2 redirect", wire(ikeRefuses(v2, ike.NotifyRedirect)), spoke("IKEv2 in answer to IKEv2: REDIRECT")},
		{"IKEv2 unknown error", wire(ikeRefuses(v2, 9999)), spoke("IKEv2 in answer to IKEv2: notification 9999")},
		{"IKEv1 no proposal", wire(ikeRefuses(v1, ike.NotifyNoProposal)), spoke("IKEv1 in answer to IKEv1: NO-PROPOSAL-CHOSEN")},
		{
			"IKEv1 does not know IKEv2",
			changed(ikeRefuses(v1, ike.NotifyInvalidMajor), func(m *ike.Message) { m.Initiator = v2.Initiator }),
			spoke("IKEv1 in answer to IKEv2: INVALID-MAJOR-VERSION"),
		},
		{
			"IKEv1 encrypted", changed(ikeAccepts(v1), func(m *ike.Message) { m.Flags, m.Exchange = 1, ike.ExchangeInformationV1 }),
			spoke("IKEv1 in answer to IKEv1: an encrypted message"),
		},
		{
			"IKEv2 only remarks", changed(ikeRefuses(v2, 16404), func(*ike.Message) {}),
			bad(scanner.Garbled, "an IKE message with neither proposal nor refusal"),
		},
		{"IKEv2 echo", wire(v2), bad(scanner.Foreign, "sent the request back")},
		{"IKEv1 echo", wire(v1), bad(scanner.Foreign, "sent the request back")},
		{
			"IKEv2 request", changed(ikeAccepts(v2), func(m *ike.Message) { m.Flags = 8 }),
			bad(scanner.Garbled, "an IKEv2 request in place of an answer"),
		},
		{"another's exchange", wire(ikeAccepts(stranger)), bad(scanner.Foreign, "an IKE message of an exchange that was not begun")},
		{
			"the SPI of the other version", changed(ikeAccepts(v1), func(m *ike.Message) { m.Initiator[7]++ }),
			bad(scanner.Foreign, "an IKE message of an exchange that was not begun"),
		},
		{
			"malformed notification", changed(ikeRefuses(v2, 14), func(m *ike.Message) { m.Payloads[0].Body = []byte{0, 9} }),
			bad(scanner.Garbled, "malformed IKE message: a notification of 2 bytes"),
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, probe.Decode(nil, c.answer), compareAddrs); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	for _, other := range [][]byte{nil, {0xff}, []byte("220 \x1b[2J hello, this is no IKE at all"), wire(ikeAccepts(v2))[:40]} {
		if got := probe.Decode(nil, other); got.Outcome != scanner.Foreign || !strings.HasPrefix(got.Err, "no IKE: ") || strings.ContainsRune(got.Err, 0x1b) {
			t.Errorf("%q: %+v", other, got)
		}
	}
}

// TestIKEMarker: IKE without the marker on 4500, and with it on 500, is no IKE.
func TestIKEMarker(t *testing.T) {
	p, q := IKE(), IKENATTraversal()
	plain := ikeAccepts(ikeAsked(t, p.Request(scanner.Ask{}), nil)).Marshal()
	marked := ikeAccepts(ikeAsked(t, q.Request(scanner.Ask{}), ike.NonESP())).Marshal()
	if got := q.Decode(nil, marked); got.Outcome != scanner.Foreign {
		t.Errorf("without the marker: %+v", got)
	}
	if got := p.Decode(nil, append(ike.NonESP(), plain...)); got.Outcome != scanner.Foreign {
		t.Errorf("with the marker: %+v", got)
	}
}

// FuzzIKE: no answer makes the decoder panic, and none that was not asked for
// is taken for one.
func FuzzIKE(f *testing.F) {
	probe, fresh := IKE(), IKENATTraversal()
	m := ikeAsked(f, probe.Request(scanner.Ask{}), nil)
	f.Add(ikeAccepts(m).Marshal())
	f.Add(append(ike.NonESP(), ikeRefuses(m, 14).Marshal()...))
	f.Fuzz(func(t *testing.T, b []byte) {
		probe.Decode(nil, b)
		if got := fresh.Decode(nil, b); got.Outcome == scanner.Spoke || got.Outcome == scanner.OutcomeUnknown {
			t.Errorf("%x is taken for an answer: %+v", b, got)
		}
	})
}
