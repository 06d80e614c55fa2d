// Package loop runs a level-triggered reconcile function over the keys of
// objects: whatever happened, the function looks at the present and acts.
package loop

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// Loop hands keys, "namespace/name", to one function.
type Loop struct {
	name      string
	queue     workqueue.TypedRateLimitingInterface[string]
	reconcile func(ctx context.Context, key string) error
	log       *slog.Logger
}

// Retries begin soon, since the machine is ours alone, and slow down to a second.
const (
	firstRetry = 20 * time.Millisecond
	lastRetry  = time.Second
)

// New makes a loop; Run starts it.
func New(name string, log *slog.Logger, reconcile func(ctx context.Context, key string) error) *Loop {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[string](firstRetry, lastRetry)
	return &Loop{name: name, log: log, reconcile: reconcile, queue: workqueue.NewTypedRateLimitingQueue(limiter)}
}

// Add asks for a look at one object.
func (l *Loop) Add(key string) { l.queue.Add(key) }

// AddAfter asks for a look later on.
func (l *Loop) AddAfter(key string, wait time.Duration) { l.queue.AddAfter(key, wait) }

// Watch adds, for every event of the informer, the keys that to returns; nil
// means the object's own key.
func (l *Loop) Watch(informer cache.SharedIndexInformer, to func(object any) []string) error {
	if to == nil {
		to = ownKey
	}
	add := func(object any) {
		if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = gone.Obj
		}
		for _, key := range to(object) {
			l.queue.Add(key)
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: add, DeleteFunc: add, UpdateFunc: func(_, now any) { add(now) },
	})
	return err
}

func ownKey(object any) []string {
	key, err := cache.MetaNamespaceKeyFunc(object)
	if err != nil {
		return nil
	}
	return []string{key}
}

// Run works until the context ends, then waits for its workers.
func (l *Loop) Run(ctx context.Context, workers int) {
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for l.next(ctx) {
			}
		})
	}
	<-ctx.Done()
	l.queue.ShutDown()
	all.Wait()
}

func (l *Loop) next(ctx context.Context) bool {
	key, shutdown := l.queue.Get()
	if shutdown {
		return false
	}
	defer l.queue.Done(key)
	err := l.reconcile(ctx, key)
	if err == nil {
		l.queue.Forget(key)
		return true
	}
	if ctx.Err() == nil {
		l.log.Debug("will try again", "loop", l.name, "key", key, "error", err)
		l.queue.AddRateLimited(key)
	}
	return true
}
