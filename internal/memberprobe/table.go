package memberprobe

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/pager"

	"github.com/flotilla-dev/flotilla/internal/capacity"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
)

// podsPerPage is how many pods a member is asked for at a time.
const podsPerPage = 2000

// Table looks at a member's nodes, pods and quotas once, and adds up what is free. Quotas that may not be read do not count.
func Table(ctx context.Context, config *rest.Config) (*capacity.Table, error) {
	config = rest.CopyConfig(config)
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	member, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("preparing a connection to the member: %w", err)
	}
	return TableOf(ctx, member)
}

// TableOf is Table with a client of the member.
func TableOf(ctx context.Context, member kubernetes.Interface) (*capacity.Table, error) {
	nodes, err := member.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return nil, fmt.Errorf("listing the member's nodes: %w", silence(err))
	}
	free := make([]capacity.Node, 0, len(nodes.Items))
	for i := range nodes.Items {
		free = append(free, capacity.NewNode(&nodes.Items[i]))
	}
	var pods []capacity.Pod
	pages := pager.New(pager.SimplePageFunc(func(o metav1.ListOptions) (runtime.Object, error) {
		return member.CoreV1().Pods(metav1.NamespaceAll).List(ctx, o)
	}))
	pages.PageSize = podsPerPage
	err = pages.EachListItem(ctx, metav1.ListOptions{FieldSelector: capacity.LivingPods}, func(obj runtime.Object) error {
		if pod, ok := obj.(*corev1.Pod); ok {
			class := capacity.Compile(interpreter.PodRequirements(pod.Namespace, &pod.Spec))
			pods = append(pods, capacity.Pod{Class: class, Node: pod.Spec.NodeName})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing the member's pods: %w", silence(err))
	}
	list, err := member.CoreV1().ResourceQuotas(metav1.NamespaceAll).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil && !apierrors.IsForbidden(err) { // members that joined with few rights hide them: then they do not count
		return nil, fmt.Errorf("listing the member's quotas: %w", silence(err))
	}
	var quotas []capacity.Quota
	if err == nil {
		for i := range list.Items {
			quotas = append(quotas, capacity.NewQuota(&list.Items[i]))
		}
	}
	return capacity.NewTable(1, free, pods, quotas), nil
}

// silence says what a timeout means here.
func silence(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("it did not answer in time")
	}
	return err
}
