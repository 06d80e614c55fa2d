// Package gateway owns a tenant's enrollment port, 1515, in front of the
// manager's authd, and serves what authd cannot: a certificate that changes
// while it runs, secrets that overlap and expire, tokens, a deny list, limits,
// and an audit.
//
// To an agent it is authd, byte by byte. To authd it is one agent after another,
// all with an internal password that nobody else knows; so the manager still
// judges every enrollment, and somebody who reaches authd itself gets nowhere.
//
//	agent ──TLS──► door ► (PROXY header) ► handshake ► one line ► policy.Decide ► queue ──TLS──► authd
//	               limits                  deadlines              deny, tokens    one at a time
//
// The rooms: policy (who may, pure), door (limits per source), uses (counts of
// tokens that survive a crash), upstream (authd, one at a time), audit (the
// enrollment log), admin (the operator's way in), mount (files a kubelet swaps).
// Start with [Run] and, for one connection's story, visit.go.
package gateway
