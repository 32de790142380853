package main

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var groupVersion = schema.GroupVersion{Group: "executor-chain.dev", Version: "v1alpha1"}

// ExecutorChain has what this operator reads of a chain, and what it writes.
type ExecutorChain struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ChainSpec   `json:"spec,omitempty"`
	Status ChainStatus `json:"status,omitempty"`
}

type ChainSpec struct {
	Project  string                  `json:"project,omitempty"`
	Location string                  `json:"location,omitempty"`
	Notifier Notifier                `json:"notifier,omitempty"`
	Template *corev1.PodTemplateSpec `json:"template,omitempty"`
	Stages   []Stage                 `json:"stages,omitempty"`
}

type Notifier struct {
	Queue string `json:"queue,omitempty"`
	URL   string `json:"url,omitempty"`
}

type Stage struct {
	Name        string     `json:"name,omitempty"`
	Queue       string     `json:"queue,omitempty"`
	MaxAttempts int32      `json:"maxAttempts,omitempty"`
	RateLimits  RateLimits `json:"rateLimits,omitempty"`
	Replicas    *int32     `json:"replicas,omitempty"`
}

type RateLimits struct {
	MaxDispatchesPerSecond  float64 `json:"maxDispatchesPerSecond,omitempty"`
	MaxConcurrentDispatches int32   `json:"maxConcurrentDispatches,omitempty"`
}

type ChainStatus struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
}

// ExecutorChainList is a list of chains.
type ExecutorChainList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ExecutorChain `json:"items"`
}

func (c *ExecutorChain) DeepCopyObject() runtime.Object { return c.DeepCopy() }

// DeepCopy copies all that may be changed.
func (c *ExecutorChain) DeepCopy() *ExecutorChain {
	copied := *c
	c.ObjectMeta.DeepCopyInto(&copied.ObjectMeta)
	copied.Spec.Template = c.Spec.Template.DeepCopy()
	copied.Spec.Stages = append([]Stage(nil), c.Spec.Stages...)
	for i, stage := range copied.Spec.Stages {
		if stage.Replicas != nil {
			replicas := *stage.Replicas
			copied.Spec.Stages[i].Replicas = &replicas
		}
	}
	copied.Status.Conditions = append([]metav1.Condition(nil), c.Status.Conditions...)
	return &copied
}

func (l *ExecutorChainList) DeepCopyObject() runtime.Object {
	copied := *l
	l.ListMeta.DeepCopyInto(&copied.ListMeta)
	copied.Items = make([]ExecutorChain, len(l.Items))
	for i := range l.Items {
		copied.Items[i] = *l.Items[i].DeepCopy()
	}
	return &copied
}

func addToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(groupVersion, &ExecutorChain{}, &ExecutorChainList{})
	metav1.AddToGroupVersion(scheme, groupVersion)
	return nil
}
