package probes

import (
	"bytes"
	"cmreach/probes/probetest"
	"cmreach/scanner"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
)

const dhcpTranscripts = "../testdata/wire/dhcp/"

func dhcpAsk() scanner.Ask {
	return scanner.Ask{To: netip.MustParseAddrPort("198.18.0.67:67"), From: netip.MustParseAddr("198.18.0.10")}
}

// dhcpAsked reads a request of the probe.
func dhcpAsked(t testing.TB, p scanner.Probe) *dhcpv4.DHCPv4 {
	t.Helper()
	m, err := dhcpv4.FromBytes(p.Request(dhcpAsk()))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// dhcpRecorded is a recorded answer as if it answered the request.
func dhcpRecorded(t testing.TB, file string, asked *dhcpv4.DHCPv4) []byte {
	t.Helper()
	messages := probetest.Transcript(t, dhcpTranscripts+file)
	if len(messages) != 2 || messages[1].FromClient {
		t.Fatalf("%s: %d messages", file, len(messages))
	}
	b := bytes.Clone(messages[1].Bytes)
	copy(b[4:], asked.TransactionID[:])
	copy(b[28:], asked.ClientHWAddr)
	return b
}

// dhcpReply answers a request.
func dhcpReply(t testing.TB, asked *dhcpv4.DHCPv4, more ...dhcpv4.Modifier) []byte {
	t.Helper()
	m, err := dhcpv4.NewReplyFromRequest(asked, more...)
	if err != nil {
		t.Fatal(err)
	}
	return m.ToBytes()
}

func TestDHCPRequest(t *testing.T) {
	for _, p := range []scanner.Probe{DHCP(), PXE()} {
		m := dhcpAsked(t, p)
		if m.OpCode != dhcpv4.OpcodeBootRequest || m.ClientIPAddr.String() != "198.18.0.10" || m.ClientHWAddr[0]&3 != 2 || m.HopCount != 0 || m.IsBroadcast() {
			t.Errorf("%s: %s", p.Name, m.Summary())
		}
		if p.UDP != (scanner.UDPSocket{LocalPort: 68}) {
			t.Errorf("%s: socket %+v", p.Name, p.UDP)
		}
		if bytes.Equal(p.Request(dhcpAsk()), p.Request(dhcpAsk())) {
			t.Errorf("%s: two requests are one transaction", p.Name)
		}
		for _, ask := range []scanner.Ask{
			{To: dhcpAsk().To},
			{To: netip.MustParseAddrPort("[fd00:198:18::67]:67"), From: netip.MustParseAddr("fd00:198:18::10")},
		} {
			if b := p.Request(ask); b != nil {
				t.Errorf("%s: asks %+v %x", p.Name, ask, b)
			}
		}
	}
	if kind := dhcpAsked(t, DHCP()).MessageType(); kind != dhcpv4.MessageTypeInform {
		t.Errorf("sends %s", kind)
	}
	m := dhcpAsked(t, PXE())
	if m.MessageType() != dhcpv4.MessageTypeRequest || !strings.HasPrefix(m.ClassIdentifier(), "PXEClient:Arch:00007") ||
		len(m.Options.Get(dhcpv4.OptionClientMachineIdentifier)) != 17 || len(m.Options.Get(dhcpv4.OptionClientSystemArchitectureType)) != 2 {
		t.Errorf("sends %s", m.Summary())
	}
}

// What a relay sends on has the relay's address, and no client's.
func TestPXEDiscover(t *testing.T) {
	p := PXEDiscover()
	m := dhcpAsked(t, p)
	if m.MessageType() != dhcpv4.MessageTypeDiscover || m.GatewayIPAddr.String() != "198.18.0.10" || !m.ClientIPAddr.IsUnspecified() ||
		m.HopCount != 1 || m.ClientHWAddr[0]&3 != 2 || !strings.HasPrefix(m.ClassIdentifier(), "PXEClient:Arch:00007") {
		t.Errorf("sends %s", m.Summary())
	}
	if p.UDP != (scanner.UDPSocket{LocalPort: 67}) {
		t.Errorf("socket %+v", p.UDP)
	}
	offer := dhcpReply(t, m, dhcpv4.WithMessageType(dhcpv4.MessageTypeOffer), dhcpv4.WithOption(dhcpv4.OptClassIdentifier("PXEClient")))
	if got := p.Decode(nil, offer); got.Outcome != scanner.Spoke || got.Proof != scanner.AssuranceRole {
		t.Errorf("%+v", got)
	}
	if got := PXE().Decode(nil, offer); got.Outcome != scanner.Foreign {
		t.Errorf("taken for an answer to another run: %+v", got)
	}
}

func TestDHCP(t *testing.T) {
	probe := DHCP()
	asked := dhcpAsked(t, probe)
	kind := func(k dhcpv4.MessageType) []byte { return dhcpReply(t, asked, dhcpv4.WithMessageType(k)) }
	changed := func(change func([]byte)) []byte {
		b := kind(dhcpv4.MessageTypeAck)
		change(b)
		return b
	}
	spoke := func(proof scanner.Assurance, details ...string) scanner.Result {
		r := scanner.Result{Outcome: scanner.Spoke, Proof: proof}
		for i := 0; i < len(details); i += 2 {
			r.Detail(details[i], details[i+1])
		}
		return r
	}
	other := func(o scanner.Outcome, text string) scanner.Result { return scanner.Result{Outcome: o, Err: text} }
	lab := spoke(scanner.AssuranceRole, "dhcp", "DHCPACK", "server", "198.18.0.67", "domain", "lab.test")
	cases := []struct {
		name   string
		answer []byte
		want   scanner.Result
	}{
		{"ISC dhcpd", dhcpRecorded(t, "isc-inform.hex", asked), lab},
		{"Kea", dhcpRecorded(t, "kea-inform.hex", asked), lab},
		{"dnsmasq", dhcpRecorded(t, "dnsmasq-inform.hex", asked), lab},
		{"refusal", kind(dhcpv4.MessageTypeNak), spoke(scanner.AssuranceProtocol, "dhcp", "DHCPNAK")},
		{"offer", kind(dhcpv4.MessageTypeOffer), spoke(scanner.AssuranceProtocol, "dhcp", "DHCPOFFER")},
		{"BOOTP", dhcpReply(t, asked), spoke(scanner.AssuranceProtocol, "dhcp", "a BOOTP reply")},
		{
			"hostile domain", dhcpReply(t, asked, dhcpv4.WithMessageType(dhcpv4.MessageTypeAck), dhcpv4.WithOption(dhcpv4.OptDomainName("\x1b[2Jcorp\x00"))),
			spoke(scanner.AssuranceRole, "dhcp", "DHCPACK", "domain", ".[2Jcorp"),
		},
		{"echo", asked.ToBytes(), other(scanner.Foreign, "sent the request back")},
		{"another transaction", changed(func(b []byte) { b[4]++ }), other(scanner.Foreign, "a DHCP message of a transaction that was not begun")},
		{"another computer", changed(func(b []byte) { b[30]++ }), other(scanner.Foreign, "a DHCP message of a transaction that was not begun")},
		{"no address length", changed(func(b []byte) { b[2] = 0 }), other(scanner.Foreign, "a DHCP message of a transaction that was not begun")},
		{"another run's", dhcpReply(t, dhcpAsked(t, DHCP())), other(scanner.Foreign, "a DHCP message of a transaction that was not begun")},
		{"text", []byte("220 \x1b[2J hello"), other(scanner.Foreign, "no DHCP: the answer begins 220 .[2J hello")},
		{"empty", nil, other(scanner.Foreign, "no DHCP: the answer begins bytes ")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, probe.Decode(nil, c.answer), compareAddrs); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	for name, b := range map[string][]byte{
		"no cookie": changed(func(b []byte) { clear(b[236:]) }),
		"cut":       kind(dhcpv4.MessageTypeAck)[:238],
	} {
		if got := probe.Decode(nil, b); got.Outcome != scanner.Garbled || !strings.HasPrefix(got.Err, "malformed DHCP message: ") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestPXE(t *testing.T) {
	probe := PXE()
	asked := dhcpAsked(t, probe)
	class := dhcpv4.WithOption(dhcpv4.OptClassIdentifier("PXEClient"))
	file := dhcpv4.WithOption(dhcpv4.OptBootFileName("smsboot\\x64\\wdsmgfw.efi\x00"))
	for name, c := range map[string]struct {
		answer []byte
		proof  scanner.Assurance
		file   string
	}{
		"dnsmasq":           {dhcpRecorded(t, "dnsmasq-pxe.hex", asked), scanner.AssuranceRole, "bootx64.0"},
		"class only":        {dhcpReply(t, asked, dhcpv4.WithMessageType(dhcpv4.MessageTypeOffer), class), scanner.AssuranceRole, ""},
		"file in an option": {dhcpReply(t, asked, dhcpv4.WithMessageType(dhcpv4.MessageTypeAck), file), scanner.AssuranceRole, "smsboot\\x64\\wdsmgfw.efi"},
		"plain DHCP":        {dhcpReply(t, asked, dhcpv4.WithMessageType(dhcpv4.MessageTypeAck)), scanner.AssuranceProtocol, ""},
		"refusal":           {dhcpReply(t, asked, dhcpv4.WithMessageType(dhcpv4.MessageTypeNak), class), scanner.AssuranceProtocol, ""},
	} {
		got := probe.Decode(nil, c.answer)
		boot := ""
		for _, d := range got.Details {
			if d.Key == "boot file" {
				boot = d.Value
			}
		}
		if got.Outcome != scanner.Spoke || got.Proof != c.proof || boot != c.file {
			t.Errorf("%s: %+v, want %s and boot file %q", name, got, c.proof, c.file)
		}
	}
	if got := probe.Decode(nil, asked.ToBytes()); got.Outcome != scanner.Foreign {
		t.Errorf("echo: %+v", got)
	}
}

// FuzzDHCP: no answer makes the decoders panic, their words are fit to print,
// and what was not asked for is not taken for an answer.
func FuzzDHCP(f *testing.F) {
	k := dhcpKey{1}
	asked, err := dhcpv4.FromBytes(k.inform(dhcpAsk()))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range []string{"isc-inform.hex", "kea-inform.hex", "dnsmasq-inform.hex", "dnsmasq-pxe.hex"} {
		f.Add(dhcpRecorded(f, file, asked))
	}
	fresh := DHCP()
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := fresh.Decode(nil, b); got.Outcome == scanner.Spoke || got.Outcome == scanner.OutcomeUnknown {
			t.Errorf("%x is taken for an answer: %+v", b, got)
		}
		if len(b) < dhcpHeaderLen {
			return
		}
		b = bytes.Clone(b) // lead the decoder past the check of the transaction
		copy(b[4:8], k.xid(b[28:34]))
		for _, got := range []scanner.Result{k.informed(nil, b), k.booted(nil, b)} {
			texts := []string{got.Err}
			for _, d := range got.Details {
				texts = append(texts, d.Key, d.Value)
			}
			for _, text := range texts {
				if len(text) > 1<<10 || printable(text, len(text)) != text {
					t.Errorf("text %q is not fit to print", text)
				}
			}
		}
	})
}
