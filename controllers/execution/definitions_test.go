package execution

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
)

var installed = time.Unix(1_700_000_000, 0)

// definitionsOf asks a host on which one definition is special, and notes what is asked for.
func definitionsOf(asked *[]string, special string, answer func(definition *metav1.PartialObjectMetadata) error) definitions {
	return definitions{interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
		Get: func(_ context.Context, _ client.WithWatch, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
			*asked = append(*asked, key.Name)
			definition, ok := obj.(*metav1.PartialObjectMetadata)
			if !ok || definition.GroupVersionKind() != definitionKind {
				return errors.New("not asked for the metadata of a definition")
			}
			definition.Name, definition.CreationTimestamp = key.Name, metav1.Time{Time: installed}
			if key.Name == special {
				return answer(definition)
			}
			return nil
		},
	})}
}

func TestABindingGoesWithTheDefinitionsThatItFollowsFrom(t *testing.T) {
	missing := apierrors.NewNotFound(schema.GroupResource{Resource: "customresourcedefinitions"}, "")
	broken := errors.New("the host does not answer")
	deleted := func(d *metav1.PartialObjectMetadata) error {
		d.DeletionTimestamp = &metav1.Time{Time: installed}
		return nil
	}
	renewed := func(d *metav1.PartialObjectMetadata) error {
		d.CreationTimestamp.Time = installed.Add(time.Hour)
		return nil
	}
	native, wrapped := binding(true), binding(true)
	native.CreationTimestamp = metav1.Time{Time: installed.Add(time.Minute)}
	wrapped.CreationTimestamp, wrapped.Spec.Resource.Wrapper = native.CreationTimestamp, "web"
	for name, tc := range map[string]struct {
		key     types.NamespacedName
		binding v1alpha1.Binding
		special string
		answer  func(*metav1.PartialObjectMetadata) error
		want    bool
		err     error
	}{
		"all are there":                         {key: webKey, binding: native},
		"that of bindings is being deleted":     {webKey, native, "resourcebindings.flotilla.dev", deleted, true, nil},
		"that of bindings is gone":              {webKey, nil, "resourcebindings.flotilla.dev", func(*metav1.PartialObjectMetadata) error { return missing }, true, nil},
		"that of bindings without a namespace":  {types.NamespacedName{Name: "web"}, nil, "clusterresourcebindings.flotilla.dev", deleted, true, nil},
		"that of wrapped templates":             {webKey, wrapped, "resourcetemplates.flotilla.dev", deleted, true, nil},
		"that of wrapped templates was renewed": {webKey, wrapped, "resourcetemplates.flotilla.dev", renewed, true, nil},
		"which does not matter to a native one": {webKey, native, "resourcetemplates.flotilla.dev", renewed, false, nil},
		"that of another kind is being deleted": {webKey, native, "clusterresourcebindings.flotilla.dev", deleted, false, nil},
		"the host does not say":                 {webKey, native, "resourcebindings.flotilla.dev", func(*metav1.PartialObjectMetadata) error { return broken }, false, broken},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			got, err := definitionsOf(&asked, tc.special, tc.answer).endBinding(t.Context(), tc.key, tc.binding)
			if got != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("endBinding() = %t, %v, want %t, %v", got, err, tc.want, tc.err)
			}
		})
	}
}

func TestObjectsStayWhenTheirTemplateIsNotWhatEnds(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	cluster := func(policy v1alpha1.ClusterDeletionPolicy, leaving bool) *v1alpha1.Cluster {
		c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "member1"}, Spec: v1alpha1.ClusterSpec{DeletionPolicy: policy}}
		if leaving {
			c.DeletionTimestamp, c.Finalizers = &metav1.Time{Time: installed}, []string{v1alpha1.ClusterFinalizer}
		}
		return c
	}
	const bindings, templates, clusters = "resourcebindings.flotilla.dev", "resourcetemplates.flotilla.dev", "clusters.flotilla.dev"
	for name, tc := range map[string]struct {
		binding v1alpha1.Binding
		cluster *v1alpha1.Cluster // as the host's API server has it; nil for none
		ends    string            // the definition that is being deleted
		want    bool
		asked   []string
	}{
		"the template goes":                      {binding(true), cluster(v1alpha1.RemoveObjects, false), "", false, []string{bindings, templates}},
		"the template goes with its definition":  {binding(true), cluster(v1alpha1.RemoveObjects, false), bindings, true, []string{bindings}},
		"the binding is gone with its own":       {nil, cluster(v1alpha1.RemoveObjects, false), bindings, true, []string{bindings}},
		"it moves":                               {binding(false), cluster(v1alpha1.RemoveObjects, false), bindings, false, nil},
		"the cluster leaves":                     {binding(false), cluster(v1alpha1.RemoveObjects, true), "", false, []string{clusters}},
		"the cluster leaves with its definition": {binding(false), cluster(v1alpha1.RemoveObjects, true), clusters, true, []string{clusters}},
		"the cluster leaves what it has":         {binding(false), cluster(v1alpha1.KeepObjects, true), "", true, nil},
		"the cluster is gone, and it moves":      {binding(false), nil, "", true, nil},
		"the cluster is gone, the template goes": {binding(true), nil, "", true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			host := fake.NewClientBuilder().WithScheme(scheme)
			if tc.cluster != nil {
				host.WithObjects(tc.cluster)
			}
			w := &worker{dispatcher: &dispatcher{
				mgr: live{reader: host.Build()},
				definitions: definitionsOf(&asked, tc.ends, func(d *metav1.PartialObjectMetadata) error {
					d.DeletionTimestamp = &metav1.Time{Time: installed}
					return nil
				}),
			}, member: &membercluster.Member{Name: "member1"}}
			got, err := w.keepsObjects(t.Context(), webKey, tc.binding, tc.binding == nil || tc.binding.GetDeletionTimestamp() != nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.asked, asked); diff != "" || got != tc.want {
				t.Errorf("keepsObjects() = %t, want %t; asked for (-want +got):\n%s", got, tc.want, diff)
			}
		})
	}
}

func TestAnErrorOfTheHostIsNotToldAsTheMembers(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "customresourcedefinitions"}, "clusters.flotilla.dev", nil)
	w := &worker{member: &membercluster.Member{Name: "member1"}} // without a board a report would panic
	result, err := w.refused(binding(false), nil, hostError{forbidden})
	if diff := cmp.Diff(reconcile.Result{}, result); diff != "" || !apierrors.IsForbidden(err) {
		t.Errorf("refused() = %v, %v, want the error", result, err)
	}
}
