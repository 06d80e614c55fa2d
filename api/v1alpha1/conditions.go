package v1alpha1

// Condition types of a Tenant. Ready sums up; the ones between are the hops an
// agent depends on, in the order an operator would check them; Reconciling and
// Stalled are the words kstatus, Flux and Argo CD read.
const (
	// ConditionReady is True when an agent can enroll and send events.
	ConditionReady = "Ready"
	// ConditionClaimsHeld is True when hostname and ports belong to this tenant.
	ConditionClaimsHeld = "ClaimsHeld"
	// ConditionSecretReady is True when a sound enrollment secret exists.
	ConditionSecretReady = "SecretReady"
	// ConditionCertificateReady is True when the certificate for 1515 is present, good for the hostname, and served.
	ConditionCertificateReady = "CertificateReady"
	// ConditionAddressAssigned is True when agents have an address to connect to.
	ConditionAddressAssigned = "AddressAssigned"
	// ConditionManagerReachable is True when the manager's API answers.
	ConditionManagerReachable = "ManagerReachable"
	// ConditionEnrollmentGuarded is True when what answers on the enrollment port does as it is told.
	ConditionEnrollmentGuarded = "EnrollmentGuarded"
	// ConditionDNSPublished is True when the hostname resolves to the address.
	ConditionDNSPublished = "DNSPublished"
	// ConditionSecretRotated is True when the last rotation was proven on the wire; it
	// is absent before the first, and Ready does not depend on it.
	ConditionSecretRotated = "SecretRotated"
	// ConditionUpToDate is True when the tenant's pods run what the operator and the
	// Region now want of them; it is absent before the first update, and Ready does
	// not depend on it.
	ConditionUpToDate = "UpToDate"
	// ConditionReconciling is True while the operator waits or works.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when a person must change something first.
	ConditionStalled = "Stalled"
)

// HopConditions are the conditions that together make a Tenant Ready, in the
// order in which one depends on the one before.
func HopConditions() []string {
	return []string{
		ConditionClaimsHeld,
		ConditionSecretReady,
		ConditionCertificateReady,
		ConditionAddressAssigned,
		ConditionManagerReachable,
		ConditionEnrollmentGuarded,
		ConditionDNSPublished,
	}
}

// SideConditions are those of a Tenant that Ready does not depend on; each is there
// only once it has something to say.
func SideConditions() []string { return []string{ConditionSecretRotated, ConditionUpToDate} }

