package smb

import "fmt"

// Status is an NTSTATUS ([MS-ERREF] 2.3.1). It is an error: the parsers of
// responses return it when a request was refused.
type Status uint32

// The statuses that the messages of this package meet.
const (
	StatusSuccess                Status = 0x00000000
	StatusPending                Status = 0x00000103
	StatusInvalidSMB             Status = 0x00010002
	StatusInvalidParameter       Status = 0xc000000d
	StatusMoreProcessingRequired Status = 0xc0000016
	StatusAccessDenied           Status = 0xc0000022
	StatusNoLogonServers         Status = 0xc000005e
	StatusLogonFailure           Status = 0xc000006d
	StatusAccountRestriction     Status = 0xc000006e
	StatusInsufficientResources  Status = 0xc000009a
	StatusNotSupported           Status = 0xc00000bb
	StatusNetworkAccessDenied    Status = 0xc00000ca
	StatusRequestNotAccepted     Status = 0xc00000d0
	StatusInternalError          Status = 0xc00000e5
	StatusTimeDifferenceAtDC     Status = 0xc0000133
	StatusLogonTypeNotGranted    Status = 0xc000015b
	StatusTrustedRelationship    Status = 0xc000018d
	StatusNetlogonNotStarted     Status = 0xc0000192
	StatusUserSessionDeleted     Status = 0xc0000203
	StatusServerResources        Status = 0xc0000205
	StatusNTLMBlocked            Status = 0xc0000418
	StatusNoPreauthOverlap       Status = 0xc05d0000
	StatusBadClusterDialect      Status = 0xc05d0001
)

// isError reports whether a response with this status has the body of an
// ErrorResponse ([MS-SMB2] 3.3.4.4).
func (s Status) isError() bool {
	return s != StatusSuccess && s != StatusMoreProcessingRequired
}

// Error is the name of the status.
func (s Status) Error() string { return s.String() }

// String is the name of the status, or its number when it has none here.
func (s Status) String() string {
	names := [...]struct {
		status Status
		name   string
	}{
		{StatusSuccess, "STATUS_SUCCESS"},
		{StatusPending, "STATUS_PENDING"},
		{StatusInvalidSMB, "STATUS_INVALID_SMB"},
		{StatusInvalidParameter, "STATUS_INVALID_PARAMETER"},
		{StatusMoreProcessingRequired, "STATUS_MORE_PROCESSING_REQUIRED"},
		{StatusAccessDenied, "STATUS_ACCESS_DENIED"},
		{StatusNoLogonServers, "STATUS_NO_LOGON_SERVERS"},
		{StatusLogonFailure, "STATUS_LOGON_FAILURE"},
		{StatusAccountRestriction, "STATUS_ACCOUNT_RESTRICTION"},
		{StatusInsufficientResources, "STATUS_INSUFFICIENT_RESOURCES"},
		{StatusNotSupported, "STATUS_NOT_SUPPORTED"},
		{StatusNetworkAccessDenied, "STATUS_NETWORK_ACCESS_DENIED"},
		{StatusRequestNotAccepted, "STATUS_REQUEST_NOT_ACCEPTED"},
		{StatusInternalError, "STATUS_INTERNAL_ERROR"},
		{StatusTimeDifferenceAtDC, "STATUS_TIME_DIFFERENCE_AT_DC"},
		{StatusLogonTypeNotGranted, "STATUS_LOGON_TYPE_NOT_GRANTED"},
		{StatusTrustedRelationship, "STATUS_TRUSTED_RELATIONSHIP_FAILURE"},
		{StatusNetlogonNotStarted, "STATUS_NETLOGON_NOT_STARTED"},
		{StatusUserSessionDeleted, "STATUS_USER_SESSION_DELETED"},
		{StatusServerResources, "STATUS_INSUFF_SERVER_RESOURCES"},
		{StatusNTLMBlocked, "STATUS_NTLM_BLOCKED"},
		{StatusNoPreauthOverlap, "STATUS_SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP"},
		{StatusBadClusterDialect, "STATUS_SMB_BAD_CLUSTER_DIALECT"},
	}
	for _, n := range names {
		if n.status == s {
			return n.name
		}
	}
	return fmt.Sprintf("NTSTATUS 0x%08x", uint32(s))
}
