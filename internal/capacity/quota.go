package capacity

import (
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Quota is what a ResourceQuota of a member leaves to the pods that it counts.
type Quota struct {
	namespace string
	name      string
	scopes    []corev1.ScopedResourceSelectorRequirement
	bounded   []corev1.ResourceName // the resources that it bounds
	left      amounts
}

// NewQuota reads a ResourceQuota. Only what it says about requests and the number of pods counts: the limits of
// containers are not known when a template is placed.
func NewQuota(q *corev1.ResourceQuota) Quota {
	quota := Quota{namespace: q.Namespace, name: q.Name}
	for _, scope := range q.Spec.Scopes {
		quota.scopes = append(quota.scopes, corev1.ScopedResourceSelectorRequirement{ScopeName: scope, Operator: corev1.ScopeSelectorOpExists})
	}
	if q.Spec.ScopeSelector != nil {
		quota.scopes = append(quota.scopes, q.Spec.ScopeSelector.MatchExpressions...)
	}
	left := corev1.ResourceList{}
	for name, hard := range q.Spec.Hard {
		resource, counts := boundedResource(name)
		if !counts {
			continue
		}
		remaining := hard.DeepCopy()
		if used, found := q.Status.Used[name]; found {
			remaining.Sub(used)
		}
		if before, twice := left[resource]; twice && before.Cmp(remaining) < 0 {
			remaining = before // "cpu" and "requests.cpu" are the same
		}
		left[resource] = remaining
	}
	for name := range left {
		quota.bounded = append(quota.bounded, name)
	}
	slices.Sort(quota.bounded)
	quota.left = amountsOf(left)
	return quota
}

// boundedResource is what an entry of a quota bounds.
func boundedResource(name corev1.ResourceName) (corev1.ResourceName, bool) {
	switch name {
	case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage, corev1.ResourcePods:
		return name, true
	case "count/pods":
		return corev1.ResourcePods, true
	}
	resource, requests := strings.CutPrefix(string(name), corev1.DefaultResourceRequestsPrefix)
	if !requests || strings.Contains(resource, "storageclass") || resource == string(corev1.ResourceStorage) {
		return "", false
	}
	return corev1.ResourceName(resource), true
}

// counts says whether a quota counts the pods of a class. A scope that only the pod itself could tell counts it, so
// that too little is placed rather than too much; but for Terminating, which is for few.
func (q *Quota) counts(c *Class) bool {
	if q.namespace != c.namespace {
		return false
	}
	return !slices.ContainsFunc(q.scopes, func(s corev1.ScopedResourceSelectorRequirement) bool { return !inScope(s, c) })
}

func inScope(s corev1.ScopedResourceSelectorRequirement, c *Class) bool {
	bestEffort := c.need.cpu == 0 && c.need.memory == 0
	switch s.ScopeName {
	case corev1.ResourceQuotaScopeBestEffort:
		return bestEffort
	case corev1.ResourceQuotaScopeNotBestEffort:
		return !bestEffort
	case corev1.ResourceQuotaScopeTerminating, corev1.ResourceQuotaScopeCrossNamespacePodAffinity:
		return false
	case corev1.ResourceQuotaScopePriorityClass:
		switch s.Operator {
		case corev1.ScopeSelectorOpIn:
			return slices.Contains(s.Values, c.priorityClass)
		case corev1.ScopeSelectorOpNotIn:
			return !slices.Contains(s.Values, c.priorityClass)
		case corev1.ScopeSelectorOpDoesNotExist:
			return c.priorityClass == ""
		default:
			return c.priorityClass != ""
		}
	}
	return true
}

// quota is how many replicas the quotas leave, and which one is short.
func (t *Table) quota(c *Class) (left int64, shortage string) {
	left = math.MaxInt32
	for i := range t.quotas {
		q := &t.quotas[i]
		if !q.counts(c) {
			continue
		}
		need := c.need.only(q.bounded)
		if times, _ := q.left.times(&need, left); times < left {
			left, shortage = times, "the ResourceQuota "+q.namespace+"/"+q.name+", which leaves too little"
		}
	}
	return left, shortage
}

// only is the amounts of certain resources.
func (a *amounts) only(names []corev1.ResourceName) amounts {
	var part amounts
	for _, name := range names {
		switch name {
		case corev1.ResourceCPU:
			part.cpu = a.cpu
		case corev1.ResourceMemory:
			part.memory = a.memory
		case corev1.ResourceEphemeralStorage:
			part.storage = a.storage
		case corev1.ResourcePods:
			part.pods = a.pods
		default:
			if value, some := a.of(name); some {
				part.other = append(part.other, amount{name, value})
			}
		}
	}
	return part
}
