package controller

import (
	"context"
	"slices"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// countingWriter counts the writes it passes on. Statuses are not counted: they
// are written after the last look. Neither is what only asks what a write would do.
type countingWriter struct {
	client.Client
	sent atomic.Int64
}

// Apply passes on.
func (w *countingWriter) Apply(ctx context.Context, object runtime.ApplyConfiguration, options ...client.ApplyOption) error {
	if !slices.Contains(options, client.ApplyOption(client.DryRunAll)) {
		w.sent.Add(1)
	}
	return w.Client.Apply(ctx, object, options...)
}

// Create passes on.
func (w *countingWriter) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	w.sent.Add(1)
	return w.Client.Create(ctx, object, options...)
}

// Delete passes on.
func (w *countingWriter) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	w.sent.Add(1)
	return w.Client.Delete(ctx, object, options...)
}

// Update passes on.
func (w *countingWriter) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	w.sent.Add(1)
	return w.Client.Update(ctx, object, options...)
}

// Patch passes on.
func (w *countingWriter) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	w.sent.Add(1)
	return w.Client.Patch(ctx, object, patch, options...)
}
