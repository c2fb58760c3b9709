package capacity

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

func list(pairs ...string) corev1.ResourceList {
	l := corev1.ResourceList{}
	for i := 0; i+1 < len(pairs); i += 2 {
		l[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return l
}

// node is one that is Ready and has room for 10 pods; options change it.
func node(name, cpu, memory string, options ...func(*corev1.Node)) Node {
	n := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"name": name}},
		Status: corev1.NodeStatus{
			Allocatable: list("cpu", cpu, "memory", memory, "pods", "10"),
			Conditions:  []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	}
	for _, option := range options {
		option(n)
	}
	return NewNode(n)
}

func cordoned(n *corev1.Node) { n.Spec.Unschedulable = true }
func notReady(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown }
func tainted(effect corev1.TaintEffect) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: "gpu", Effect: effect}} }
}
func offering(name, amount string) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Status.Allocatable[corev1.ResourceName(name)] = resource.MustParse(amount) }
}

func needing(pairs ...string) *v1alpha1.ReplicaRequirements {
	return &v1alpha1.ReplicaRequirements{Namespace: "shop", ResourceRequest: list(pairs...)}
}

func claiming(r *v1alpha1.ReplicaRequirements, claim v1alpha1.NodeClaim) *v1alpha1.ReplicaRequirements {
	r.NodeClaim = &claim
	return r
}

func quota(hard, used corev1.ResourceList, scopes ...corev1.ScopedResourceSelectorRequirement) Quota {
	q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "q"}, Spec: corev1.ResourceQuotaSpec{Hard: hard}, Status: corev1.ResourceQuotaStatus{Used: used}}
	if len(scopes) > 0 {
		q.Spec.ScopeSelector = &corev1.ScopeSelector{MatchExpressions: scopes}
	}
	return NewQuota(q)
}

