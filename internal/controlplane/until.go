package controlplane

import (
	"context"
	"fmt"
	"time"
)

// Until waits for a condition of what runs on the control plane, at most for a time,
// and looks again after a pause. An error of the check is kept and told when time runs
// out: most pass by themselves.
func Until(ctx context.Context, atMost, pause time.Duration, what string, check func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	var last error
	for {
		done, err := check(ctx)
		if err == nil && done {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			if last != nil {
				return fmt.Errorf("waited %s for: %s: %w", atMost, what, last)
			}
			return fmt.Errorf("waited %s for: %s", atMost, what)
		case <-time.After(pause):
		}
	}
}
