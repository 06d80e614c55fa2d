// Package manager is a simulated Wazuh 4.14 manager for tests and demonstrations: the enrollment
// service (authd), the events service (remoted), the REST API and the alerts, in one process, run
// from a folder laid out like the container image's root.
//
// It is strict where the real one is: exact answers, connections closed without a word, a key that
// works only after remoted's next look at client.keys, a name that can't be taken over within the
// hour, a certificate and a password read once when authd starts. And it is unkind on request: see
// the table of faults in faults.go.
//
// Nothing in it waits for time to pass. Every rule about time compares two readings of the clock it
// was given, so a test moves the clock and asks again. Start with [Start].
//
// Its version decides what differs: before 4.4 its API knows no login by POST and counts agents in
// another form, before 4.6 it doesn't know an agent's version on 1515, and before 4.13 it refuses in
// two texts; from 5.0 on it has another home and another API, wants TLS 1.3 on 1515, leaves the
// connection of an unknown id open, and doesn't start with a malformed password, without an authority
// and a pair for its API, or with a configuration its schema forbids.
//
// What it doesn't do: Blowfish, UDP, clusters, RBAC, the JSON keep-alives of 5.x, rules other than
// the sshd canary's. States of agents (not their keys) are forgotten when the process ends.
package manager
