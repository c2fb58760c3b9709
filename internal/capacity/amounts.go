package capacity

import (
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// amounts are quantities of resources: CPU in thousandths, everything else in its base unit.
type amounts struct {
	cpu, memory, storage, pods int64
	other                      []amount // by name
}

// amount is a quantity of a resource that few clusters have.
type amount struct {
	name  corev1.ResourceName
	value int64
}

// amountsOf reads a list. Negative and unbounded quantities count as 0 and as the largest number.
func amountsOf(list corev1.ResourceList) amounts {
	var a amounts
	for name, quantity := range list {
		switch name {
		case corev1.ResourceCPU:
			a.cpu = thousandths(quantity)
		case corev1.ResourceMemory:
			a.memory = whole(quantity)
		case corev1.ResourceEphemeralStorage:
			a.storage = whole(quantity)
		case corev1.ResourcePods:
			a.pods = whole(quantity)
		default:
			a.other = append(a.other, amount{name, whole(quantity)})
		}
	}
	slices.SortFunc(a.other, func(x, y amount) int { return strings.Compare(string(x.name), string(y.name)) })
	return a
}

func whole(q resource.Quantity) int64 { return max(q.Value(), 0) }

func thousandths(q resource.Quantity) int64 {
	if q.Value() > math.MaxInt64/1000 {
		return math.MaxInt64
	}
	return max(q.MilliValue(), 0)
}

// of is the quantity of a resource that is none of the four; false when there is none of it at all.
func (a *amounts) of(name corev1.ResourceName) (int64, bool) {
	for i := range a.other {
		if a.other[i].name == name {
			return a.other[i].value, true
		}
	}
	return 0, false
}

// minus takes n times b away; what is not there stays at 0.
func (a amounts) minus(b *amounts, n int64) amounts {
	a.cpu, a.memory = less(a.cpu, b.cpu, n), less(a.memory, b.memory, n)
	a.storage, a.pods = less(a.storage, b.storage, n), less(a.pods, b.pods, n)
	if len(b.other) == 0 {
		return a
	}
	a.other = slices.Clone(a.other)
	for i := range a.other {
		if taken, some := b.of(a.other[i].name); some {
			a.other[i].value = less(a.other[i].value, taken, n)
		}
	}
	return a
}

func less(a, b, n int64) int64 {
	if b > 0 && n > math.MaxInt64/b {
		return 0
	}
	return max(a-b*n, 0)
}

// times says how often need fits, at most limit times, and what one more time would lack first.
func (a *amounts) times(need *amounts, limit int64) (times int64, short corev1.ResourceName) {
	times = limit
	look := func(have, want int64, name corev1.ResourceName) {
		if want > 0 && have/want < times {
			times, short = have/want, name
		}
	}
	look(a.cpu, need.cpu, corev1.ResourceCPU)
	look(a.memory, need.memory, corev1.ResourceMemory)
	look(a.pods, need.pods, corev1.ResourcePods)
	look(a.storage, need.storage, corev1.ResourceEphemeralStorage)
	for i := range need.other {
		have, _ := a.of(need.other[i].name)
		look(have, need.other[i].value, need.other[i].name)
	}
	return times, short
}
