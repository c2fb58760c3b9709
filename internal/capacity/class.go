package capacity

import (
	"encoding/json"
	"hash/fnv"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/toleration"
)

// Class is what one replica needs, made ready to be asked about many nodes. Replicas of one class are alike.
type Class struct {
	key           string
	need          amounts
	placed        nodeaffinity.RequiredNodeAffinity
	picky         bool // asks for certain nodes
	tolerations   []corev1.Toleration
	namespace     string
	priorityClass string
}

// Compile makes requirements ready. Without any, a replica needs a pod's place and nothing else. A node affinity that
// cannot be understood matches no node.
func Compile(r *v1alpha1.ReplicaRequirements) *Class {
	if r == nil {
		r = &v1alpha1.ReplicaRequirements{}
	}
	c := &Class{key: keyOf(r), need: amountsOf(r.ResourceRequest), namespace: r.Namespace, priorityClass: r.PriorityClassName}
	c.need.pods = max(c.need.pods, 1)
	if claim := r.NodeClaim; claim != nil {
		c.tolerations = claim.Tolerations
		c.picky = len(claim.NodeSelector) > 0 || claim.HardNodeAffinity != nil
		pod := &corev1.Pod{Spec: corev1.PodSpec{NodeSelector: claim.NodeSelector}}
		if claim.HardNodeAffinity != nil {
			pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: claim.HardNodeAffinity}}
		}
		c.placed = nodeaffinity.GetRequiredNodeAffinity(pod)
	}
	return c
}

// Key is equal for equal requirements.
func (c *Class) Key() string { return c.key }

func keyOf(r *v1alpha1.ReplicaRequirements) string {
	text, err := json.Marshal(r)
	if err != nil { // API types always can be
		return ""
	}
	hash := fnv.New64a()
	_, _ = hash.Write(text)
	return strconv.FormatUint(hash.Sum64(), 36)
}

// refusal says why a node takes no replica, whatever is free on it; empty when it may.
func (c *Class) refusal(n *Node) string {
	if c.picky {
		matches, err := c.placed.Match(n.identity)
		if err != nil || !matches {
			return "no node that matches its node selector and affinity"
		}
	}
	for i := range n.taints {
		if !toleration.Tolerated(&n.taints[i], c.tolerations) {
			return "only nodes with taints that it does not tolerate"
		}
	}
	return ""
}
