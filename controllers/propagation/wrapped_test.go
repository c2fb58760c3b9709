package propagation

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// wrap makes a wrapper hold the template.
func (c *templates) wrap(req Request, name string, template *unstructured.Unstructured) {
	wrapper := &unstructured.Unstructured{}
	wrapper.SetGroupVersionKind(v1alpha1.WrapperKind(req.Key.Namespace))
	wrapper.SetNamespace(req.Key.Namespace)
	wrapper.SetName(name)
	wrapper.SetUID(template.GetUID())
	c.wrappers = map[Request]*unstructured.Unstructured{req: wrapper}
}

func TestTheBindingOfAWrappedTemplateBelongsToTheWrapper(t *testing.T) {
	cache := newTemplates(webTemplate())
	cache.wrap(web, "wrapped-web", webTemplate())
	plain := shop()
	plain.Labels = nil // no template namespace
	b := newBed(t, cache, plain, webPolicy("web"))
	b.reconcile(t, web)
	binding := b.binding(t, web)
	want := webSpec("web")
	want.Resource.Wrapper = "wrapped-web"
	diffSpec(t, want, binding)
	owner := []metav1.OwnerReference{{
		APIVersion: "flotilla.dev/v1alpha1", Kind: "ResourceTemplate", Name: "wrapped-web", UID: webTemplate().GetUID(),
		Controller: ptr.To(false), BlockOwnerDeletion: ptr.To(false),
	}}
	if diff := cmp.Diff(owner, binding.GetOwnerReferences()); diff != "" {
		t.Errorf("owner (-want +got):\n%s", diff)
	}
	if conditions := binding.BindingStatus().Conditions; len(conditions) > 0 {
		t.Errorf("conditions are %v, want none: what is wrapped does not run on the host", conditions)
	}
	b.reconcile(t, web)
	b.expectWrites(t, writes{Applies: 1})
}

func TestATemplateThatIsWrappedLaterKeepsItsBindingAndItsClusters(t *testing.T) {
	b := newBed(t, newTemplates(webTemplate()), shop(), webPolicy("web"))
	b.reconcile(t, web)
	before := b.binding(t, web)
	inside := webTemplate()
	inside.SetUID("wrapper")
	b.templates.put(inside)
	b.templates.wrap(web, "wrapped-web", inside)
	b.reconcile(t, web)
	after := b.binding(t, web)
	want := webSpec("web")
	want.Resource.UID, want.Resource.Wrapper = "wrapper", "wrapped-web"
	diffSpec(t, want, after)
	if before.GetUID() != after.GetUID() {
		t.Error("the binding was made anew")
	}
	b.expectWrites(t, writes{Applies: 2})
}

func TestAWrapperOfAnotherObjectIsNotTheTemplates(t *testing.T) {
	cache, younger := newTemplates(webTemplate()), webTemplate()
	younger.SetUID("a moment ago")
	cache.wrap(web, "wrapped-web", younger)
	b := newBed(t, cache, shop(), webPolicy("web"))
	b.reconcile(t, web)
	diffSpec(t, webSpec("web"), b.binding(t, web))
}

// asked notes what is asked for.
type asked struct {
	liveReader
	kinds *[]schema.GroupVersionKind
}

func (a asked) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	*a.kinds = append(*a.kinds, obj.GetObjectKind().GroupVersionKind())
	return a.liveReader.Get(ctx, key, obj, opts...)
}

func TestOnlyTheEndOfTheWrapperProvesThatAWrappedTemplateIsGone(t *testing.T) {
	cache := newTemplates(webTemplate())
	cache.wrap(web, "wrapped-web", webTemplate())
	b := newBed(t, cache, shop(), webPolicy("web"))
	b.reconcile(t, web)
	cache.drop(deployment, web.Key)
	var kinds []schema.GroupVersionKind
	b.live = asked{liveReader{b}, &kinds}
	b.reconcile(t, web)
	if diff := cmp.Diff([]schema.GroupVersionKind{v1alpha1.WrapperKind("shop")}, kinds); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	b.expectWrites(t, writes{Applies: 1, Deletes: 1})
}
