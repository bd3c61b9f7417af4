package rpc

import "fmt"

// Status codes of faults, rejects and operations that the probes act on.
const (
	// StatusAccessDenied refuses the caller ([MS-RPCE] 3.1.1.5.5, ERROR_ACCESS_DENIED;
	// analysers call it nca_s_fault_access_denied).
	StatusAccessDenied uint32 = 0x00000005
	// StatusSecurityPackage is RPC_S_SEC_PKG_ERROR ([MS-ERREF] 2.2).
	StatusSecurityPackage uint32 = 0x00000721
	// StatusUnknownInterface is nca_s_unk_if (C706 appendix E).
	StatusUnknownInterface uint32 = 0x1c010003
	// StatusTooBusy is nca_s_server_too_busy (C706 appendix E).
	StatusTooBusy uint32 = 0x1c010014
	// StatusBadStub is the fault of a stub that could not be read ([MS-RPCE]: RPC_X_BAD_STUB_DATA).
	StatusBadStub uint32 = 0x000006f7
)

// StatusText names a status code, as far as it is known, and gives its number.
func StatusText(status uint32) string {
	name := ""
	switch status {
	case StatusAccessDenied:
		name = "access denied"
	case StatusSecurityPackage:
		name = "security package error"
	case StatusBadStub:
		name = "bad stub data"
	case StatusUnknownInterface:
		name = "nca_s_unk_if"
	case StatusTooBusy:
		name = "nca_s_server_too_busy"
	case 0x000006d8:
		name = "cannot perform"
	case 0x1c000012:
		name = "nca_s_fault_unspec"
	case 0x1c00001a:
		name = "nca_s_fault_context_mismatch"
	case 0x1c00001b:
		name = "nca_s_fault_remote_no_memory"
	case 0x1c010001:
		name = "nca_s_comm_failure"
	case 0x1c010002:
		name = "nca_s_op_rng_error"
	case 0x1c010006:
		name = "nca_s_wrong_boot_time"
	case 0x1c010009:
		name = "nca_s_you_crashed"
	case 0x1c01000b:
		name = "nca_s_proto_error"
	case 0x1c010013:
		name = "nca_s_out_args_too_big"
	case 0x1c010017:
		name = "nca_s_unsupported_type"
	default:
		return fmt.Sprintf("0x%08x", status)
	}
	return fmt.Sprintf("%s (0x%08x)", name, status)
}
