// An operator of the same chains as executor-operator, as one would write it in Go with
// controller-runtime: what the benchmark of the operator stands beside.
package main

import (
	"context"
	"flag"
	"time"

	cloudtasks "cloud.google.com/go/cloudtasks/apiv2"
	"golang.org/x/time/rate"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

type settings struct {
	emulator    string
	metrics     string
	health      string
	namespace   string
	image       string
	concurrency int
	calls       float64
	poll        time.Duration
}

func main() {
	var s settings
	flag.StringVar(&s.emulator, "emulator-host", "", "host:port of a Cloud Tasks emulator")
	flag.StringVar(&s.metrics, "metrics-addr", "0.0.0.0:8080", "where metrics are served")
	flag.StringVar(&s.health, "health-addr", "0", "where health is served")
	flag.StringVar(&s.namespace, "lease-namespace", "default", "where the Lease is")
	flag.StringVar(&s.image, "worker-image", "executor-worker:0.1.0", "the image of the workers")
	flag.IntVar(&s.concurrency, "concurrency", 64, "how many chains are reconciled at once")
	flag.Float64Var(&s.calls, "cloud-tasks-calls-per-second", 50, "how many calls Cloud Tasks gets at most")
	flag.DurationVar(&s.poll, "queue-poll-interval", 5*time.Second, "how often queues are listed")
	flag.Parse()
	ctrl.SetLogger(zap.New())
	if err := run(ctrl.SetupSignalHandler(), &s); err != nil {
		ctrl.Log.Error(err, "the operator ends")
		panic(err)
	}
}

func run(ctx context.Context, s *settings) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	// The API server shares itself out by priority and fairness; a client's own limit only adds to it.
	config.QPS = -1
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, addToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	ours := labels.SelectorFromSet(labels.Set{managedLabel: managedBy})
	readOnly := true
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme,
		Cache: cache.Options{
			// What each field's last writer was is half of an object, and nobody reads it here.
			DefaultTransform: cache.TransformStripManagedFields(),
			ByObject: map[client.Object]cache.ByObject{
				&appsv1.Deployment{}: {Label: ours, UnsafeDisableDeepCopy: &readOnly},
				&corev1.Service{}:    {Label: ours, UnsafeDisableDeepCopy: &readOnly},
			},
		},
		Metrics:                       metricsserver.Options{BindAddress: s.metrics},
		HealthProbeBindAddress:        s.health,
		LeaderElection:                true,
		LeaderElectionID:              "executor-peer",
		LeaderElectionNamespace:       s.namespace,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return err
	}
	if err := manager.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	system := &corev1.Namespace{}
	if err := manager.GetAPIReader().Get(ctx, client.ObjectKey{Name: "kube-system"}, system); err != nil {
		return err
	}
	queues, err := connect(ctx, s.emulator)
	if err != nil {
		return err
	}
	inventory := newInventory(queues, rate.Limit(s.calls), s.poll)
	if err := manager.Add(inventory); err != nil {
		return err
	}
	reconciler := &Reconciler{
		Client:    manager.GetClient(),
		inventory: inventory,
		applied:   &Applied{recent: map[string]write{}},
		cluster:   string(system.UID),
		image:     s.image,
	}
	err = ctrl.NewControllerManagedBy(manager).
		Named("executorchain").
		For(&ExecutorChain{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&appsv1.Deployment{}, builder.WithPredicates(deploymentChanged())).
		Owns(&corev1.Service{}).
		WatchesRawSource(source.Channel(inventory.changes, &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: s.concurrency}).
		Complete(reconciler)
	if err != nil {
		return err
	}
	return manager.Start(ctx)
}

func connect(ctx context.Context, emulator string) (*cloudtasks.Client, error) {
	if emulator == "" {
		return cloudtasks.NewClient(ctx)
	}
	return cloudtasks.NewClient(ctx,
		option.WithEndpoint(emulator),
		option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
	)
}

// Of a Deployment's changes those count that a chain can tell of.
func deploymentChanged() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(it event.UpdateEvent) bool {
			before, isOne := it.ObjectOld.(*appsv1.Deployment)
			now, isAnother := it.ObjectNew.(*appsv1.Deployment)
			return !isOne || !isAnother ||
				before.Generation != now.Generation ||
				before.Annotations[appliedHash] != now.Annotations[appliedHash] ||
				hasPods(before) != hasPods(now)
		},
	}
}