func TestRoomCountsWhatFitsNodeByNode(t *testing.T) {
	two := []Node{node("a", "4", "8Gi"), node("b", "4", "8Gi")}
	onA := corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "name", Operator: corev1.NodeSelectorOpIn, Values: []string{"a"}}}}}}
	important := corev1.ScopedResourceSelectorRequirement{ScopeName: corev1.ResourceQuotaScopePriorityClass, Operator: corev1.ScopeSelectorOpIn, Values: []string{"high"}}
	type outcome struct {
		Replicas int32
		Shortage string
	}
	tests := map[string]struct {
		nodes  []Node
		pods   []Pod
		quotas []Quota
		need   *v1alpha1.ReplicaRequirements
		want   outcome
	}{
		"by cpu":                               {two, nil, nil, needing("cpu", "1500m"), outcome{4, "too little cpu"}},
		"by memory":                            {two, nil, nil, needing("cpu", "1", "memory", "5Gi"), outcome{2, "too little memory"}},
		"by pods, without requests":            {two, nil, nil, nil, outcome{20, "too many pods"}},
		"halves of two nodes are no whole":     {two, []Pod{{Class: Compile(needing("cpu", "2")), Node: "a"}, {Class: Compile(needing("cpu", "2")), Node: "b"}}, nil, needing("cpu", "3"), outcome{0, "too little cpu"}},
		"pods that wait come first":            {two, []Pod{{Class: Compile(needing("cpu", "3")), Node: ""}}, nil, needing("cpu", "3"), outcome{1, "too little cpu"}},
		"a pod on a node that is gone is none": {two, []Pod{{Class: Compile(needing("cpu", "3")), Node: "z"}}, nil, needing("cpu", "4"), outcome{2, "too little cpu"}},
		"cordoned nodes have none":             {[]Node{node("a", "4", "8Gi", cordoned), node("b", "4", "8Gi")}, nil, nil, needing("cpu", "4"), outcome{1, "too little cpu"}},
		"nodes that are not Ready have none":   {[]Node{node("a", "4", "8Gi", notReady)}, nil, nil, needing("cpu", "1"), outcome{0, "no node that is Ready and not cordoned"}},
		"without nodes there is none":          {nil, nil, nil, nil, outcome{0, "no node that is Ready and not cordoned"}},
		"a resource that no node has":          {two, nil, nil, needing("example.com/gpu", "1"), outcome{0, "no example.com/gpu"}},
		"a resource that one node has":         {[]Node{two[0], node("g", "4", "8Gi", offering("example.com/gpu", "3"))}, nil, nil, needing("example.com/gpu", "2"), outcome{1, "no example.com/gpu"}},
		"a taint keeps away":                   {[]Node{node("a", "4", "8Gi", tainted(corev1.TaintEffectNoSchedule))}, nil, nil, needing("cpu", "1"), outcome{0, "only nodes with taints that it does not tolerate"}},
		"a taint that only asks does not":      {[]Node{node("a", "4", "8Gi", tainted(corev1.TaintEffectPreferNoSchedule))}, nil, nil, needing("cpu", "1"), outcome{4, "too little cpu"}},
		"a taint that is tolerated": {
			[]Node{node("a", "4", "8Gi", tainted(corev1.TaintEffectNoExecute))}, nil, nil,
			claiming(needing("cpu", "1"), v1alpha1.NodeClaim{Tolerations: []corev1.Toleration{{Key: "gpu", Operator: corev1.TolerationOpExists}}}), outcome{4, "too little cpu"},
		},
		"a node selector":     {two, nil, nil, claiming(needing("cpu", "1"), v1alpha1.NodeClaim{NodeSelector: map[string]string{"name": "b"}}), outcome{4, "no node that matches its node selector and affinity"}},
		"a node affinity":     {two, nil, nil, claiming(needing("cpu", "1"), v1alpha1.NodeClaim{HardNodeAffinity: &onA}), outcome{4, "no node that matches its node selector and affinity"}},
		"a selector of none":  {two, nil, nil, claiming(needing("cpu", "1"), v1alpha1.NodeClaim{NodeSelector: map[string]string{"name": "z"}}), outcome{0, "no node that matches its node selector and affinity"}},
		"a quota of requests": {two, nil, []Quota{quota(list("requests.cpu", "3", "limits.cpu", "1"), list("requests.cpu", "1"))}, needing("cpu", "1"), outcome{2, "the ResourceQuota shop/q, which leaves too little"}},
		"a quota of pods":     {two, nil, []Quota{quota(list("count/pods", "3"), nil)}, needing("cpu", "1"), outcome{3, "the ResourceQuota shop/q, which leaves too little"}},
		"a quota of others":   {two, nil, []Quota{quota(list("pods", "1"), nil, important)}, needing("cpu", "1"), outcome{8, "too little cpu"}},
		"a quota of a priority": {
			two, nil, []Quota{quota(list("pods", "1"), nil, important)},
			&v1alpha1.ReplicaRequirements{Namespace: "shop", PriorityClassName: "high"}, outcome{1, "the ResourceQuota shop/q, which leaves too little"},
		},
		"a quota that is overdrawn": {two, nil, []Quota{quota(list("pods", "1"), list("pods", "4"))}, needing("cpu", "1"), outcome{0, "the ResourceQuota shop/q, which leaves too little"}},
		"a quota counts pods that wait already": {
			two, []Pod{{Class: Compile(&v1alpha1.ReplicaRequirements{Namespace: "shop"})}}, []Quota{quota(list("pods", "3"), list("pods", "1"))},
			&v1alpha1.ReplicaRequirements{Namespace: "shop"}, outcome{2, "the ResourceQuota shop/q, which leaves too little"},
		},
		"pods that wait come first though their quota is used up": {
			two, []Pod{{Class: Compile(needing("cpu", "3"))}}, []Quota{quota(list("pods", "1"), list("pods", "1"))},
			&v1alpha1.ReplicaRequirements{ResourceRequest: list("cpu", "3")}, outcome{1, "too little cpu"},
		},
		"huge requests run not over": {two, nil, nil, needing("cpu", "9223372036854775807", "memory", "8Ei"), outcome{0, "too little cpu"}},
		"requests of 0 are none":     {two, nil, nil, needing("cpu", "0", "memory", "0"), outcome{20, "too many pods"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			replicas, shortage := NewTable(1, tc.nodes, tc.pods, tc.quotas).Room(Compile(tc.need), math.MaxInt32)
			if diff := cmp.Diff(tc.want, outcome{replicas, shortage}); diff != "" {
				t.Errorf("Room() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRoomIsNeverMoreThanTheLimit(t *testing.T) {
	table := NewTable(1, []Node{node("a", "4", "8Gi")}, nil, nil)
	for limit, want := range map[int32]int32{-1: 0, 0: 0, 3: 3, 100: 4} {
		if got, _ := table.Room(Compile(needing("cpu", "1")), limit); got != want {
			t.Errorf("Room(limit %d) = %d, want %d", limit, got, want)
		}
	}
}

func TestRoomFollowsTheSummary(t *testing.T) {
	cluster := func(models []v1alpha1.AllocatableModeling) *v1alpha1.Cluster {
		c := &v1alpha1.Cluster{}
		c.Status.ResourceSummary = &v1alpha1.ResourceSummary{
			Allocatable: list("cpu", "20", "memory", "64Gi", "pods", "110"), Allocated: list("cpu", "6", "pods", "8"), Allocating: list("cpu", "2", "pods", "2"),
			AllocatableModelings: models,
		}
		return c
	}
	tests := map[string]struct {
		cluster *v1alpha1.Cluster
		need    *v1alpha1.ReplicaRequirements
		want    int32
	}{
		"the sums":                            {cluster(nil), needing("cpu", "5"), 2},
		"pods":                                {cluster(nil), nil, 100},
		"nodes of grades, by their least":     {cluster([]v1alpha1.AllocatableModeling{{Grade: 0, Count: 9}, {Grade: 2, Count: 3}}), needing("cpu", "2", "memory", "9Gi"), 3},
		"the sums bound the grades":           {cluster([]v1alpha1.AllocatableModeling{{Grade: 4, Count: 9}}), needing("cpu", "4"), 3},
		"a node that is too small":            {cluster([]v1alpha1.AllocatableModeling{{Grade: 2, Count: 9}}), needing("cpu", "3"), 0},
		"a selector cannot be judged":         {cluster(nil), claiming(needing("cpu", "6"), v1alpha1.NodeClaim{NodeSelector: map[string]string{"a": "b"}}), 2},
		"a resource that nobody offers":       {cluster(nil), needing("example.com/gpu", "1"), 0},
		"no summary is no room":               {&v1alpha1.Cluster{}, nil, 0},
		"a grade that is not known is no one": {cluster([]v1alpha1.AllocatableModeling{{Grade: 77, Count: 9}}), needing("cpu", "1"), 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got, shortage := FromSummary(tc.cluster).Room(Compile(tc.need), math.MaxInt32); got != tc.want {
				t.Errorf("Room() = %d (%s), want %d", got, shortage, tc.want)
			}
		})
	}
}

func TestGradesCountNodesByWhatIsFree(t *testing.T) {
	nodes := []Node{node("a", "4", "64Gi"), node("b", "3", "20Gi"), node("c", "500m", "64Gi"), node("d", "200", "2000Gi"), node("e", "64", "64Gi", cordoned)}
	table := NewTable(1, nodes, []Pod{{Class: Compile(needing("cpu", "2")), Node: "a"}}, nil)
	got := map[int32]int32{}
	for _, g := range table.Grades(Models(nil)) {
		if g.Count > 0 {
			got[g.Grade] = g.Count
		}
	}
	if diff := cmp.Diff(map[int32]int32{0: 1, 2: 2, 8: 1}, got); diff != "" {
		t.Errorf("Grades() (-want +got):\n%s", diff)
	}
}

func TestSetsFitWhole(t *testing.T) {
	table := NewTable(1, []Node{node("a", "4", "8Gi"), node("b", "4", "8Gi")}, nil, nil)
	parts := []Part{{Compile(needing("cpu", "2")), 1}, {Compile(needing("cpu", "1")), 2}}
	if sets, shortage := table.Sets(parts, 10); sets != 2 || shortage != "too little cpu" {
		t.Errorf("Sets() = %d, %q, want 2 and too little cpu", sets, shortage)
	}
	if sets, _ := table.Sets([]Part{{Compile(needing("cpu", "5")), 1}}, 10); sets != 0 {
		t.Errorf("Sets() = %d of a part that fits on no node", sets)
	}
}

// TestPlacingTakesExactlyWhatItPlaces: of the same class, and never room that others did not lose.
func TestPlacingTakesExactlyWhatItPlaces(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 3000 {
		table, class, other := randomTable(random), randomClass(random), randomClass(random)
		before, _ := table.Room(class, math.MaxInt32)
		others, _ := table.Room(other, math.MaxInt32)
		n := random.Int32N(30)
		placed, went := table.Place(class, n)
		after, _ := placed.Room(class, math.MaxInt32)
		if went != min(n, before) || after != before-went {
			t.Fatalf("round %d: of %d replicas %d went where %d fit, and %d fit after", round, n, went, before, after)
		}
		if left, _ := placed.Room(other, math.MaxInt32); left > others {
			t.Fatalf("round %d: placing made room for others: %d, then %d", round, others, left)
		}
		if again, _ := table.Room(class, math.MaxInt32); again != before {
			t.Fatalf("round %d: placing changed the table: %d, then %d", round, before, again)
		}
	}
}

// TestMoreIsNeverLess: asking for less, or another node, never makes the room smaller.
func TestMoreIsNeverLess(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 3000 {
		nodes := randomNodes(random)
		cpu, memory := 100+random.IntN(3000), 100+random.IntN(3000)
		room := func(nodes []Node, cpu, memory int) int32 {
			class := Compile(needing("cpu", fmt.Sprintf("%dm", cpu), "memory", fmt.Sprintf("%dMi", memory)))
			replicas, _ := NewTable(1, nodes, nil, nil).Room(class, math.MaxInt32)
			return replicas
		}
		have := room(nodes, cpu, memory)
		if got := room(nodes, cpu-random.IntN(100), memory-random.IntN(100)); got < have {
			t.Fatalf("round %d: asking for less gives %d instead of %d", round, got, have)
		}
		if got := room(append(nodes, node("extra", "1", "1Gi")), cpu, memory); got < have {
			t.Fatalf("round %d: one more node gives %d instead of %d", round, got, have)
		}
	}
}

func randomNodes(random *rand.Rand) []Node {
	nodes := make([]Node, random.IntN(8))
	for i := range nodes {
		nodes[i] = node(fmt.Sprintf("n%d", i), fmt.Sprintf("%dm", random.IntN(9000)), fmt.Sprintf("%dMi", random.IntN(9000)))
	}
	return nodes
}

func randomTable(random *rand.Rand) *Table {
	if random.IntN(3) == 0 {
		c := &v1alpha1.Cluster{}
		c.Status.ResourceSummary = &v1alpha1.ResourceSummary{Allocatable: list("cpu", fmt.Sprint(random.IntN(60)), "memory", "90Gi", "pods", "80")}
		if random.IntN(2) == 0 {
			c.Status.ResourceSummary.AllocatableModelings = []v1alpha1.AllocatableModeling{{Grade: 1, Count: random.Int32N(9)}, {Grade: 3, Count: random.Int32N(9)}}
		}
		return FromSummary(c)
	}
	var quotas []Quota
	if random.IntN(3) == 0 {
		quotas = append(quotas, quota(list("requests.cpu", fmt.Sprint(random.IntN(20)), "pods", fmt.Sprint(random.IntN(20))), nil))
	}
	return NewTable(1, randomNodes(random), nil, quotas)
}

func randomClass(random *rand.Rand) *Class {
	if random.IntN(6) == 0 {
		return Compile(nil)
	}
	return Compile(needing("cpu", fmt.Sprintf("%dm", random.IntN(2000)), "memory", fmt.Sprintf("%dMi", random.IntN(2000))))
}

func FuzzRoom(f *testing.F) {
	f.Add("1", "1Gi", "4", "8Gi", int32(3))
	f.Add("9223372036854775807", "16Ei", "1m", "0", int32(math.MaxInt32))
	f.Fuzz(func(t *testing.T, cpu, memory, hasCPU, hasMemory string, n int32) {
		quantities := make([]resource.Quantity, 4)
		for i, text := range []string{cpu, memory, hasCPU, hasMemory} {
			q, err := resource.ParseQuantity(text)
			if err != nil {
				t.Skip()
			}
			quantities[i] = q
		}
		class := Compile(&v1alpha1.ReplicaRequirements{ResourceRequest: corev1.ResourceList{"cpu": quantities[0], "memory": quantities[1]}})
		table := NewTable(1, []Node{node("a", "1", "1Gi", func(n *corev1.Node) {
			n.Status.Allocatable[corev1.ResourceCPU], n.Status.Allocatable[corev1.ResourceMemory] = quantities[2], quantities[3]
		})}, nil, nil)
		room, _ := table.Room(class, math.MaxInt32)
		placed, went := table.Place(class, n)
		after, _ := placed.Room(class, math.MaxInt32)
		if room < 0 || went < 0 || after != room-went {
			t.Fatalf("%d fit, %d were placed, %d fit after", room, went, after)
		}
	})
}

func BenchmarkRoom(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		nodes := make([]Node, n)
		for i := range nodes {
			nodes[i] = node(fmt.Sprintf("n%d", i), "16", "64Gi")
		}
		table, class := NewTable(1, nodes, nil, nil), Compile(needing("cpu", "500m", "memory", "1Gi"))
		picky := Compile(claiming(needing("cpu", "500m"), v1alpha1.NodeClaim{NodeSelector: map[string]string{"name": "n3"}}))
		b.Run(fmt.Sprintf("nodes=%d/plain", n), func(b *testing.B) {
			for b.Loop() {
				table.Room(class, math.MaxInt32)
			}
		})
		b.Run(fmt.Sprintf("nodes=%d/selector", n), func(b *testing.B) {
			for b.Loop() {
				table.Room(picky, math.MaxInt32)
			}
		})
		b.Run(fmt.Sprintf("nodes=%d/place", n), func(b *testing.B) {
			for b.Loop() {
				table.Place(class, 10)
			}
		})
	}
}
