//go:build !unix

package controlplane

import "context"

// lockFile does nothing here: two builds at once waste time, no more, because
// the finished file appears by one rename.
func lockFile(context.Context, string, func()) (unlock func(), err error) {
	return func() {}, nil
}