// Reasons. Each is stable, has a golden case in internal/plan and a section in
// docs/reference/reasons.md; a test holds the three together.
const (
	// ReasonReady: everything an agent needs is in place.
	ReasonReady = "Ready"
	// ReasonOK: this part is in place.
	ReasonOK = "OK"
	// ReasonIdle: nothing is being worked on.
	ReasonIdle = "Idle"
	// ReasonProgressing: the operator waits for the condition named in the message.
	ReasonProgressing = "Progressing"
	// ReasonSuspended: the tenant is suspended; its way in is closed on purpose.
	ReasonSuspended = "Suspended"
	// ReasonOffboarding: the tenant is being removed, step by step.
	ReasonOffboarding = "Offboarding"
	// ReasonRetrying: a step failed for a reason that may pass by itself.
	ReasonRetrying = "Retrying"

	// ReasonInvalidSpec: a field of the Tenant is wrong.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonRegionNotFound: the Tenant names a Region that does not exist.
	ReasonRegionNotFound = "RegionNotFound"
	// ReasonNoDefaultRegion: the Tenant names no Region and none is marked default.
	ReasonNoDefaultRegion = "NoDefaultRegion"
	// ReasonMultipleDefaultRegions: more than one Region is marked default.
	ReasonMultipleDefaultRegions = "MultipleDefaultRegions"
	// ReasonEdgeNotConfigured: mode edge-haproxy in a Region that has no edge.
	ReasonEdgeNotConfigured = "EdgeNotConfigured"
	// ReasonPortOutOfRange: a pinned edge port is outside the Region's range.
	ReasonPortOutOfRange = "PortOutOfRange"
	// ReasonHostnameTaken: another Tenant holds the hostname.
	ReasonHostnameTaken = "HostnameTaken"
	// ReasonPortTaken: another Tenant holds a pinned edge port.
	ReasonPortTaken = "PortTaken"
	// ReasonPortsExhausted: the Region's range has no free pair.
	ReasonPortsExhausted = "PortsExhausted"
	// ReasonNamespaceNotOurs: tenant-<slug> exists and belongs to somebody else.
	ReasonNamespaceNotOurs = "NamespaceNotOurs"

	// ReasonNamespaceTerminating: tenant-<slug> is still being deleted from an earlier life.
	ReasonNamespaceTerminating = "NamespaceTerminating"
	// ReasonEdgeAddressShared: another Region has the same edge address and overlapping ports.
	ReasonEdgeAddressShared = "EdgeAddressShared"
	// ReasonKindNotInstalled: the cluster lacks a kind the spec needs, such as cert-manager's.
	ReasonKindNotInstalled = "KindNotInstalled"
	// ReasonObjectRejected: the API server refuses an object the spec leads to.
	ReasonObjectRejected = "ObjectRejected"

	// ReasonSecretMissing: the enrollment secret is about to be generated.
	ReasonSecretMissing = "SecretMissing"
	// ReasonSecretUnsound: the Secret's content would leave enrollment open, or shut.
	ReasonSecretUnsound = "SecretUnsound"

	// ReasonCertificateMissing: the Secret with the certificate does not exist yet.
	ReasonCertificateMissing = "CertificateMissing"
	// ReasonCertificateUnreadable: certificate or key cannot be parsed, or do not belong together.
	ReasonCertificateUnreadable = "CertificateUnreadable"
	// ReasonCertificateWrongName: the certificate does not cover the hostname.
	ReasonCertificateWrongName = "CertificateWrongName"
	// ReasonCertificateExpired: the certificate's time is over, or has not begun.
	ReasonCertificateExpired = "CertificateExpired"
	// ReasonCertificateChainBroken: the certificates in tls.crt do not follow from one another.
	ReasonCertificateChainBroken = "CertificateChainBroken"
	// ReasonCertificateUntrusted: no authority that agents are told to trust vouches for it.
	ReasonCertificateUntrusted = "CertificateUntrusted"
	// ReasonCertificateNotServed: port 1515 does not show the certificate in the Secret.
	ReasonCertificateNotServed = "CertificateNotServed"
	// ReasonIssuerNotFound: the cert-manager issuer to ask does not exist.
	ReasonIssuerNotFound = "IssuerNotFound"
	// ReasonIssuerNotReady: the cert-manager issuer cannot issue.
	ReasonIssuerNotReady = "IssuerNotReady"
	// ReasonChallengeFailed: the ACME server, or the DNS server, refuses the proof of the name.
	ReasonChallengeFailed = "ChallengeFailed"
	// ReasonHTTP01Unanswered: nobody can fetch the proof of an HTTP-01 challenge from the name's port 80.
	ReasonHTTP01Unanswered = "HTTP01Unanswered"
	// ReasonACMERateLimited: the ACME server issues no more for now.
	ReasonACMERateLimited = "ACMERateLimited"
	// ReasonCertificateIssuanceFailed: cert-manager gave up on a request, and tries again later.
	ReasonCertificateIssuanceFailed = "CertificateIssuanceFailed"

	// ReasonWaitingForAddress: the load balancer has not assigned an address.
	ReasonWaitingForAddress = "WaitingForAddress"
	// ReasonAddressPoolExhausted: the load balancer's pool has no free address.
	ReasonAddressPoolExhausted = "AddressPoolExhausted"
	// ReasonAddressPoolNotFound: the load balancer knows no pool of that name.
	ReasonAddressPoolNotFound = "AddressPoolNotFound"
	// ReasonAddressNotInPool: a pinned address is in no pool the tenant may take it from.
	ReasonAddressNotInPool = "AddressNotInPool"
	// ReasonAddressTaken: a pinned address belongs to another Service.
	ReasonAddressTaken = "AddressTaken"
	// ReasonAddressRefused: the load balancer gives no address, for a cause of its own.
	ReasonAddressRefused = "AddressRefused"
	// ReasonAddressChanged: agents are to use another address than before, and the name has not followed yet.
	ReasonAddressChanged = "AddressChanged"
	// ReasonWaitingForEdge: no edge routes the tenant's ports yet.
	ReasonWaitingForEdge = "WaitingForEdge"
	// ReasonEdgeSilent: every edge that carried the tenant's ports is no longer heard of.
	ReasonEdgeSilent = "EdgeSilent"

	// ReasonWaitingForManager: the manager's pod is not ready.
	ReasonWaitingForManager = "WaitingForManager"
	// ReasonManagerNotFound: no Service or pod matches the manager to attach to.
	ReasonManagerNotFound = "ManagerNotFound"
	// ReasonManagerUnreachable: the manager's API does not answer, or answers with an error.
	ReasonManagerUnreachable = "ManagerUnreachable"
	// ReasonManagerRefusesCredentials: the manager's API rejects the operator's user.
	ReasonManagerRefusesCredentials = "ManagerRefusesCredentials"

	// ReasonEnrollmentDirect: authd itself answers on the enrollment port, as asked.
	ReasonEnrollmentDirect = "EnrollmentDirect"
	// ReasonWazuh5Unguarded: port 1517 is open as asked, and agents of Wazuh 5 enroll there past the gateway.
	ReasonWazuh5Unguarded = "Wazuh5Unguarded"
	// ReasonGatewayUnreachable: the gateway's admin port does not answer.
	ReasonGatewayUnreachable = "GatewayUnreachable"
	// ReasonGatewayBypassed: the enrollment port still leads to authd too, past the gateway.
	ReasonGatewayBypassed = "GatewayBypassed"
	// ReasonPolicyBehind: the gateway obeys an older policy than the wanted one.
	ReasonPolicyBehind = "PolicyBehind"
	// ReasonManagerRefusesGateway: authd does not take the gateway's password, or does not answer it.
	ReasonManagerRefusesGateway = "ManagerRefusesGateway"

	// ReasonRotating: the enrollment secret is being replaced, step by step.
	ReasonRotating = "Rotating"
	// ReasonRotationStuck: a step of the rotation does not finish.
	ReasonRotationStuck = "RotationStuck"
	// ReasonRotationNotOurs: the secret is somebody else's to replace.
	ReasonRotationNotOurs = "RotationNotOurs"

	// ReasonUpdateWaiting: the pods are restarted for a new version once others have been.
	ReasonUpdateWaiting = "UpdateWaiting"
	// ReasonUpdating: the pods are being restarted for a new version.
	ReasonUpdating = "Updating"
	// ReasonUpdateFailed: pods that were restarted for a new version do not get ready,
	// and no other tenant's are restarted until they do.
	ReasonUpdateFailed = "UpdateFailed"
	// ReasonUpdateHeldBack: the tenant takes no turns while its spec is not carried out.
	ReasonUpdateHeldBack = "UpdateHeldBack"

	// ReasonWaitingForReadiness: the record is published once the rest is ready.
	ReasonWaitingForReadiness = "WaitingForReadiness"
	// ReasonWaitingForRecord: the record was asked for and is not answered yet.
	ReasonWaitingForRecord = "WaitingForRecord"
	// ReasonRecordMissing: a person must create the record named in the message.
	ReasonRecordMissing = "RecordMissing"
	// ReasonRecordWrong: the name resolves to another address than the tenant's.
	ReasonRecordWrong = "RecordWrong"
	// ReasonRecordShadowed: the name has no record of its own; a wildcard answers, and wrongly.
	ReasonRecordShadowed = "RecordShadowed"
	// ReasonRecordOwnedByOther: a record in the way belongs to somebody else, and is left alone.
	ReasonRecordOwnedByOther = "RecordOwnedByOther"
	// ReasonServersDisagree: the zone's servers give different answers.
	ReasonServersDisagree = "ServersDisagree"
	// ReasonNameServerDown: a server of the zone does not answer; the others answer rightly.
	ReasonNameServerDown = "NameServerDown"
	// ReasonDNSUpdateRefused: the server does not take our updates, or there is no key to sign them.
	ReasonDNSUpdateRefused = "DNSUpdateRefused"
	// ReasonRecordLeftBehind: the name is right; one that was written before it, elsewhere, cannot be taken back.
	ReasonRecordLeftBehind = "RecordLeftBehind"
	// ReasonListingDoubted: a DNS provider lists none of our records, which the zone's servers still have.
	ReasonListingDoubted = "ListingDoubted"
	// ReasonDNSNotManaged: the Region neither writes nor checks names.
	ReasonDNSNotManaged = "DNSNotManaged"
	// ReasonDNSUnreachable: no server of the zone answered the check.
	ReasonDNSUnreachable = "DNSUnreachable"

	// ReasonTenantNotFound: a token or revocation outside a tenant's namespace.
	ReasonTenantNotFound = "TenantNotFound"
	// ReasonWaitingForGateway: written down, and not yet obeyed by the gateway.
	ReasonWaitingForGateway = "WaitingForGateway"
	// ReasonNotGuarded: enrollment is direct, and what was asked for needs the gateway.
	ReasonNotGuarded = "NotGuarded"
	// ReasonTokensNearLimit: the gateway knows a limited number of tokens, and there are
	// almost as many, or more.
	ReasonTokensNearLimit = "TokensNearLimit"
	// ReasonTokenBeyondLimit: the gateway knows as many tokens as it can, without this one.
	ReasonTokenBeyondLimit = "TokenBeyondLimit"
	// ReasonTokenEarly: the token's time has not begun.
	ReasonTokenEarly = "TokenEarly"
	// ReasonTokenExpired: the token's time is over.
	ReasonTokenExpired = "TokenExpired"
	// ReasonTokenUsedUp: the token let in as many agents as it may.
	ReasonTokenUsedUp = "TokenUsedUp"
	// ReasonTokenRevoked: a person ended the token.
	ReasonTokenRevoked = "TokenRevoked"
	// ReasonRevoking: a revocation is under way.
	ReasonRevoking = "Revoking"
	// ReasonRevoked: the agent is deregistered and its host refused.
	ReasonRevoked = "Revoked"
	// ReasonAgentUnknown: the host is refused, but the manager knew no such agent.
	ReasonAgentUnknown = "AgentUnknown"
	// ReasonNameStillRegistered: another registration has the revoked agent's name.
	ReasonNameStillRegistered = "NameStillRegistered"
)

