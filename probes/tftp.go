package probes

import (
	"bytes"
	"cmreach/scanner"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

const tftpDoc = `asks a TFTP server for a file that it does not have

Sends: a read request for a name that nobody has (RFC 1350 section 5).
Proves: that a TFTP server answers, by its error; and that its answer comes
back from a port of its own choice, as all transfers do.
Cannot prove: that a boot file is there. Silence decides nothing: some servers
do not answer requests that they refuse.
Needs: no rights. A firewall on the way must let datagrams in from any port of
the server.`

// TFTP asks on UDP 69.
func TFTP() scanner.Probe {
	return scanner.Probe{
		Name: "tftp", Doc: tftpDoc, Protocol: scanner.UDP, UDP: scanner.UDPSocket{AnyPort: true},
		Request: tftpRequest, Decode: tftpDecode,
	}
}

// The packets of TFTP (RFC 1350 section 5, RFC 2347).
const (
	tftpRead  = 1
	tftpData  = 3
	tftpError = 5
	tftpOACK  = 6
)

func tftpRequest(scanner.Ask) []byte {
	name := make([]byte, 8)
	_, _ = rand.Read(name) // never fails (crypto/rand)
	b := []byte{0, tftpRead}
	b = append(b, "cmreach-"+hex.EncodeToString(name)+"\x00octet\x00"...)
	return b
}

// tftpDecode judges an answer. Nothing in it names the request: it is the port
// that it was sent to, which is ours for this request alone.
func tftpDecode(request, answer []byte) scanner.Result {
	foreign := scanner.Result{Outcome: scanner.Foreign, Err: "no TFTP: the answer begins " + lookedLike(answer)}
	switch {
	case bytes.Equal(request, answer):
		return scanner.Result{Outcome: scanner.Foreign, Err: "sent the request back"}
	case len(answer) < 4:
		return foreign
	}
	result := scanner.Result{Outcome: scanner.Spoke, Proof: scanner.AssuranceProtocol}
	number, rest := binary.BigEndian.Uint16(answer[2:]), answer[4:]
	switch binary.BigEndian.Uint16(answer) {
	case tftpError:
		text, _, ended := bytes.Cut(rest, []byte{0})
		const highest = 8 // RFC 2347
		if !ended && len(rest) > 0 || number > highest {
			return scanner.Result{Outcome: scanner.Garbled, Err: fmt.Sprintf("malformed TFTP error %d", number)}
		}
		result.Detail("tftp", fmt.Sprintf("error %d: %s", number, printable(string(text), prefixLen)))
	case tftpData:
		const block = 512
		if number != 1 || len(rest) > block {
			return scanner.Result{Outcome: scanner.Garbled, Err: fmt.Sprintf("TFTP data block %d of %d bytes, want block 1 of at most %d", number, len(rest), block)}
		}
		result.Detail("tftp", "sends a file that was not to exist")
	case tftpOACK:
		return scanner.Result{Outcome: scanner.Garbled, Err: "TFTP options are acknowledged that were not asked for"}
	default:
		return foreign
	}
	return result
}
