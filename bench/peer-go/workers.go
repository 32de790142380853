package main

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

const (
	managedBy     = "executor-peer"
	managedLabel  = "app.kubernetes.io/managed-by"
	chainLabel    = "executor-chain.dev/chain"
	stageLabel    = "executor-chain.dev/stage"
	appliedHash   = "executor-chain.dev/applied"
	workerName    = "worker"
	tasksPort     = 9480
	adminPort     = 9481
	graceSeconds  = 160
	readySeconds  = 5
	handlerListen = "http://127.0.0.1:8080"
)

func (c *ExecutorChain) childMeta(stage *Stage) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:      c.child(stage),
		Namespace: c.Namespace,
		Labels: map[string]string{
			managedLabel: managedBy,
			chainLabel:   c.Name,
			stageLabel:   stage.Name,
		},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(c, groupVersion.WithKind("ExecutorChain"))},
	}
}

func (c *ExecutorChain) selector(stage *Stage) map[string]string {
	return map[string]string{chainLabel: c.Name, stageLabel: stage.Name}
}

// The address of a stage's workers.
func (c *ExecutorChain) service(stage *Stage) *corev1.Service {
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: c.childMeta(stage),
		Spec: corev1.ServiceSpec{
			Ports: []corev1.ServicePort{{
				Name:       "tasks",
				Port:       80,
				Protocol:   corev1.ProtocolTCP,
				TargetPort: intstr.FromString("tasks"),
			}},
			Selector: c.selector(stage),
		},
	}
}

// The workers of a stage: the user's handlers beside ours, as native sidecars.
func (c *ExecutorChain) deployment(index int, image string) *appsv1.Deployment {
	stage := &c.Spec.Stages[index]
	pods := c.Spec.Template.DeepCopy()
	if pods == nil {
		pods = &corev1.PodTemplateSpec{}
	}
	meta := c.childMeta(stage)
	if pods.Labels == nil {
		pods.Labels = map[string]string{}
	}
	for key, value := range meta.Labels {
		pods.Labels[key] = value
	}
	for _, handler := range pods.Spec.Containers {
		handler.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
		pods.Spec.InitContainers = append(pods.Spec.InitContainers, handler)
	}
	pods.Spec.Containers = []corev1.Container{c.worker(index, image)}
	pods.Spec.AutomountServiceAccountToken = ptr.To(false)
	pods.Spec.TerminationGracePeriodSeconds = ptr.To[int64](graceSeconds)
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: meta,
		Spec: appsv1.DeploymentSpec{
			Replicas: stage.Replicas,
			Selector: &metav1.LabelSelector{MatchLabels: c.selector(stage)},
			Strategy: appsv1.DeploymentStrategy{
				Type: appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{
					MaxSurge:       ptr.To(intstr.FromInt32(1)),
					MaxUnavailable: ptr.To(intstr.FromInt32(0)),
				},
			},
			MinReadySeconds: readySeconds,
			Template:        *pods,
		},
	}
}

func (c *ExecutorChain) worker(index int, image string) corev1.Container {
	stage := &c.Spec.Stages[index]
	var queues []string
	for _, it := range c.Spec.Stages {
		queues = append(queues, c.queueName(it.Queue))
	}
	env := []corev1.EnvVar{
		{Name: "CHAIN", Value: c.Namespace + "/" + c.Name},
		{Name: "STAGE", Value: stage.Name},
		{Name: "QUEUE", Value: c.queueName(stage.Queue)},
		{Name: "MAX_ATTEMPTS", Value: strconv.Itoa(int(stage.MaxAttempts))},
		{Name: "LOOKUP_QUEUES", Value: strings.Join(queues, ",")},
		{Name: "NOTIFIER_QUEUE", Value: c.queueName(c.Spec.Notifier.Queue)},
		{Name: "NOTIFIER_URL", Value: c.Spec.Notifier.URL},
		{Name: "HANDLER_URL", Value: handlerListen},
		{Name: "LISTEN_ADDR", Value: fmt.Sprintf("0.0.0.0:%d", tasksPort)},
		{Name: "ADMIN_ADDR", Value: fmt.Sprintf("0.0.0.0:%d", adminPort)},
	}
	if index+1 < len(queues) {
		env = append(env, corev1.EnvVar{Name: "DOWNSTREAM_QUEUE", Value: queues[index+1]})
	}
	return corev1.Container{
		Name:  workerName,
		Image: image,
		Env:   env,
		Ports: []corev1.ContainerPort{
			{Name: "tasks", ContainerPort: tasksPort, Protocol: corev1.ProtocolTCP},
			{Name: "admin", ContainerPort: adminPort, Protocol: corev1.ProtocolTCP},
		},
		ReadinessProbe: probe("/readyz", 2),
		LivenessProbe:  probe("/healthz", 10),
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr.To(false),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			ReadOnlyRootFilesystem:   ptr.To(true),
			RunAsNonRoot:             ptr.To(true),
			SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
	}
}

// With the defaults written out: a number that is left out would differ from what the cache has.
func probe(path string, period int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{
			HTTPGet: &corev1.HTTPGetAction{
				Path:   path,
				Port:   intstr.FromString("admin"),
				Scheme: corev1.URISchemeHTTP,
			},
		},
		PeriodSeconds:    period,
		TimeoutSeconds:   1,
		SuccessThreshold: 1,
		FailureThreshold: 3,
	}
}

func hashOf(text []byte) string {
	hash := fnv.New64a()
	hash.Write(text)
	return strconv.FormatUint(hash.Sum64(), 36)
}
