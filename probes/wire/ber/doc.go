// Package ber reads and writes the elements of ASN.1's basic encoding (X.690)
// as far as connectionless LDAP and Kerberos need them: tags of one byte and
// definite lengths, in more bytes than needed if the peer likes, as Windows
// does.
//
// It knows elements and nothing of what is in them, and imports nothing of ours.
package ber
