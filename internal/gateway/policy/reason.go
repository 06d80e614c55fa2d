package policy

// Reason says why an attempt ended as it did. Reasons are for the audit and the
// metrics; the peer gets one of authd's own answers and cannot tell them apart.
type Reason string

// Reasons of [Decide].
const (
	// ReasonAllowed: the policy has nothing against it.
	ReasonAllowed Reason = "allowed"
	// ReasonSuspended: the tenant's way in is closed on purpose.
	ReasonSuspended Reason = "suspended"
	// ReasonUnknownSecret: no secret, or none that was ever in this policy.
	ReasonUnknownSecret Reason = "unknown-secret"
	// ReasonPreviousExpired: the secret before the last rotation, after the overlap.
	ReasonPreviousExpired Reason = "previous-expired"
	// ReasonTokenRevoked, ReasonTokenTooEarly and ReasonTokenExpired: a token
	// that does not count, or not now.
	ReasonTokenRevoked  Reason = "token-revoked"
	ReasonTokenTooEarly Reason = "token-too-early"
	ReasonTokenExpired  Reason = "token-expired"
	// ReasonTokenSource and ReasonTokenName: a token used from elsewhere, or for
	// an agent it isn't meant for.
	ReasonTokenSource Reason = "token-source"
	ReasonTokenName   Reason = "token-name"
	// ReasonDeniedSource, ReasonDeniedName and ReasonDeniedKey: on the deny list.
	ReasonDeniedSource Reason = "denied-source"
	ReasonDeniedName   Reason = "denied-name"
	ReasonDeniedKey    Reason = "denied-key"
	// ReasonMalformed: the secret was right, the rest of the request wasn't.
	ReasonMalformed Reason = "malformed"
)

// Reasons the gateway adds on the way to and from the policy.
const (
	// ReasonEnrolled: the manager gave a key.
	ReasonEnrolled Reason = "enrolled"

	// ReasonTooManyConnections and ReasonTooManyFromSource: turned away at the door.
	ReasonTooManyConnections Reason = "too-many-connections"
	ReasonTooManyFromSource  Reason = "too-many-from-source"
	// ReasonTooManyFailures: the source got too much wrong lately.
	ReasonTooManyFailures Reason = "too-many-failures"
	// ReasonUnderAttack: the tenant gets too many bad attempts, and this source
	// made some of them.
	ReasonUnderAttack Reason = "under-attack"
	// ReasonTooManyEnrollments: the source enrolls more agents than allowed.
	ReasonTooManyEnrollments Reason = "too-many-enrollments"
	// ReasonTokenUsedUp: a token that was good once, but not this often.
	ReasonTokenUsedUp Reason = "token-used-up"

	// ReasonProxyUntrusted: a PROXY header from somebody who may not send one.
	ReasonProxyUntrusted Reason = "proxy-untrusted"
	// ReasonProxyMissing: no PROXY header where one is required.
	ReasonProxyMissing Reason = "proxy-missing"
	// ReasonProxyMalformed: a PROXY header that cannot be read.
	ReasonProxyMalformed Reason = "proxy-malformed"
	// ReasonNotTLS: the first byte is none of TLS.
	ReasonNotTLS Reason = "not-tls"
	// ReasonHandshake: TLS came to nothing, for example because the agent does
	// not trust the certificate.
	ReasonHandshake Reason = "handshake-failed"
	// ReasonTimeout: the peer was silent, or slow, for too long.
	ReasonTimeout Reason = "timeout"
	// ReasonGone: the peer closed before it asked for anything; health checks do.
	ReasonGone Reason = "gone"
	// ReasonTooLong: the line is longer than allowed.
	ReasonTooLong Reason = "too-long"

	// ReasonManagerRefused: authd said no, for a reason of its own.
	ReasonManagerRefused Reason = "manager-refused"
	// ReasonManagerSecret: authd does not accept the internal secret.
	ReasonManagerSecret Reason = "manager-secret"
	// ReasonManagerDown: authd cannot be reached; nothing was asked of it.
	ReasonManagerDown Reason = "manager-down"
	// ReasonManagerSilent: authd was asked and did not answer; whether it made
	// the agent is unknown.
	ReasonManagerSilent Reason = "manager-silent"
	// ReasonAnswerLost: the manager made the agent, but the peer was gone.
	ReasonAnswerLost Reason = "answer-lost"
	// ReasonQueueFull and ReasonQueueTimeout: too many wait for the manager.
	ReasonQueueFull    Reason = "queue-full"
	ReasonQueueTimeout Reason = "queue-timeout"
	// ReasonState: the use of a token could not be written down.
	ReasonState Reason = "state-unwritable"
	// ReasonStopping: the gateway is being stopped.
	ReasonStopping Reason = "stopping"
)
