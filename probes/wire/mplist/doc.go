// Package mplist reads the list of management points that a management point
// of Configuration Manager gives to everybody who asks for
// /SMS_MP/.sms_aut?MPLIST. No other role answers so: a list that parses proves
// the role.
//
// The format is not published. What is taken here is what was seen:
//
//	<MPList><MP Name="MP1" FQDN="mp1.example.com" SiteCode="PS1">
//	  <Version>9128</Version><Capabilities SchemaVersion="1.0"/></MP></MPList>
//
// Everything else in the answer is skipped. The package does no I/O and takes
// nothing on trust: size, depth and number of entries are bounded, document
// types and entities beyond XML's own five are refused.
package mplist
