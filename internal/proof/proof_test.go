package proof

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// host answers every request with an error, or with an object when there is none, and remembers what it was asked for.
type host struct {
	client.Reader
	err   error
	asked []string
}

func (h *host) Get(_ context.Context, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	h.asked = append(h.asked, obj.GetObjectKind().GroupVersionKind().Kind+" "+key.String())
	return h.err
}

func TestOnlyTheAnswerThatThereIsNoSuchObjectSaysThatItIsGone(t *testing.T) {
	resource := schema.GroupResource{Resource: "configmaps"}
	notServed := apierrors.NewGenericServerResponse(404, "get", resource, "a", "404 page not found", 0, true)
	forbidden := apierrors.NewForbidden(resource, "a", errors.New("not you"))
	template := v1alpha1.ObjectReference{APIVersion: "v1", Kind: "ConfigMap", Namespace: "shop", Name: "a"}
	wrapped := template
	wrapped.Wrapper = "w"
	for name, tc := range map[string]struct {
		template v1alpha1.ObjectReference
		err      error
		want     Presence
		wantErr  bool
		asked    string
	}{
		"the host has it":                 {template: template, want: Present, asked: "ConfigMap shop/a"},
		"the host has no such object":     {template: template, err: apierrors.NewNotFound(resource, "a"), want: Gone, asked: "ConfigMap shop/a"},
		"the host does not serve it":      {template: template, err: notServed, want: Unserved, asked: "ConfigMap shop/a"},
		"the host does not know the kind": {template: template, err: &meta.NoKindMatchError{}, want: Unserved, asked: "ConfigMap shop/a"},
		"it may not be read":              {template: template, err: forbidden, want: Unserved, wantErr: true, asked: "ConfigMap shop/a"},
		"what wraps it is there":          {template: wrapped, want: Present, asked: "ResourceTemplate shop/w"},
	} {
		t.Run(name, func(t *testing.T) {
			h := &host{err: tc.err}
			got, err := OfTemplate(t.Context(), h, tc.template)
			if got != tc.want || (err != nil) != tc.wantErr || (tc.wantErr && !errors.Is(err, tc.err)) {
				t.Errorf("OfTemplate() = %v, %v, want %v and an error: %t", got, err, tc.want, tc.wantErr)
			}
			if diff := cmp.Diff([]string{tc.asked}, h.asked); diff != "" {
				t.Errorf("asked for (-want +got):\n%s", diff)
			}
		})
	}
}
