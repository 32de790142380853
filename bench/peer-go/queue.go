package main

import (
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/protobuf/proto"
)

const (
	ownerHeader    = "executor-owner"
	notifierHeader = "executor-notifier"
)

func (c *ExecutorChain) parent() string {
	return fmt.Sprintf("projects/%s/locations/%s", c.Spec.Project, c.Spec.Location)
}

func (c *ExecutorChain) queueName(id string) string {
	return c.parent() + "/queues/" + id
}

func (c *ExecutorChain) child(stage *Stage) string {
	return c.Name + "-" + stage.Name
}

// A queue that never gives a task up by itself: the budget of attempts is the worker's.
func endless(name string) *cloudtaskspb.Queue {
	return &cloudtaskspb.Queue{
		Name:        name,
		RetryConfig: &cloudtaskspb.RetryConfig{MaxAttempts: -1},
	}
}

// What a stage's queue should be.
func (c *ExecutorChain) stageQueue(stage *Stage, cluster string) *cloudtaskspb.Queue {
	queue := endless(c.queueName(stage.Queue))
	queue.RateLimits = &cloudtaskspb.RateLimits{
		MaxDispatchesPerSecond:  stage.RateLimits.MaxDispatchesPerSecond,
		MaxConcurrentDispatches: stage.RateLimits.MaxConcurrentDispatches,
	}
	queue.HttpTarget = &cloudtaskspb.HttpTarget{
		UriOverride: &cloudtaskspb.UriOverride{
			Scheme:                 cloudtaskspb.UriOverride_HTTP.Enum(),
			Host:                   proto.String(fmt.Sprintf("%s.%s.svc.cluster.local", c.child(stage), c.Namespace)),
			Port:                   proto.Int64(80),
			UriOverrideEnforceMode: cloudtaskspb.UriOverride_ALWAYS,
		},
		HeaderOverrides: []*cloudtaskspb.HttpTarget_HeaderOverride{
			header(ownerHeader, fmt.Sprintf("%s/%s/%s", cluster, c.Namespace, c.Name)),
		},
	}
	return queue
}

// What the notifier's queue should be. Its tasks carry their own URLs, and chains share it.
func (c *ExecutorChain) notifierQueue() *cloudtaskspb.Queue {
	queue := endless(c.queueName(c.Spec.Notifier.Queue))
	queue.HttpTarget = &cloudtaskspb.HttpTarget{
		HeaderOverrides: []*cloudtaskspb.HttpTarget_HeaderOverride{header(notifierHeader, "shared")},
	}
	return queue
}

func header(key, value string) *cloudtaskspb.HttpTarget_HeaderOverride {
	return &cloudtaskspb.HttpTarget_HeaderOverride{
		Header: &cloudtaskspb.HttpTarget_Header{Key: key, Value: value},
	}
}

func headerOf(queue *cloudtaskspb.Queue, key string) string {
	for _, it := range queue.GetHttpTarget().GetHeaderOverrides() {
		if strings.EqualFold(it.GetHeader().GetKey(), key) {
			return it.GetHeader().GetValue()
		}
	}
	return ""
}

// The fields in which a queue is not what it should be: what a chain leaves out is not looked at.
func difference(found, wanted *cloudtaskspb.Queue) []string {
	var paths []string
	differs := func(path string, does bool) {
		if does {
			paths = append(paths, path)
		}
	}
	rates, wantedRates := found.GetRateLimits(), wanted.GetRateLimits()
	if rate := wantedRates.GetMaxDispatchesPerSecond(); rate != 0 {
		differs("rate_limits.max_dispatches_per_second", rates.GetMaxDispatchesPerSecond() != rate)
	}
	if most := wantedRates.GetMaxConcurrentDispatches(); most != 0 {
		differs("rate_limits.max_concurrent_dispatches", rates.GetMaxConcurrentDispatches() != most)
	}
	retries := found.GetRetryConfig()
	differs("retry_config.max_attempts", retries.GetMaxAttempts() != -1)
	duration := retries.GetMaxRetryDuration()
	differs("retry_config.max_retry_duration", duration.GetSeconds() != 0 || duration.GetNanos() != 0)
	differs("http_target", !sameTarget(found.GetHttpTarget(), wanted.GetHttpTarget()))
	return paths
}

func sameTarget(found, wanted *cloudtaskspb.HttpTarget) bool {
	uri, wantedURI := found.GetUriOverride(), wanted.GetUriOverride()
	if wantedURI != nil && (uri.GetScheme() != wantedURI.GetScheme() ||
		uri.GetHost() != wantedURI.GetHost() ||
		uri.GetPort() != wantedURI.GetPort() ||
		uri.GetUriOverrideEnforceMode() != wantedURI.GetUriOverrideEnforceMode()) {
		return false
	}
	has := func(wanted *cloudtaskspb.HttpTarget_HeaderOverride) bool {
		return slices.ContainsFunc(found.GetHeaderOverrides(), func(it *cloudtaskspb.HttpTarget_HeaderOverride) bool {
			return strings.EqualFold(it.GetHeader().GetKey(), wanted.GetHeader().GetKey()) &&
				it.GetHeader().GetValue() == wanted.GetHeader().GetValue()
		})
	}
	return !slices.ContainsFunc(wanted.GetHeaderOverrides(), func(it *cloudtaskspb.HttpTarget_HeaderOverride) bool {
		return !has(it)
	})
}
