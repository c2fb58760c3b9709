package placing

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/capacity"
	"github.com/flotilla-dev/flotilla/internal/memberprobe"
)

func node(name string, cores string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Status: corev1.NodeStatus{
			Allocatable: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cores), corev1.ResourcePods: resource.MustParse("10")},
			Conditions:  []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	}
}

func podOn(name, node, cores string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{
			Name: "c", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cores)}},
		}}},
	}
}

// oneCore is a class of replicas in the namespace shop.
func oneCore() *capacity.Class {
	return capacity.Compile(&v1alpha1.ReplicaRequirements{Namespace: "shop", ResourceRequest: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}})
}

func TestAVisitCountsWhatIsFreeOnNodes(t *testing.T) {
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "q"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("2")}},
	}
	forbid := func(resource string) func(*fake.Clientset) {
		return func(c *fake.Clientset) {
			c.PrependReactor("list", resource, func(clienttesting.Action) (bool, runtime.Object, error) {
				return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", errors.New("no right"))
			})
		}
	}
	cases := map[string]struct {
		objects []runtime.Object
		change  func(*fake.Clientset)
		want    int32
		wantErr bool
	}{
		"two nodes, of which one is half full":     {objects: []runtime.Object{node("a", "4"), node("b", "2"), podOn("p", "a", "2")}, want: 4},
		"a pod that waits comes first":             {objects: []runtime.Object{node("a", "4"), podOn("p", "", "3")}, want: 1},
		"a quota bounds it":                        {objects: []runtime.Object{node("a", "4"), quota}, want: 2},
		"quotas that may not be seen do not count": {objects: []runtime.Object{node("a", "4"), quota}, change: forbid("resourcequotas"), want: 4},
		"nodes must be seen":                       {change: forbid("nodes"), wantErr: true},
		"pods must be seen":                        {change: forbid("pods"), wantErr: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			member := fake.NewClientset(tc.objects...)
			if tc.change != nil {
				tc.change(member)
			}
			table, err := memberprobe.TableOf(t.Context(), member)
			if (err != nil) != tc.wantErr {
				t.Fatalf("memberprobe.TableOf() = %v, want an error: %v", err, tc.wantErr)
			}
			if err != nil {
				return
			}
			if got, _ := table.Room(oneCore(), 100); got != tc.want {
				t.Errorf("there is room for %d, want %d", got, tc.want)
			}
		})
	}
}

func TestTheSourceOfRoomIsSaid(t *testing.T) {
	credentials := func(cluster string) *corev1.Secret {
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.ExecutionNamespace(cluster), Name: v1alpha1.CredentialsSecretName},
			Data:       map[string][]byte{v1alpha1.TokenKey: []byte("token")},
		}
	}
	host := onHost(credentials("nodes"), credentials("silent"))
	visit := func(_ context.Context, config *rest.Config) (*capacity.Table, error) {
		if config.Host == "https://silent" {
			return nil, errors.New("it does not answer")
		}
		return capacity.NewTable(1, []capacity.Node{capacity.NewNode(node("n", "4"))}, nil, nil), nil
	}
	from := func(source v1alpha1.CapacitySource) func(*v1alpha1.Cluster) {
		return func(c *v1alpha1.Cluster) { c.Spec.Capacity = source }
	}
	clusters := []*v1alpha1.Cluster{
		serving("nodes", withFree(1)), serving("silent", withFree(1)), serving("secret", withFree(1)),
		serving("sum", withFree(1), from(v1alpha1.CapacitySummary)), serving("endless", from(v1alpha1.CapacityNone)),
	}
	tables, rooms := roomReader{host: host, visit: visit}.read(t.Context(), clusters)
	want := []ClusterRoom{
		{Cluster: "endless", Source: v1alpha1.CapacityNone},
		{Cluster: "nodes", Source: v1alpha1.CapacityNodes},
		{Cluster: "secret", Source: v1alpha1.CapacitySummary, Message: `reading the credentials: secrets "credentials" not found`},
		{Cluster: "silent", Source: v1alpha1.CapacitySummary, Message: "it does not answer"},
		{Cluster: "sum", Source: v1alpha1.CapacitySummary},
	}
	if diff := cmp.Diff(want, rooms); diff != "" {
		t.Errorf("rooms (-want +got):\n%s", diff)
	}
	free := map[string]int32{}
	for name, table := range tables {
		free[name], _ = table.Room(oneCore(), 100)
	}
	if diff := cmp.Diff(map[string]int32{"nodes": 4, "silent": 1, "secret": 1, "sum": 1}, free); diff != "" {
		t.Errorf("room (-want +got):\n%s", diff)
	}
	wantText := "from the nodes of nodes; from the summaries of secret, silent, sum; taken as endless in endless"
	if diff := cmp.Diff(wantText, describeRooms(rooms)); diff != "" {
		t.Errorf("describeRooms() (-want +got):\n%s", diff)
	}
}

func TestWhatOneTemplateTakesIsNotThereForTheNext(t *testing.T) {
	berlin := serving("berlin", withFree(5))
	spec := v1alpha1.BindingSpec{
		Replicas:            ptr.To[int32](3),
		ReplicaRequirements: &v1alpha1.ReplicaRequirements{Namespace: "shop", ResourceRequest: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}},
		Clusters:            []v1alpha1.TargetCluster{{Name: "berlin", Replicas: ptr.To[int32](1)}, {Name: "gone", Replicas: ptr.To[int32](1)}},
	}
	parts := v1alpha1.BindingSpec{Components: []v1alpha1.Component{
		{Name: "a", Replicas: 1, ReplicaRequirements: spec.ReplicaRequirements}, {Name: "b", Replicas: 2, ReplicaRequirements: spec.ReplicaRequirements},
	}}
	three := []v1alpha1.TargetCluster{{Name: "berlin", Replicas: ptr.To[int32](3)}, {Name: "endless", Replicas: ptr.To[int32](9)}}
	cases := map[string]struct {
		spec v1alpha1.BindingSpec
		to   []v1alpha1.TargetCluster
		want int32
	}{
		"two more":                     {spec, three, 3},
		"fewer gives nothing back":     {spec, []v1alpha1.TargetCluster{{Name: "berlin", Replicas: ptr.To[int32](0)}}, 5},
		"a whole set of components":    {parts, []v1alpha1.TargetCluster{{Name: "berlin"}}, 2},
		"one that is nowhere any more": {spec, nil, 5},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := fleet{tables: map[string]*capacity.Table{"berlin": capacity.FromSummary(berlin)}}
			s := &subject{spec: tc.spec.DeepCopy()}
			f.take(s, tc.to)
			got, _ := f.tables["berlin"].Room(oneCore(), 100)
			if got != tc.want {
				t.Errorf("there is room for %d, want %d", got, tc.want)
			}
			if diff := cmp.Diff(tc.to, s.spec.Clusters); diff != "" {
				t.Errorf("clusters (-want +got):\n%s", diff)
			}
		})
	}
}
