package main

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	fieldOwner = "executor-peer"
	// So long the cache may not show yet what was written.
	cacheDelay = 5 * time.Second
)

// Applied remembers what was just written, until the cache shows it: otherwise each event of a chain's
// first object would apply the others once more.
type Applied struct {
	mu     sync.Mutex
	recent map[string]write
}

type write struct {
	hash string
	at   time.Time
}

// Apply writes an object by server-side apply, if what the cache has of it isn't as wanted.
// Whether the cache is still to show it is said too.
func (a *Applied) apply(ctx context.Context, api client.Client, wanted, found client.Object, same func() bool) (bool, error) {
	text, err := json.Marshal(wanted)
	if err != nil {
		return false, err
	}
	hash := hashOf(text)
	key := wanted.GetObjectKind().GroupVersionKind().Kind + "/" + wanted.GetNamespace() + "/" + wanted.GetName()
	err = api.Get(ctx, client.ObjectKeyFromObject(wanted), found)
	if client.IgnoreNotFound(err) != nil {
		return false, err
	}
	exists := !apierrors.IsNotFound(err)
	if exists && found.GetAnnotations()[appliedHash] == hash && same() &&
		equality.Semantic.DeepDerivative(wanted.GetLabels(), found.GetLabels()) {
		a.forget(key)
		return false, nil
	}
	if a.isRecent(key, hash) {
		return true, nil
	}
	object := map[string]any{}
	if err := json.Unmarshal(text, &object); err != nil {
		return false, err
	}
	delete(object, "status")
	applied := &unstructured.Unstructured{Object: object}
	applied.SetAnnotations(map[string]string{appliedHash: hash})
	configuration := client.ApplyConfigurationFromUnstructured(applied)
	if err := api.Apply(ctx, configuration, client.ForceOwnership, client.FieldOwner(fieldOwner)); err != nil {
		return false, err
	}
	a.note(key, hash)
	return true, nil
}

func (a *Applied) isRecent(key, hash string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	last, ok := a.recent[key]
	return ok && last.hash == hash && time.Since(last.at) < cacheDelay
}

func (a *Applied) note(key, hash string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.recent[key] = write{hash: hash, at: time.Now()}
}

func (a *Applied) forget(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.recent, key)
}
