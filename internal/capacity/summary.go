package capacity

import (
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// podsPerNode is how many pods a node of a grade is taken to hold: the kubelet's default for maxPods.
const podsPerNode = 110

// FromSummary guesses a table from a Cluster's status.resourceSummary. With a count of nodes per grade, each node is taken
// to have the least that its grade says, and the sums bound all of them; without, one node has all that is free. Labels
// and taints of nodes are not known, and quotas neither. Without a summary there is no room.
func FromSummary(cluster *v1alpha1.Cluster) *Table {
	t := &Table{blind: true}
	summary := cluster.Status.ResourceSummary
	if summary == nil {
		return t
	}
	free := amountsOf(summary.Allocatable)
	for _, used := range []corev1.ResourceList{summary.Allocated, summary.Allocating} {
		taken := amountsOf(used)
		free = free.minus(&taken, 1)
	}
	if len(summary.AllocatableModelings) == 0 {
		t.nodes = []Node{{usable: true, free: free}}
		return t
	}
	t.total = &free
	models := Models(cluster.Spec.ResourceModels)
	for _, counted := range summary.AllocatableModelings {
		index := slices.IndexFunc(models, func(m v1alpha1.ResourceModel) bool { return m.Grade == counted.Grade })
		if index < 0 || counted.Count <= 0 {
			continue
		}
		node := Node{usable: true, free: least(&models[index], &free)}
		t.nodes = append(t.nodes, slices.Repeat([]Node{node}, int(min(counted.Count, maxGuessed)))...)
	}
	return t
}

// maxGuessed bounds how many nodes of one grade are guessed, more than Kubernetes supports in a cluster.
const maxGuessed = 20000

// least is what a node of a grade has at least. Resources that the grade does not speak of are only bounded by the sums.
func least(m *v1alpha1.ResourceModel, total *amounts) amounts {
	minimum := corev1.ResourceList{}
	for _, r := range m.Ranges {
		minimum[r.Name] = r.Min
	}
	a := amountsOf(minimum)
	a.pods = podsPerNode
	for name, pair := range map[corev1.ResourceName][2]*int64{
		corev1.ResourceCPU: {&a.cpu, &total.cpu}, corev1.ResourceMemory: {&a.memory, &total.memory}, corev1.ResourceEphemeralStorage: {&a.storage, &total.storage},
	} {
		if _, modelled := minimum[name]; !modelled {
			*pair[0] = *pair[1]
		}
	}
	for _, other := range total.other {
		if _, modelled := minimum[other.name]; !modelled {
			a.other = append(a.other, other)
		}
	}
	return a
}

// Models are a Cluster's resource models, or the default ones: nine grades of CPU and memory, the ones that users of
// Karmada know (cpu 0-1-2-4-8-16-32-64-128 cores, memory 0-4-16-32-64-128-256-512-1024 GiB).
func Models(models []v1alpha1.ResourceModel) []v1alpha1.ResourceModel {
	if len(models) > 0 {
		return models
	}
	cores := []int64{0, 1, 2, 4, 8, 16, 32, 64, 128, math.MaxInt64}
	gibibytes := []int64{0, 4, 16, 32, 64, 128, 256, 512, 1024, math.MaxInt64}
	defaults := make([]v1alpha1.ResourceModel, len(cores)-1)
	for i := range defaults {
		defaults[i] = v1alpha1.ResourceModel{Grade: int32(i), Ranges: []v1alpha1.ResourceModelRange{
			{Name: corev1.ResourceCPU, Min: *resource.NewQuantity(cores[i], resource.DecimalSI), Max: *resource.NewQuantity(cores[i+1], resource.DecimalSI)},
			{Name: corev1.ResourceMemory, Min: gibi(gibibytes[i]), Max: gibi(gibibytes[i+1])},
		}}
	}
	return defaults
}

func gibi(n int64) resource.Quantity {
	if n == math.MaxInt64 {
		return *resource.NewQuantity(n, resource.BinarySI)
	}
	return *resource.NewQuantity(n<<30, resource.BinarySI)
}

// Grades counts the usable nodes of a table by what is free on them: a node is of the highest grade of which it has the
// minimum of every resource.
func (t *Table) Grades(models []v1alpha1.ResourceModel) []v1alpha1.AllocatableModeling {
	models = slices.Clone(models)
	slices.SortFunc(models, func(a, b v1alpha1.ResourceModel) int { return int(a.Grade) - int(b.Grade) })
	minimums := make([]amounts, len(models))
	for i := range models {
		list := corev1.ResourceList{}
		for _, r := range models[i].Ranges {
			list[r.Name] = r.Min
		}
		minimums[i] = amountsOf(list)
	}
	counts := make([]v1alpha1.AllocatableModeling, len(models))
	for i := range models {
		counts[i].Grade = models[i].Grade
	}
	for i := range t.nodes {
		for grade := len(models) - 1; grade >= 0; grade-- {
			if times, _ := t.nodes[i].free.times(&minimums[grade], 1); times == 1 {
				counts[grade].Count++
				break
			}
		}
	}
	return counts
}
