package capacity

import (
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Node is a member's node, as far as it matters for room.
type Node struct {
	identity *corev1.Node // name and labels only, as affinities want it; never changed
	taints   []corev1.Taint
	usable   bool
	free     amounts
}

// NewNode reads a node. One that is not Ready, is cordoned or is going has no room. Taints that only ask to be avoided
// do not count.
func NewNode(n *corev1.Node) Node {
	node := Node{
		identity: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: n.Labels}},
		usable:   n.DeletionTimestamp == nil && !n.Spec.Unschedulable && ready(n),
		free:     amountsOf(n.Status.Allocatable),
	}
	for _, taint := range n.Spec.Taints {
		if taint.Effect != corev1.TaintEffectPreferNoSchedule {
			node.taints = append(node.taints, taint)
		}
	}
	return node
}

func ready(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// Pod is a member's pod that has not ended: what it needs, and where it is.
type Pod struct {
	// Class is what it needs.
	Class *Class
	// Node is where it runs; empty while it waits for a node.
	Node string
	// Workload is what made it, as WorkloadKey says; empty when nobody did.
	Workload string
}

// LivingPods is a field selector for the pods that hold room, or will: those that have not ended.
const LivingPods = "status.phase!=Succeeded,status.phase!=Failed"

// WorkloadKey names a workload in a member.
func WorkloadKey(namespace, kind, name string) string { return namespace + "/" + kind + "/" + name }

// Table is what is free in a member at one moment. It is not changed once it is made.
type Table struct {
	version uint64
	nodes   []Node
	quotas  []Quota
	// total, when set, bounds the sum over all nodes, because the nodes are guessed.
	total *amounts
	// blind says that nothing is known of the nodes' labels and taints.
	blind bool
	// workloads counts the pods of each workload; nil when pods are not known.
	workloads map[string]int32
}

// NewTable adds up a member. Pods that wait for a node are placed first: they come before anything new. version tells
// tables of one member apart.
func NewTable(version uint64, nodes []Node, pods []Pod, quotas []Quota) *Table {
	t := &Table{version: version, workloads: map[string]int32{}}
	index := make(map[string]int, len(nodes))
	for _, n := range nodes {
		if n.usable {
			index[n.identity.Name] = len(t.nodes)
			t.nodes = append(t.nodes, n)
		}
	}
	slices.SortFunc(t.nodes, func(a, b Node) int { return strings.Compare(a.identity.Name, b.identity.Name) })
	for i := range t.nodes {
		index[t.nodes[i].identity.Name] = i
	}
	type queue struct {
		class *Class
		pods  int32
	}
	waiting := map[string]*queue{}
	for _, pod := range pods {
		if pod.Workload != "" {
			t.workloads[pod.Workload]++
		}
		if pod.Node == "" {
			key := pod.Class.key
			if waiting[key] == nil {
				waiting[key] = &queue{class: pod.Class}
			}
			waiting[key].pods++
			continue
		}
		if i, usable := index[pod.Node]; usable {
			t.nodes[i].free = t.nodes[i].free.minus(&pod.Class.need, 1)
		}
	}
	keys := make([]string, 0, len(waiting))
	for key := range waiting {
		keys = append(keys, key)
	}
	slices.Sort(keys) // so that equal members give equal tables
	for _, key := range keys {
		t.seat(waiting[key].class, waiting[key].pods)
	}
	t.quotas = quotas // only now: a quota's used counts the pods that wait already
	return t
}

// Version tells tables of one member apart.
func (t *Table) Version() uint64 { return t.version }

// Pods is how many pods of a workload are in the table, on nodes or waiting for one; false when pods are not known.
func (t *Table) Pods(workload string) (int32, bool) { return t.workloads[workload], t.workloads != nil }

// Room is how many more replicas of a class fit, at most limit, and what one more would lack first: it completes "The
// cluster had ...".
func (t *Table) Room(c *Class, limit int32) (replicas int32, shortage string) {
	total := int64(0)
	causes := map[string]int{}
	for i := range t.nodes {
		fits, cause := t.fits(c, &t.nodes[i])
		causes[cause]++
		total = min(total+fits, math.MaxInt32)
	}
	if len(t.nodes) == 0 {
		return 0, "no node that is Ready and not cordoned"
	}
	shortage = frequent(causes)
	if t.total != nil {
		if times, short := t.total.times(&c.need, math.MaxInt32); times < total {
			total, shortage = times, tooLittle(t.total, short)
		}
	}
	if left, cause := t.quota(c); left < total {
		total, shortage = left, cause
	}
	return int32(min(total, int64(max(limit, 0)))), shortage
}

// fits is how many replicas fit on a node, and what one more would lack.
func (t *Table) fits(c *Class, n *Node) (int64, string) {
	if !t.blind {
		if cause := c.refusal(n); cause != "" {
			return 0, cause
		}
	}
	times, short := n.free.times(&c.need, math.MaxInt32)
	return times, tooLittle(&n.free, short)
}

func tooLittle(free *amounts, short corev1.ResourceName) string {
	switch short {
	case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		return "too little " + string(short)
	case corev1.ResourcePods:
		return "too many pods"
	}
	if _, some := free.of(short); !some {
		return "no " + string(short)
	}
	return "too little " + string(short)
}

// frequent is the cause of most nodes, the first of equals by name.
func frequent(causes map[string]int) (most string) {
	for cause, count := range causes {
		if best := causes[most]; count > best || count == best && (most == "" || cause < most) {
			most = cause
		}
	}
	return most
}

// Place is the table with n more replicas of a class, and how many of them found room.
func (t *Table) Place(c *Class, n int32) (*Table, int32) {
	placed := &Table{version: t.version, nodes: slices.Clone(t.nodes), quotas: slices.Clone(t.quotas), blind: t.blind, workloads: t.workloads}
	if t.total != nil {
		total := *t.total
		placed.total = &total
	}
	return placed, placed.seat(c, n)
}

// seat puts replicas onto nodes, onto each in proportion to what it could take: a scheduler evens nodes out. It
// changes the table, so it is only for one that nobody has seen.
func (t *Table) seat(c *Class, n int32) int32 {
	room, _ := t.Room(c, n)
	fits, sum := make([]int64, len(t.nodes)), int64(0)
	for i := range t.nodes {
		fits[i], _ = t.fits(c, &t.nodes[i])
		fits[i] = min(fits[i], int64(room))
		sum += fits[i]
	}
	left := int64(room)
	for i := range t.nodes {
		if left == 0 || sum == 0 {
			break
		}
		// Rounding up leaves less for the later ones, and never too little: left <= sum always holds.
		seats := min(fits[i], (left*fits[i]+sum-1)/sum)
		t.nodes[i].free = t.nodes[i].free.minus(&c.need, seats)
		left, sum = left-seats, sum-fits[i]
	}
	if t.total != nil {
		*t.total = t.total.minus(&c.need, int64(room)-left)
	}
	for i := range t.quotas {
		if t.quotas[i].counts(c) {
			t.quotas[i].left = t.quotas[i].left.minus(&c.need, int64(room)-left)
		}
	}
	return room - int32(left)
}

// Part is one part of a workload with several.
type Part struct {
	// Class is what one replica of the part needs.
	Class *Class
	// Replicas of the part in one set; 0 or more.
	Replicas int32
}

// PartsOf are the parts of a workload with several; nil for any other.
func PartsOf(spec *v1alpha1.BindingSpec) []Part {
	if len(spec.Components) <= 1 {
		return nil
	}
	parts := make([]Part, len(spec.Components))
	for i, c := range spec.Components {
		parts[i] = Part{Class: Compile(c.ReplicaRequirements), Replicas: c.Replicas}
	}
	return parts
}

// MaxSets is how many sets of a workload's parts are worth counting: a decision places one, and more than a few only tell
// large clusters apart.
const MaxSets = 16

// Sets is how many whole sets of parts fit, at most limit, and what one more would lack first.
func (t *Table) Sets(parts []Part, limit int32) (sets int32, shortage string) {
	fit := func(n int32) (bool, string) {
		table := t
		for _, part := range parts {
			wanted := int64(part.Replicas) * int64(n)
			if wanted > math.MaxInt32 {
				return false, "too little room for so many replicas"
			}
			var placed int32
			before := table
			if table, placed = table.Place(part.Class, int32(wanted)); int64(placed) < wanted {
				_, shortage := before.Room(part.Class, int32(wanted))
				return false, shortage
			}
		}
		return true, ""
	}
	low, high := int32(0), max(limit, 0) // low sets fit
	for low < high {
		middle := low + (high-low+1)/2
		fits, cause := fit(middle)
		if fits {
			low = middle
			continue
		}
		high, shortage = middle-1, cause
	}
	return low, shortage
}
