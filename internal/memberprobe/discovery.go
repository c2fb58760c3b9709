package memberprobe

import (
	"context"
	"errors"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Discovery is what a member says about the APIs that it serves.
type Discovery struct {
	// APIs that the member serves, by group and version.
	APIs []v1alpha1.APIEnablement
	// Failed are the groups and versions that could not be listed (an aggregated API that is down, for
	// example), sorted.
	Failed []string
}

// Discover lists the APIs that the member serves, without subresources. Groups that could not be listed are
// no error but named in the answer.
func (v *Visit) Discover(ctx context.Context) (Discovery, error) {
	_, lists, err := v.clientset.Discovery().ServerGroupsAndResourcesWithContext(ctx)
	var failed []string
	if partial := (*discovery.ErrGroupDiscoveryFailed)(nil); errors.As(err, &partial) {
		for groupVersion := range partial.Groups {
			failed = append(failed, groupVersion.String())
		}
		err = nil
	}
	if err != nil {
		return Discovery{}, classify(err, v.host, "listing its APIs")
	}
	slices.Sort(failed)
	return Discovery{APIs: enablements(lists), Failed: failed}, nil
}

func enablements(lists []*metav1.APIResourceList) []v1alpha1.APIEnablement {
	var apis []v1alpha1.APIEnablement
	for _, list := range lists {
		api := v1alpha1.APIEnablement{GroupVersion: list.GroupVersion}
		for _, resource := range list.APIResources {
			if !strings.Contains(resource.Name, "/") {
				api.Resources = append(api.Resources, v1alpha1.APIResource{Name: resource.Name, Kind: resource.Kind})
			}
		}
		slices.SortFunc(api.Resources, func(a, b v1alpha1.APIResource) int { return strings.Compare(a.Name, b.Name) })
		apis = append(apis, api)
	}
	slices.SortFunc(apis, func(a, b v1alpha1.APIEnablement) int { return strings.Compare(a.GroupVersion, b.GroupVersion) })
	return apis
}

// Merge is the APIs that a member serves, as far as known: what it just said, and for the groups that could
// not be listed what was known before.
func (d Discovery) Merge(known []v1alpha1.APIEnablement) []v1alpha1.APIEnablement {
	merged := slices.Clone(d.APIs)
	for _, api := range known {
		if slices.Contains(d.Failed, api.GroupVersion) {
			merged = append(merged, api)
		}
	}
	slices.SortFunc(merged, func(a, b v1alpha1.APIEnablement) int { return strings.Compare(a.GroupVersion, b.GroupVersion) })
	return slices.CompactFunc(merged, func(a, b v1alpha1.APIEnablement) bool { return a.GroupVersion == b.GroupVersion })
}
