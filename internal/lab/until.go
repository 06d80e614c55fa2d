package lab

import (
	"context"
	"fmt"
	"time"
)

// pollEvery is short: what is waited for takes milliseconds when all is well.
const pollEvery = 50 * time.Millisecond

// Until waits for a condition, at most for a time. An error of the check is kept
// and told when time runs out: most pass by themselves.
func Until(ctx context.Context, atMost time.Duration, what string, check func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
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
		case <-ticker.C:
		}
	}
}
