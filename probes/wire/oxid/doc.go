// Package oxid is the codec of the answer to IObjectExporter::ServerAlive2
// ([MS-DCOM] 3.1.2.5.1.6): the COM version and the DUALSTRINGARRAY ([MS-DCOM]
// 2.2.19) in which a machine tells its names and addresses to anybody.
//
// Bytes go in and typed values come out; the package does no input or output
// and knows nothing of the PDUs that carry the stub. Decoders never panic and
// allocate no more than a small multiple of what they were given. It imports
// nothing of cmreach.
package oxid
