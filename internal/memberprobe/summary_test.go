package memberprobe

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

const (
	nodes = `{"apiVersion":"v1","kind":"NodeList","items":[
	{"metadata":{"name":"good"},"status":{"allocatable":{"cpu":"4","pods":"10"},"conditions":[{"type":"Ready","status":"True"}]}},
	{"metadata":{"name":"cordoned"},"spec":{"unschedulable":true},"status":{"allocatable":{"cpu":"8"},"conditions":[{"type":"Ready","status":"True"}]}},
	{"metadata":{"name":"lost"},"status":{"allocatable":{"cpu":"16"},"conditions":[{"type":"Ready","status":"Unknown"}]}}]}`
	podsFirst = `{"apiVersion":"v1","kind":"PodList","metadata":{"continue":"more"},"items":[
	{"metadata":{"name":"a"},"spec":{"nodeName":"good","containers":[{"name":"c","resources":{"requests":{"cpu":"500m"}}}]}},
	{"metadata":{"name":"b"},"spec":{"nodeName":"cordoned","containers":[{"name":"c","resources":{"requests":{"cpu":"1"}}}]}}]}`
	podsSecond = `{"apiVersion":"v1","kind":"PodList","items":[
	{"metadata":{"name":"d"},"spec":{"nodeName":"good","initContainers":[{"name":"i","resources":{"requests":{"cpu":"2"}}}],"containers":[{"name":"c","resources":{"requests":{"cpu":"1500m"}}}]}},
	{"metadata":{"name":"e"},"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"250m","memory":"1Gi"}}}]}}]}`
)

func TestSummarizeCountsWhatCanBeUsed(t *testing.T) {
	var selectors []string
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := nodes
		if r.URL.Path == "/api/v1/pods" {
			selectors = append(selectors, r.URL.Query().Get("fieldSelector"))
			body = podsFirst
			if r.URL.Query().Get("continue") == "more" {
				body = podsSecond
			}
		}
		answers{r.URL.Path: {http.StatusOK, body}}.ServeHTTP(w, r)
	})
	visit, err := Open(serve(t, handler, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer visit.Close()
	grades := []v1alpha1.ResourceModel{
		{Grade: 1, Ranges: []v1alpha1.ResourceModelRange{{Name: "cpu", Min: resource.MustParse("0"), Max: resource.MustParse("1")}}},
		{Grade: 2, Ranges: []v1alpha1.ResourceModelRange{{Name: "cpu", Min: resource.MustParse("1"), Max: resource.MustParse("64")}}},
	}
	got, err := visit.Summarize(t.Context(), grades)
	if err != nil {
		t.Fatal(err)
	}
	want := Summary{
		Nodes: v1alpha1.NodeSummary{TotalNum: 3, ReadyNum: 2},
		Resources: v1alpha1.ResourceSummary{
			Allocatable: corev1.ResourceList{"cpu": resource.MustParse("4"), "pods": resource.MustParse("10")},
			Allocated:   corev1.ResourceList{"cpu": resource.MustParse("2500m"), "pods": resource.MustParse("2")},
			Allocating:  corev1.ResourceList{"cpu": resource.MustParse("250m"), "memory": resource.MustParse("1Gi"), "pods": resource.MustParse("1")},
			// One node of 4 cores, of which 2.5 are taken.
			AllocatableModelings: []v1alpha1.AllocatableModeling{{Grade: 1}, {Grade: 2, Count: 1}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Summarize() (-want +got):\n%s", diff)
	}
	ended := "status.phase!=Succeeded,status.phase!=Failed"
	if diff := cmp.Diff([]string{ended, ended}, selectors); diff != "" {
		t.Errorf("the pods asked for, by page (-want +got):\n%s", diff)
	}
}

func TestAMemberWithoutUsableNodesHasRoomForNoPods(t *testing.T) {
	tally := newTally()
	tally.addNode(&corev1.Node{})
	want := Summary{
		Nodes:     v1alpha1.NodeSummary{TotalNum: 1},
		Resources: v1alpha1.ResourceSummary{Allocatable: corev1.ResourceList{"pods": resource.MustParse("0")}},
	}
	if diff := cmp.Diff(want, tally.summary()); diff != "" {
		t.Errorf("summary() (-want +got):\n%s", diff)
	}
}

func TestDiscoverNamesTheGroupsThatCannotBeListed(t *testing.T) {
	handler := answers{
		"/api":                {http.StatusOK, `{"kind":"APIVersions","versions":["v1"]}`},
		"/apis":               {http.StatusOK, `{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"broken.dev","versions":[{"groupVersion":"broken.dev/v1","version":"v1"}],"preferredVersion":{"groupVersion":"broken.dev/v1","version":"v1"}}]}`},
		"/api/v1":             {http.StatusOK, `{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"pods","kind":"Pod"},{"name":"configmaps","kind":"ConfigMap"},{"name":"pods/log","kind":"Pod"}]}`},
		"/apis/broken.dev/v1": {http.StatusServiceUnavailable, "down"},
	}
	visit, err := Open(serve(t, handler, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer visit.Close()
	got, err := visit.Discover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	core := v1alpha1.APIEnablement{GroupVersion: "v1", Resources: []v1alpha1.APIResource{{Name: "configmaps", Kind: "ConfigMap"}, {Name: "pods", Kind: "Pod"}}}
	if diff := cmp.Diff(Discovery{APIs: []v1alpha1.APIEnablement{core}, Failed: []string{"broken.dev/v1"}}, got); diff != "" {
		t.Errorf("Discover() (-want +got):\n%s", diff)
	}

	broken := v1alpha1.APIEnablement{GroupVersion: "broken.dev/v1", Resources: []v1alpha1.APIResource{{Name: "things", Kind: "Thing"}}}
	gone := v1alpha1.APIEnablement{GroupVersion: "gone.dev/v1"}
	merged := got.Merge([]v1alpha1.APIEnablement{broken, gone, {GroupVersion: "v1"}})
	if diff := cmp.Diff([]v1alpha1.APIEnablement{broken, core}, merged); diff != "" {
		t.Errorf("Merge() keeps what failed and drops what is gone (-want +got):\n%s", diff)
	}
}
