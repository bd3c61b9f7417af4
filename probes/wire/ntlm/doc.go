// Package ntlm encodes and decodes the first two of the three messages of NTLM
// ([MS-NLMP]): the NEGOTIATE with which a client begins, and the CHALLENGE in
// which the server says who it is.
//
// There is no AUTHENTICATE, and there shall be none: a check of connectivity
// logs on nowhere and locks nobody out. The package does no I/O and takes no
// length from a message on trust. What a CHALLENGE says is untrusted text.
package ntlm