// Reasons lists every reason, for the tests that hold constants, golden cases
// and documentation together.
func Reasons() []string {
	return []string{
		ReasonReady, ReasonOK, ReasonIdle, ReasonProgressing, ReasonSuspended, ReasonOffboarding, ReasonRetrying,
		ReasonInvalidSpec, ReasonRegionNotFound, ReasonNoDefaultRegion, ReasonMultipleDefaultRegions,
		ReasonEdgeNotConfigured, ReasonPortOutOfRange, ReasonHostnameTaken, ReasonPortTaken, ReasonPortsExhausted,
		ReasonNamespaceNotOurs, ReasonNamespaceTerminating, ReasonEdgeAddressShared, ReasonKindNotInstalled, ReasonObjectRejected,
		ReasonSecretMissing, ReasonSecretUnsound,
		ReasonCertificateMissing, ReasonCertificateUnreadable, ReasonCertificateWrongName, ReasonCertificateExpired,
		ReasonCertificateChainBroken, ReasonCertificateUntrusted, ReasonCertificateNotServed,
		ReasonIssuerNotFound, ReasonIssuerNotReady, ReasonChallengeFailed, ReasonHTTP01Unanswered, ReasonACMERateLimited, ReasonCertificateIssuanceFailed,
		ReasonWaitingForAddress, ReasonAddressPoolExhausted, ReasonAddressPoolNotFound, ReasonAddressNotInPool,
		ReasonAddressTaken, ReasonAddressRefused, ReasonAddressChanged, ReasonWaitingForEdge, ReasonEdgeSilent,
		ReasonWaitingForManager, ReasonManagerNotFound, ReasonManagerUnreachable, ReasonManagerRefusesCredentials,
		ReasonEnrollmentDirect, ReasonWazuh5Unguarded, ReasonGatewayUnreachable, ReasonGatewayBypassed, ReasonPolicyBehind,
		ReasonManagerRefusesGateway,
		ReasonRotating, ReasonRotationStuck, ReasonRotationNotOurs,
		ReasonUpdateWaiting, ReasonUpdating, ReasonUpdateFailed, ReasonUpdateHeldBack,
		ReasonWaitingForReadiness, ReasonWaitingForRecord, ReasonRecordMissing, ReasonRecordWrong,
		ReasonRecordShadowed, ReasonRecordOwnedByOther, ReasonServersDisagree, ReasonNameServerDown, ReasonDNSUpdateRefused,
		ReasonRecordLeftBehind, ReasonListingDoubted, ReasonDNSNotManaged, ReasonDNSUnreachable,
		ReasonTenantNotFound, ReasonWaitingForGateway, ReasonNotGuarded,
		ReasonTokensNearLimit, ReasonTokenBeyondLimit,
		ReasonTokenEarly, ReasonTokenExpired, ReasonTokenUsedUp, ReasonTokenRevoked,
		ReasonRevoking, ReasonRevoked, ReasonAgentUnknown, ReasonNameStillRegistered,
	}
}

// DocsURL is the page that explains a reason; messages end with it.
func DocsURL(reason string) string {
	return "https://github.com/soctalk/soctalk-ingress/blob/main/docs/reference/reasons.md#" + anchor(reason)
}

// anchor is how Markdown renderers turn a heading of letters into a fragment.
func anchor(reason string) string {
	out := make([]byte, 0, len(reason))
	for i := 0; i < len(reason); i++ {
		c := reason[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		out = append(out, c)
	}
	return string(out)
}
