package record

import (
	"context"
	"errors"
)

// Writer changes the records of a zone, by whatever way there is to them.
type Writer interface {
	// Read says what is at the names, and whose it is.
	Read(ctx context.Context, names []string) ([]Current, error)
	// Adjust says what a wanted record looks like once this way has written it.
	Adjust(ctx context.Context, wanted []Record) ([]Record, error)
	// Apply carries changes out if the names are still as they were read, and is
	// [ErrChanged] if not. The resource is what the marks of new records name.
	Apply(ctx context.Context, read []Current, changes Changes, resource string) error
}

// Refused is a change that a person must make possible: a key the server does not
// know, a zone it does not let the key change, a provider without credentials.
type Refused struct{ Why string }

// Error says what was said.
func (r *Refused) Error() string { return r.Why }

// ErrChanged means that the zone is no longer as it was read; nothing was written.
var ErrChanged = errors.New("the zone changed since it was read")
