package lab

import (
	"context"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/controlplane"
)

// pollEvery is short: what is waited for takes milliseconds when all is well.
const pollEvery = 50 * time.Millisecond

// Until waits for a condition, at most for a time. An error of the check is kept
// and told when time runs out: most pass by themselves.
func Until(ctx context.Context, atMost time.Duration, what string, check func(context.Context) (bool, error)) error {
	return controlplane.Until(ctx, atMost, pollEvery, what, check)
}
