package schedule

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Reasons of a Verdict.
const (
	// VerdictSelected: the cluster gets the template.
	VerdictSelected = "Selected"
	// VerdictNoWeight: the cluster fits, but no entry of the staticWeightList selects it.
	VerdictNoWeight = "NoWeight"
	// VerdictNoShare: the cluster fits, but its share of the replicas is 0.
	VerdictNoShare = "NoShare"
	// VerdictDeleting: the Cluster is being deleted.
	VerdictDeleting = "Deleting"
	// VerdictSyncModeNotSupported: the Cluster's syncMode has no effect in this version.
	VerdictSyncModeNotSupported = "SyncModeNotSupported"
	// VerdictAffinityMismatch: the cluster affinity does not select the cluster.
	VerdictAffinityMismatch = "AffinityMismatch"
	// VerdictUntoleratedTaint: the cluster has a taint that no toleration matches.
	VerdictUntoleratedTaint = "UntoleratedTaint"
	// VerdictAPINotEnabled: the cluster does not serve the template's kind.
	VerdictAPINotEnabled = "APINotEnabled"
)

// selectedMessage completes the verdict on a cluster that passed every check.
const selectedMessage = "gets the template"

// check asks one question about a cluster. message completes "The cluster ..." when the answer is no, and is
// empty when it is yes.
type check struct {
	reason string
	ask    func(cluster *v1alpha1.Cluster, existing bool) (message string)
}

// chain is the checks that a cluster must pass, in order. A cluster's verdict is the first check that it fails.
type chain struct {
	checks   []check
	existing map[string]bool // clusters that the binding names already
}

func newChain(binding *v1alpha1.BindingSpec, placement *v1alpha1.Placement) (*chain, error) {
	affinity, err := compileAffinity(placement.ClusterAffinity, "placement.clusterAffinity")
	if err != nil {
		return nil, err
	}
	existing := make(map[string]bool, len(binding.Clusters))
	for _, target := range binding.Clusters {
		existing[target.Name] = true
	}
	return &chain{existing: existing, checks: []check{
		{VerdictDeleting, notDeleting},
		{VerdictSyncModeNotSupported, syncModeSupported},
		{VerdictAffinityMismatch, func(c *v1alpha1.Cluster, _ bool) string {
			if affinity.matches(c) {
				return ""
			}
			return "did not match the affinity"
		}},
		{VerdictUntoleratedTaint, func(c *v1alpha1.Cluster, existing bool) string {
			return taintsTolerated(c, existing, placement.ClusterTolerations)
		}},
		{VerdictAPINotEnabled, apiEnabled(binding.Resource.GroupVersionKind())},
	}}, nil
}

// filter gives a verdict on every cluster, and the indexes of those that pass.
func (c *chain) filter(clusters []*v1alpha1.Cluster) (verdicts []Verdict, fitting []int) {
	verdicts = make([]Verdict, len(clusters))
	fitting = make([]int, 0, len(clusters))
	for i, cluster := range clusters {
		verdicts[i] = c.judge(cluster)
		if verdicts[i].Reason == VerdictSelected {
			fitting = append(fitting, i)
		}
	}
	return verdicts, fitting
}

func (c *chain) judge(cluster *v1alpha1.Cluster) Verdict {
	existing := c.existing[cluster.Name]
	for i := range c.checks {
		if message := c.checks[i].ask(cluster, existing); message != "" {
			return Verdict{Cluster: cluster.Name, Reason: c.checks[i].reason, Message: message}
		}
	}
	return Verdict{Cluster: cluster.Name, Reason: VerdictSelected, Message: selectedMessage}
}

func notDeleting(c *v1alpha1.Cluster, _ bool) string {
	if c.DeletionTimestamp == nil {
		return ""
	}
	return "was being deleted"
}

func syncModeSupported(c *v1alpha1.Cluster, _ bool) string {
	if c.Spec.SyncMode != v1alpha1.Pull {
		return ""
	}
	return "had the syncMode Pull, which is not supported yet"
}

// taintsTolerated: a taint keeps new templates away. What is there already stays, even with NoExecute: leaving
// a cluster because of a taint is the business of eviction.
func taintsTolerated(c *v1alpha1.Cluster, existing bool, tolerations []corev1.Toleration) string {
	if existing {
		return ""
	}
	for i := range c.Spec.Taints {
		taint := &c.Spec.Taints[i]
		if taint.Effect == corev1.TaintEffectPreferNoSchedule {
			continue
		}
		if !slices.ContainsFunc(tolerations, func(t corev1.Toleration) bool { return tolerates(&t, taint) }) {
			return "had an untolerated taint {" + taintText(taint) + "}"
		}
	}
	return ""
}

// tolerates follows the rules of pod tolerations: an empty effect, and an empty key with Exists, match all; an
// empty operator is Equal. (corev1's own method wants a logger.)
func tolerates(t *corev1.Toleration, taint *corev1.Taint) bool {
	switch {
	case t.Effect != "" && t.Effect != taint.Effect, t.Key != "" && t.Key != taint.Key:
		return false
	case t.Operator == corev1.TolerationOpExists:
		return true
	default:
		return (t.Operator == "" || t.Operator == corev1.TolerationOpEqual) && t.Key != "" && t.Value == taint.Value
	}
}

func taintText(taint *corev1.Taint) string {
	if taint.Value == "" {
		return taint.Key + ":" + string(taint.Effect)
	}
	return taint.Key + "=" + taint.Value + ":" + string(taint.Effect)
}

// apiEnabled: a cluster that holds the template already is not asked again, so that a discovery that failed in
// part does not remove what runs.
func apiEnabled(gvk schema.GroupVersionKind) func(*v1alpha1.Cluster, bool) string {
	groupVersion := gvk.GroupVersion().String()
	missing := fmt.Sprintf("did not serve %s %s", groupVersion, gvk.Kind)
	return func(c *v1alpha1.Cluster, existing bool) string {
		if existing || serves(c.Status.APIEnablements, groupVersion, gvk.Kind) {
			return ""
		}
		if len(c.Status.APIEnablements) == 0 {
			return "had not told which APIs it serves"
		}
		return missing
	}
}

func serves(enablements []v1alpha1.APIEnablement, groupVersion, kind string) bool {
	for i := range enablements {
		if enablements[i].GroupVersion != groupVersion {
			continue
		}
		return slices.ContainsFunc(enablements[i].Resources, func(r v1alpha1.APIResource) bool { return r.Kind == kind })
	}
	return false
}

// maxCauses bounds how many different causes a message lists. Every cluster may have a taint of its own.
const maxCauses = 8

// explainNoFit sums the verdicts up in the way of the Kubernetes scheduler: "0/3 clusters fit: 2 did not match
// the affinity, 1 had an untolerated taint {k=v:NoSchedule}". The most frequent cause comes first.
func explainNoFit(verdicts []Verdict) string {
	if len(verdicts) == 0 {
		return "0/0 clusters fit: no cluster has joined"
	}
	counts := map[string]int{}
	for _, v := range verdicts {
		counts[v.Message]++
	}
	causes := make([]string, 0, len(counts))
	for cause := range counts {
		causes = append(causes, cause)
	}
	slices.SortFunc(causes, func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	var text strings.Builder
	fmt.Fprintf(&text, "0/%d clusters fit: ", len(verdicts))
	for i, cause := range causes {
		if i == maxCauses {
			fmt.Fprintf(&text, ", and %d more causes", len(causes)-maxCauses)
			break
		}
		if i > 0 {
			text.WriteString(", ")
		}
		fmt.Fprintf(&text, "%d %s", counts[cause], cause)
	}
	return text.String()
}
