package v1alpha1

// Reasons of Events on a Tenant that tell what a person did or tried. They are
// no condition's reason: nothing has to become true after them.
const (
	// EventSecretRevealed: somebody was shown a secret of the tenant, once.
	EventSecretRevealed = "SecretRevealed"
	// EventSecretRearmed: somebody allowed the same secret to be shown once more.
	EventSecretRearmed = "SecretRearmed"
	// EventHandoverCreated: somebody made a one-time link to the onboarding kit.
	EventHandoverCreated = "HandoverCreated"
	// EventHandoverOpened: a one-time link was opened, and is used up.
	EventHandoverOpened = "HandoverOpened"
	// EventHandoverOpenedAgain: somebody tried a one-time link that is used up.
	EventHandoverOpenedAgain = "HandoverOpenedAgain"
	// EventHandoverRevoked: somebody took back a one-time link.
	EventHandoverRevoked = "HandoverRevoked"
	// EventRecordsAbandoned: records that cannot be removed are forgotten, on a person's word.
	EventRecordsAbandoned = "RecordsAbandoned"
	// EventEdgeForgotten: an edge that was silent is waited for no more, on a person's
	// word. It is told of its Region.
	EventEdgeForgotten = "EdgeForgotten"
	// EventTokenRemoved: an enrollment token that had ended long ago was deleted.
	EventTokenRemoved = "TokenRemoved"
)
