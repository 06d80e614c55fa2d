// Package report is the report of an offboarding: what it says, how it is written
// down, and who can be held to it.
//
// [Of] makes the [Statement] from what the Tenant's status holds at the end. [Sign]
// puts its canonical bytes (RFC 8785) into a signed envelope (DSSE v1, Ed25519), and
// [Verify] takes them out again; neither needs a cluster. [Text] is a statement for
// people.
package report
