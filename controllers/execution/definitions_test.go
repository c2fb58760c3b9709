package execution

import (
	"context"
	"errors"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
)

// definitionsOf asks a host that answers so, and counts what it is asked.
func definitionsOf(asked *int, answer func(definition *metav1.PartialObjectMetadata) error) *definitions {
	return newDefinitions(interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
		Get: func(_ context.Context, _ client.WithWatch, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
			*asked++
			definition, ok := obj.(*metav1.PartialObjectMetadata)
			if !ok || definition.GroupVersionKind() != definitionKind {
				return errors.New("not asked for the metadata of a definition")
			}
			definition.Name = key.Name
			return answer(definition)
		},
	}))
}

func TestTheAPIEndsWithAnyDefinitionThatBindingsFollowFrom(t *testing.T) {
	missing := apierrors.NewNotFound(schema.GroupResource{Resource: "customresourcedefinitions"}, "")
	broken := errors.New("the host does not answer")
	for name, tc := range map[string]struct {
		special string
		answer  func(*metav1.PartialObjectMetadata) error
		want    bool
		err     error
	}{
		"all are there": {},
		"one is being deleted": {"clusters.flotilla.dev", func(d *metav1.PartialObjectMetadata) error {
			d.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
			return nil
		}, true, nil},
		"one is gone":           {"resourcetemplates.flotilla.dev", func(*metav1.PartialObjectMetadata) error { return missing }, true, nil},
		"the host does not say": {"resourcebindings.flotilla.dev", func(*metav1.PartialObjectMetadata) error { return broken }, false, broken},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			d := definitionsOf(&asked, func(definition *metav1.PartialObjectMetadata) error {
				if definition.Name != tc.special {
					return nil
				}
				return tc.answer(definition)
			})
			got, err := d.end(t.Context())
			if got != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("end() = %t, %v, want %t, %v", got, err, tc.want, tc.err)
			}
			if asked == 0 {
				t.Error("nobody was asked")
			}
		})
	}
}

// ticking is a clock that tells of each look at it.
type ticking struct {
	*clocktesting.FakePassiveClock
	looked chan struct{}
}

func (c ticking) Now() time.Time {
	defer func() { c.looked <- struct{}{} }()
	return c.FakePassiveClock.Now()
}

func TestAnAnswerServesThoseWhoAskedBeforeItWasSought(t *testing.T) {
	noon := time.Unix(1_700_000_000, 0)
	for name, tc := range map[string]struct {
		sought time.Time
		asks   bool
	}{
		"sought afterwards":   {noon.Add(time.Second), false},
		"sought before":       {noon.Add(-time.Second), true},
		"perhaps before":      {noon, true},
		"never sought so far": {time.Time{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			d := definitionsOf(&asked, func(*metav1.PartialObjectMetadata) error { return nil })
			looked := make(chan struct{}, 2)
			d.clock = ticking{clocktesting.NewFakePassiveClock(noon), looked}
			ended := make(chan error)
			d.mu.Lock() // while somebody else seeks an answer
			go func() {
				_, err := d.end(t.Context())
				ended <- err
			}()
			<-looked
			d.asked = tc.sought
			d.mu.Unlock()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			if (asked > 0) != tc.asks {
				t.Errorf("%d requests, want some: %t", asked, tc.asks)
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
			c.DeletionTimestamp, c.Finalizers = &metav1.Time{Time: time.Unix(1, 0)}, []string{v1alpha1.ClusterFinalizer}
		}
		return c
	}
	for name, tc := range map[string]struct {
		binding v1alpha1.Binding
		cluster *v1alpha1.Cluster
		end     bool
		want    bool
		asked   bool
	}{
		"the template goes":                      {binding(true), cluster(v1alpha1.RemoveObjects, false), false, false, true},
		"the template goes with its definition":  {binding(true), cluster(v1alpha1.RemoveObjects, false), true, true, true},
		"the binding is gone":                    {nil, cluster(v1alpha1.RemoveObjects, false), true, true, true},
		"it moves":                               {binding(false), cluster(v1alpha1.RemoveObjects, false), true, false, false},
		"the cluster leaves":                     {binding(false), cluster(v1alpha1.RemoveObjects, true), false, false, true},
		"the cluster leaves with its definition": {binding(false), cluster(v1alpha1.RemoveObjects, true), true, true, true},
		"the cluster leaves what it has":         {binding(false), cluster(v1alpha1.KeepObjects, true), false, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			w := &worker{dispatcher: &dispatcher{
				host: fake.NewClientBuilder().WithScheme(scheme).WithObjects(tc.cluster).Build(),
				definitions: definitionsOf(&asked, func(d *metav1.PartialObjectMetadata) error {
					if tc.end {
						d.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
					}
					return nil
				}),
			}, member: &membercluster.Member{Name: "member1"}}
			got, err := w.keepsObjects(t.Context(), tc.binding)
			if err != nil {
				t.Fatal(err)
			}
			if got != tc.want || (asked > 0) != tc.asked {
				t.Errorf("keepsObjects() = %t after %d requests, want %t, asked: %t", got, asked, tc.want, tc.asked)
			}
		})
	}
}
