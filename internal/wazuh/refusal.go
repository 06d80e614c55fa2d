package wazuh

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
)

// What authd says when it refuses, exactly as 4.14 spells it. On the wire a reason stands between
// "ERROR: " and ". Unable to add agent".
const (
	ReasonInvalidPassword    = "Invalid password"
	ReasonInvalidRequest     = "Invalid request for new agent"
	ReasonUnterminatedVer    = "Unterminated version field"
	ReasonVersionTooHigh     = "Agent version must be lower or equal to manager version"
	ReasonUnterminatedGroup  = "Unterminated group field"
	ReasonUnterminatedIP     = "Unterminated IP field"
	ReasonUnterminatedKey    = "Unterminated key field"
	ReasonMemory             = "Insuficient memory" // sic
	ReasonInternalValidation = "Internal validation error"
	ReasonTooManyGroups      = "Maximum multigroup reached: Limit is 128"
)

// Reasons that name what was wrong.
const (
	prefixInvalidName   = "Invalid agent name: "
	prefixInvalidGroup  = "Invalid group: "
	prefixGroupName     = "Invalid group name: "
	prefixInvalidIP     = "Invalid IP: "
	prefixDuplicateIP   = "Duplicate IP: "
	prefixDuplicateName = "Duplicate agent name: "
	prefixInternalAdd   = "Internal manager error adding agent: "
)

// ReasonInvalidName is said of a name with bad characters or length, or equal to the manager's host name.
func ReasonInvalidName(name string) string { return prefixInvalidName + name }

// ReasonInvalidGroup is said of a group that has no directory under etc/shared.
func ReasonInvalidGroup(group string) string { return prefixInvalidGroup + group }

// ReasonGroupName is said of a group list that could never be valid.
func ReasonGroupName(what string) string { return prefixGroupName + what }

// ReasonInvalidIP is said of an IP: field that isn't an address.
func ReasonInvalidIP(ip string) string { return prefixInvalidIP + ip }

// ReasonDuplicateIP is said when another agent holds the address and may not be replaced.
func ReasonDuplicateIP(ip string) string { return prefixDuplicateIP + ip }

// ReasonDuplicateName is said when another agent holds the name and may not be replaced.
func ReasonDuplicateName(name string) string { return prefixDuplicateName + name }

// ReasonInternalAdd is said when the manager could not store the new key.
func ReasonInternalAdd(name string) string { return prefixInternalAdd + name }

const (
	refusedPrefix = "ERROR: "
	refusedSuffix = ". Unable to add agent"

	// olderRefusal is the second text of a refusal by a manager before 4.13: the reason comes in a
	// record of its own, and then this one.
	olderRefusal = "ERROR: Unable to add agent"
)

// ReasonUnable is all that is known when a manager gives no reason.
const ReasonUnable = "Unable to add agent"

// WholeRefusal reports whether text, read from an enrollment port, is a refusal that has come to
// its end. A reason cut in the middle looks like a shorter one; only the ending tells.
func WholeRefusal(text []byte) bool {
	if !bytes.HasPrefix(text, []byte(refusedPrefix)) {
		return false
	}
	text = bytes.TrimRight(text, "\r\n\x00")
	return bytes.HasSuffix(text, []byte(refusedSuffix)) || bytes.HasSuffix(text, []byte(olderRefusal))
}

// parseRefusal reads what stands between prefix and suffix, in either form.
func parseRefusal(rest []byte) *Refused {
	reason := strings.TrimSuffix(strings.TrimRight(string(rest), "\r\n\x00"), refusedSuffix)
	if before, _, older := strings.Cut(reason, olderRefusal); older {
		reason = strings.TrimRight(before, "\r\n\x00")
	}
	return &Refused{Reason: cmp.Or(reason, ReasonUnable)}
}

// Refused is authd's answer to a request it doesn't grant.
type Refused struct {
	Reason string
}

func (r *Refused) Error() string {
	return fmt.Sprintf("the manager refused the enrollment: %q", r.Reason)
}

// WrongPassword reports whether the enrollment secret was wrong.
func (r *Refused) WrongPassword() bool { return r.Reason == ReasonInvalidPassword }

// NameTaken reports whether the name (or address) belongs to an agent that may not be replaced yet.
func (r *Refused) NameTaken() bool {
	return strings.HasPrefix(r.Reason, prefixDuplicateName) || strings.HasPrefix(r.Reason, prefixDuplicateIP)
}

// BadName reports whether the name was refused. With a name that is too short this proves that the
// password was right, and creates nothing: authd looks at the password first.
func (r *Refused) BadName() bool { return strings.HasPrefix(r.Reason, prefixInvalidName) }

// Append appends the refusal as authd sends it: one text, no newline.
func (r *Refused) Append(dst []byte) []byte {
	dst = append(dst, refusedPrefix...)
	dst = append(dst, r.Reason...)
	return append(dst, refusedSuffix...)
}

// refuse is the error every check of a request ends in.
func refuse(reason string) error { return &Refused{Reason: reason} }
