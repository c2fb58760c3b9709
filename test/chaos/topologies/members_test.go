package topologies

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/expect"
)

// memberLatency is added to each answer of the slow member.
const memberLatency = 300 * time.Millisecond

// says waits until the Cluster's condition Ready is so.
func (s *scene) says(t *testing.T, name string, status metav1.ConditionStatus, reason, message string) {
	t.Helper()
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}}
	expect.Seen(t, s.fleet.Host, cluster, func(c *v1alpha1.Cluster) error {
		return expect.HasCondition(c.Status.Conditions, v1alpha1.ConditionReady, status, reason, message)
	})
}

func (s *scene) memberIsSlow(t *testing.T) {
	start, from := time.Now(), s.numbered
	do(t, s.fleet.Slow(t.Context(), "member1", memberLatency))
	undo(t, s.fleet.Heal, "member1")
	begin := time.Now()
	created := s.add(t)
	s.arrived(t, created, s.fleet.Member("member2"))
	quick := time.Since(begin)
	s.arrived(t, created, s.fleet.Member("member1"))
	t.Logf("%s more for each answer of member1: it has a new template after %s, member2 after %s", memberLatency,
		time.Since(begin).Round(10*time.Millisecond), quick.Round(10*time.Millisecond))
	s.says(t, "member1", metav1.ConditionTrue, v1alpha1.ReasonClusterReady, "")
	do(t, s.fleet.Heal(t.Context(), "member1"))
	s.untouched(t, start, from, s.fleet.Members...)
}

func (s *scene) memberIsFull(t *testing.T) {
	start, from := time.Now(), s.numbered
	do(t, s.fleet.Fill(t.Context(), "member1"))
	undo(t, s.fleet.Free, "member1")
	created := s.add(t)
	s.arrived(t, created, s.fleet.Member("member2"))
	expect.Seen(t, s.fleet.Host, expect.Binding(created),
		expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonApplyFailed, "database space exceeded"))
	do(t, s.fleet.Free(t.Context(), "member1"))
	begin := time.Now()
	s.arrived(t, created, s.fleet.Member("member1"))
	t.Logf("member1 has room again: it has what it refused after %s", time.Since(begin).Round(10*time.Millisecond))
	s.untouched(t, start, from, s.fleet.Members...)
}

func (s *scene) memberExpires(t *testing.T) {
	start, from := time.Now(), s.numbered
	do(t, s.fleet.Expire(t.Context(), "member1"))
	undo(t, s.fleet.Renew, "member1")
	s.says(t, "member1", metav1.ConditionFalse, v1alpha1.ReasonCertificateExpired, "certificate")
	t.Logf("the certificate of member1 has expired: its Cluster says so after %s", time.Since(start).Round(100*time.Millisecond))
	created := s.add(t)
	s.arrived(t, created, s.fleet.Member("member2"))
	expect.Seen(t, s.fleet.Host, expect.Binding(created),
		expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonMemberUnreachable, "member1"))
	// Its workload runs on, as far as anybody knows: to run it twice would help nobody.
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "member1"}}
	expect.Seen(t, s.fleet.Host, cluster, func(c *v1alpha1.Cluster) error {
		return expect.HasCondition(c.Status.Conditions, v1alpha1.ConditionTainted, metav1.ConditionTrue, v1alpha1.ReasonStaysInUse, "")
	})
	s.untouched(t, start, from, s.fleet.Members...)
	// To be renewed the API server starts anew: an outage that may last longer than the delays of this fleet.
	s.tolerates(t, corev1.Toleration{Operator: corev1.TolerationOpExists})
	do(t, s.fleet.Renew(t.Context(), "member1"))
	begin := time.Now()
	s.says(t, "member1", metav1.ConditionTrue, v1alpha1.ReasonClusterReady, "")
	s.arrived(t, created, s.fleet.Member("member1"))
	t.Logf("it is renewed: after %s member1 is ready and has what it missed", time.Since(begin).Round(100*time.Millisecond))
	s.tolerates(t)
	s.untouched(t, start, from, s.fleet.Members...)
	s.runs(t, map[string]int32{"member1": 2, "member2": 2})
}

// tolerates sets what the Deployment's policy tolerates.
func (s *scene) tolerates(t *testing.T, tolerations ...corev1.Toleration) {
	t.Helper()
	policy := &v1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "web"}}
	expect.Change(t, s.fleet.Host, policy, func(p *v1alpha1.PropagationPolicy) { p.Spec.Placement.ClusterTolerations = tolerations })
	expect.Seen(t, s.fleet.Host, expect.Binding(s.web), func(b v1alpha1.Binding) error {
		if got := b.BindingSpec().Placement.ClusterTolerations; len(got) != len(tolerations) {
			return fmt.Errorf("it tolerates %v", got)
		}
		return nil
	})
}
