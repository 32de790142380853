package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	cloudtasks "cloud.google.com/go/cloudtasks/apiv2"
	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"golang.org/x/time/rate"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const callTimeout = 10 * time.Second

// Inventory keeps the queues of each location: queues have no watch, and a list of a location every few
// seconds costs as much for a thousand of them as for one. A chain whose queue has changed is told.
type Inventory struct {
	client  *cloudtasks.Client
	limiter *rate.Limiter
	period  time.Duration
	changes chan event.GenericEvent

	mu     sync.Mutex
	places map[string]*place
	// Whose queue it is. Of those that share one, the last that was reconciled.
	owners map[string]types.NamespacedName
}

type place struct {
	// Held while the first list is under way, so that there is one.
	first  sync.Mutex
	listed bool
	queues map[string]known
}

type known struct {
	queue *cloudtaskspb.Queue
	// When we have written it: a list that was begun before knows less.
	written time.Time
}

func newInventory(client *cloudtasks.Client, calls rate.Limit, period time.Duration) *Inventory {
	return &Inventory{
		client:  client,
		limiter: rate.NewLimiter(calls, max(1, int(2*calls))),
		period:  period,
		changes: make(chan event.GenericEvent, 1024),
		places:  map[string]*place{},
		owners:  map[string]types.NamespacedName{},
	}
}

// Start lists each location every period, until the end. It runs where the leader is.
func (i *Inventory) Start(ctx context.Context) error {
	ticker := time.NewTicker(i.period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		i.mu.Lock()
		parents := make([]string, 0, len(i.places))
		for parent := range i.places {
			parents = append(parents, parent)
		}
		i.mu.Unlock()
		for _, parent := range parents {
			if err := i.list(ctx, parent); err != nil {
				log.FromContext(ctx).Error(err, "queues can't be listed", "location", parent)
			}
		}
	}
}

func (i *Inventory) place(parent string) *place {
	i.mu.Lock()
	defer i.mu.Unlock()
	found, ok := i.places[parent]
	if !ok {
		found = &place{queues: map[string]known{}}
		i.places[parent] = found
	}
	return found
}

// Lists a location once, and tells the chains whose queues are not what they were.
func (i *Inventory) list(ctx context.Context, parent string) error {
	begun := time.Now()
	if err := i.limiter.Wait(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	queues := map[string]known{}
	all := i.client.ListQueues(ctx, &cloudtaskspb.ListQueuesRequest{Parent: parent, PageSize: 1000})
	for {
		queue, err := all.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		if err != nil {
			return err
		}
		queues[queue.GetName()] = known{queue: queue}
	}
	place := i.place(parent)
	concerned := map[types.NamespacedName]struct{}{}
	i.mu.Lock()
	for name, before := range place.queues {
		if before.written.After(begun) {
			queues[name] = before
			continue
		}
		now, ok := queues[name]
		if ok && proto.Equal(now.queue, before.queue) {
			// One copy is enough.
			queues[name] = before
			continue
		}
		if owner, ok := i.owners[name]; ok {
			concerned[owner] = struct{}{}
		}
	}
	place.queues, place.listed = queues, true
	i.mu.Unlock()
	for chain := range concerned {
		told := &ExecutorChain{}
		told.Namespace, told.Name = chain.Namespace, chain.Name
		i.changes <- event.GenericEvent{Object: told}
	}
	return nil
}

// Ensure brings a queue to what it should be, by as few calls as that takes.
func (i *Inventory) Ensure(ctx context.Context, chain types.NamespacedName, parent string, wanted *cloudtaskspb.Queue) error {
	place := i.place(parent)
	if err := i.once(ctx, place, parent); err != nil {
		return err
	}
	i.mu.Lock()
	i.owners[wanted.GetName()] = chain
	found, ok := place.queues[wanted.GetName()]
	i.mu.Unlock()
	if !ok {
		made, err := i.create(ctx, parent, wanted)
		if err != nil {
			return err
		}
		found = i.keep(place, made)
	}
	owner, wantedOwner := headerOf(found.queue, ownerHeader), headerOf(wanted, ownerHeader)
	if owner != "" && owner != wantedOwner {
		return fmt.Errorf("the queue %s belongs to %s", wanted.GetName(), owner)
	}
	paths := difference(found.queue, wanted)
	if len(paths) == 0 {
		return nil
	}
	if err := i.limiter.Wait(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	updated, err := i.client.UpdateQueue(ctx, &cloudtaskspb.UpdateQueueRequest{
		Queue:      wanted,
		UpdateMask: &fieldmaskpb.FieldMask{Paths: paths},
	})
	if err != nil {
		return err
	}
	i.keep(place, updated)
	return nil
}

// Lists a location that was never listed.
func (i *Inventory) once(ctx context.Context, place *place, parent string) error {
	place.first.Lock()
	defer place.first.Unlock()
	i.mu.Lock()
	listed := place.listed
	i.mu.Unlock()
	if listed {
		return nil
	}
	return i.list(ctx, parent)
}

// Creates a queue; another chain that shares it may have been faster.
func (i *Inventory) create(ctx context.Context, parent string, wanted *cloudtaskspb.Queue) (*cloudtaskspb.Queue, error) {
	if err := i.limiter.Wait(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	made, err := i.client.CreateQueue(ctx, &cloudtaskspb.CreateQueueRequest{Parent: parent, Queue: wanted})
	if status.Code(err) != codes.AlreadyExists {
		return made, err
	}
	if err := i.limiter.Wait(ctx); err != nil {
		return nil, err
	}
	return i.client.GetQueue(ctx, &cloudtaskspb.GetQueueRequest{Name: wanted.GetName()})
}

// Pause pauses a queue, so that the tasks of a deleted chain are kept.
func (i *Inventory) Pause(ctx context.Context, name string) error {
	if err := i.limiter.Wait(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := i.client.PauseQueue(ctx, &cloudtaskspb.PauseQueueRequest{Name: name})
	if status.Code(err) == codes.NotFound {
		return nil
	}
	return err
}

func (i *Inventory) keep(place *place, queue *cloudtaskspb.Queue) known {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := known{queue: queue, written: time.Now()}
	place.queues[queue.GetName()] = now
	return now
}

// Forget lets go of the queues of a chain that is gone.
func (i *Inventory) Forget(chain types.NamespacedName) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for name, owner := range i.owners {
		if owner == chain {
			delete(i.owners, name)
		}
	}
}
