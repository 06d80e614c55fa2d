// Package wazuh speaks the three protocols of a Wazuh 4.x manager, from both ends: enrollment on
// 1515, events on 1514, and the manager's REST API on 55000. The probe, the edge's tests and the
// simulators all use this one package; it knows nothing of tenants, Kubernetes or time zones.
// Start with [Enroll], [Dial] and [NewAPI]; the parsers below them are pure and fuzzed.
//
// # Enrollment, TCP 1515 (authd)
//
// One line over TLS, one answer, close. The client sends no SNI and, unless it was given a CA,
// accepts any certificate.
//
//	-> [OSSEC PASS: <password> ]OSSEC A:'<name>'[ V:'<version>'][ G:'<groups>'][ IP:'<ip>'][ K:'<sha1>']\n
//	<- OSSEC K:'<id> <name> <ip> <key>'            no newline, one TLS record, then close_notify
//	<- ERROR: <reason>. Unable to add agent        no newline
//	<- ERROR: <reason>, ERROR: Unable to add agent before 4.13, in two records
//
// The fields are only understood in this order. A field out of place is not an error: authd stops
// looking, and ignores the rest of the line. See [ParseEnrollRequest].
//
// # Keys
//
// The text between the quotes is the line of client.keys: id, name, address, secret. From the
// secret alone (not from id or name) follows the AES key: its MD5 in hex, read as 32 ASCII bytes.
// The IV is a constant. There is no forward secrecy and no certificate on 1514. See [Key].
//
// # Events, TCP 1514 (remoted)
//
//	frame    uint32 little-endian length (1..65536), then that many bytes of payload
//	payload  agent to manager:   "!" id "!" "#AES:" ciphertext
//	         the same, from an agent whose key is bound to one IPv4 address, and manager to agent:
//	                             "#AES:" ciphertext
//	         health check:       "#ping" in clear, answered by "#pong"
//
//	ciphertext  AES-256-CBC of plain, PKCS#7
//	plain       1 to 8 times "!", then zlib(inner); as many "!" as make the length a multiple of 8
//	inner       md5hex(body) (32), then body
//	body        rand %05u, global %010u, ":", local %04u, ":", message
//	offsets     0 md5   32 rand   37 global   47 ":"   48 local   52 ":"   53 message
//
// The clear id is all that an edge can read, and it isn't unique: every tenant has an agent 001.
// [ParsePrefix] reads it without a key; [Sealer] and [Opener] do the rest.
//
// A session, as [Session] holds it:
//
//	-> #!-agent startup {"version":"v4.14.7"}
//	<- #!-agent ack<space>                          compared exactly, so the space counts
//	-> keep-alive every 20 s                        <- #!-agent ack<space>
//	-> events                                       no acknowledgement
//	<- #!-up file, #!-req, #!-force_reconnect ...   at any time
//	-> #!-agent shutdown<space>                     no answer
//
// remoted never explains itself: for an unknown id, a wrong key or a broken frame it closes the
// connection. [ErrNoAnswer] is all a client can know.
//
// # REST API, HTTPS 55000
//
// Basic authentication buys a token for 15 minutes. A 200 may still carry failures, in an envelope
// with failed_items; other errors are problem+json. See [API], [PartialError] and [Problem].
package wazuh
