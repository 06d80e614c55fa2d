package naming

// Annotations of a Secret that may be shown once; internal/reveal gives them meaning.
const (
	// AnnotationRevealState is RevealArmed or RevealDone.
	AnnotationRevealState = "ingress.soctalk.io/reveal-state"
	AnnotationRevealedBy  = "ingress.soctalk.io/revealed-by"
	AnnotationRevealedAt  = "ingress.soctalk.io/revealed-at"
	AnnotationRevealedWhy = "ingress.soctalk.io/revealed-why"
	AnnotationRearmedBy   = "ingress.soctalk.io/rearmed-by"
	AnnotationRearmedAt   = "ingress.soctalk.io/rearmed-at"
	AnnotationRearmedWhy  = "ingress.soctalk.io/rearmed-why"
	// AnnotationSecretSince is when the Secret's content was made, once it has
	// been made anew; until then the Secret's own age counts.
	AnnotationSecretSince = "ingress.soctalk.io/secret-since"
)

// Values of AnnotationRevealState.
const (
	RevealArmed = "armed"
	RevealDone  = "revealed"
)
