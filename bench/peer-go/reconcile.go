package main

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

const (
	finalizer = "executor-chain.dev/peer"
	resync    = 5 * time.Minute
)

// Reconciler brings chains to what their specs say.
type Reconciler struct {
	client.Client
	inventory *Inventory
	applied   *Applied
	cluster   string
	image     string
}

func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	chain := &ExecutorChain{}
	if err := r.Get(ctx, request.NamespacedName, chain); err != nil {
		if client.IgnoreNotFound(err) == nil {
			r.inventory.Forget(request.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !chain.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.end(ctx, chain)
	}
	if !controllerutil.ContainsFinalizer(chain, finalizer) {
		before := chain.DeepCopy()
		controllerutil.AddFinalizer(chain, finalizer)
		if err := r.Patch(ctx, chain, client.MergeFrom(before)); err != nil {
			return ctrl.Result{}, err
		}
	}
	if err := r.queues(ctx, request.NamespacedName, chain); err != nil {
		return ctrl.Result{}, r.report(ctx, chain, false, "QueuesNotReady", err.Error(), err)
	}
	ready, pending, err := r.workers(ctx, chain)
	if err != nil {
		return ctrl.Result{}, r.report(ctx, chain, false, "WorkersNotReady", err.Error(), err)
	}
	result := ctrl.Result{RequeueAfter: resync}
	if pending {
		// An event comes before, unless it was deleted right after it was made.
		result.RequeueAfter = cacheDelay
	}
	if ready < len(chain.Spec.Stages) {
		text := fmt.Sprintf("%d of %d stages have their pods", ready, len(chain.Spec.Stages))
		return result, r.report(ctx, chain, false, "PodsNotReady", text, nil)
	}
	return result, r.report(ctx, chain, true, "AsSpecified", "", nil)
}

// The last stage first: a task is never handed to a queue that isn't there.
func (r *Reconciler) queues(ctx context.Context, name types.NamespacedName, chain *ExecutorChain) error {
	parent := chain.parent()
	if err := r.inventory.Ensure(ctx, name, parent, chain.notifierQueue()); err != nil {
		return err
	}
	for index := len(chain.Spec.Stages) - 1; index >= 0; index-- {
		wanted := chain.stageQueue(&chain.Spec.Stages[index], r.cluster)
		if err := r.inventory.Ensure(ctx, name, parent, wanted); err != nil {
			return err
		}
	}
	return nil
}

// Of how many stages all pods are ready, and whether the cache is still to show something.
func (r *Reconciler) workers(ctx context.Context, chain *ExecutorChain) (int, bool, error) {
	ready, pending := 0, false
	for index := len(chain.Spec.Stages) - 1; index >= 0; index-- {
		service, foundService := chain.service(&chain.Spec.Stages[index]), &corev1.Service{}
		waits, err := r.applied.apply(ctx, r.Client, service, foundService, func() bool {
			return equality.Semantic.DeepDerivative(service.Spec, foundService.Spec)
		})
		if err != nil {
			return 0, false, err
		}
		pending = pending || waits
		deployment, found := chain.deployment(index, r.image), &appsv1.Deployment{}
		waits, err = r.applied.apply(ctx, r.Client, deployment, found, func() bool {
			return equality.Semantic.DeepDerivative(deployment.Spec, found.Spec)
		})
		if err != nil {
			return 0, false, err
		}
		pending = pending || waits
		if !waits && hasPods(found) {
			ready++
		}
	}
	return ready, pending, nil
}

func hasPods(deployment *appsv1.Deployment) bool {
	status, wanted := deployment.Status, int32(1)
	if deployment.Spec.Replicas != nil {
		wanted = *deployment.Spec.Replicas
	}
	return status.ObservedGeneration >= deployment.Generation &&
		status.UpdatedReplicas >= wanted && status.ReadyReplicas >= wanted
}

// Writes the status, if it says something new.
func (r *Reconciler) report(ctx context.Context, chain *ExecutorChain, ready bool, reason, message string, failure error) error {
	before := chain.DeepCopy()
	status := metav1.ConditionFalse
	if ready {
		status = metav1.ConditionTrue
	}
	changed := meta.SetStatusCondition(&chain.Status.Conditions, metav1.Condition{
		Type:               "Ready",
		Status:             status,
		Reason:             reason,
		Message:            message,
		ObservedGeneration: chain.Generation,
	})
	if changed || chain.Status.ObservedGeneration != chain.Generation {
		chain.Status.ObservedGeneration = chain.Generation
		if err := r.Status().Patch(ctx, chain, client.MergeFrom(before)); err != nil && failure == nil {
			return client.IgnoreNotFound(err)
		}
	}
	return failure
}

// A deleted chain's tasks are kept: its queues are paused, and its workers go with it.
func (r *Reconciler) end(ctx context.Context, chain *ExecutorChain) error {
	if !controllerutil.ContainsFinalizer(chain, finalizer) {
		return nil
	}
	for _, stage := range chain.Spec.Stages {
		if err := r.inventory.Pause(ctx, chain.queueName(stage.Queue)); err != nil {
			return err
		}
	}
	before := chain.DeepCopy()
	controllerutil.RemoveFinalizer(chain, finalizer)
	return client.IgnoreNotFound(r.Patch(ctx, chain, client.MergeFrom(before)))
}
