package plan

import "github.com/soctalk/soctalk-ingress/api/v1alpha1"

// A reasonClass says who moves next.
type reasonClass int

const (
	// classFine: nobody needs to do anything.
	classFine reasonClass = iota
	// classInvalid: a person must change something; retrying is pointless.
	classInvalid
	// classWaiting: something else must happen; a watch or a slow timer wakes us.
	classWaiting
)

// class is the one table of who moves next.
func class(reason string) reasonClass {
	switch reason {
	case v1alpha1.ReasonReady, v1alpha1.ReasonOK, v1alpha1.ReasonIdle, v1alpha1.ReasonDNSNotManaged,
		v1alpha1.ReasonProgressing, v1alpha1.ReasonSuspended, v1alpha1.ReasonOffboarding,
		v1alpha1.ReasonEnrollmentDirect, v1alpha1.ReasonWazuh5Unguarded, v1alpha1.ReasonRotating, v1alpha1.ReasonUpdating,
		v1alpha1.ReasonTokenRevoked, v1alpha1.ReasonRevoking, v1alpha1.ReasonRevoked:
		return classFine
	case v1alpha1.ReasonInvalidSpec, v1alpha1.ReasonRegionNotFound, v1alpha1.ReasonNoDefaultRegion,
		v1alpha1.ReasonMultipleDefaultRegions, v1alpha1.ReasonEdgeNotConfigured, v1alpha1.ReasonPortOutOfRange,
		v1alpha1.ReasonHostnameTaken, v1alpha1.ReasonPortTaken, v1alpha1.ReasonNamespaceNotOurs, v1alpha1.ReasonEdgeAddressShared,
		v1alpha1.ReasonKindNotInstalled, v1alpha1.ReasonObjectRejected,
		v1alpha1.ReasonCertificateChainBroken, v1alpha1.ReasonCertificateUntrusted,
		v1alpha1.ReasonRecordOwnedByOther, v1alpha1.ReasonDNSUpdateRefused,
		v1alpha1.ReasonSecretUnsound, v1alpha1.ReasonManagerRefusesCredentials, v1alpha1.ReasonRotationNotOurs, v1alpha1.ReasonUpdateFailed, v1alpha1.ReasonUpdateHeldBack,
		v1alpha1.ReasonTenantNotFound, v1alpha1.ReasonNotGuarded, v1alpha1.ReasonTokenExpired, v1alpha1.ReasonTokenUsedUp,
		v1alpha1.ReasonAgentUnknown, v1alpha1.ReasonNameStillRegistered,
		v1alpha1.ReasonAddressPoolNotFound, v1alpha1.ReasonAddressNotInPool, v1alpha1.ReasonAddressTaken:
		return classInvalid
	}
	return classWaiting
}
