package v1alpha1

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestOnlyTaintsThatTheManagerAppliedAreItsOwn(t *testing.T) {
	entry := func(manager string, operation metav1.ManagedFieldsOperationType, subresource, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Operation: operation, Subresource: subresource, FieldsV1: metav1.NewFieldsV1(fields)}
	}
	const two = `{"f:spec":{"f:taints":{"k:{\"effect\":\"NoSchedule\",\"key\":\"a\"}":{".":{},"f:effect":{},"f:key":{}},"k:{\"effect\":\"NoExecute\",\"key\":\"b\"}":{}}}}`
	const other = `{"f:spec":{"f:region":{},"f:taints":{".":{},"k:{\"effect\":\"NoSchedule\",\"key\":\"c\"}":{}}}}`
	cluster := Cluster{ObjectMeta: metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{
		entry(TaintingManager, metav1.ManagedFieldsOperationApply, "", two),
		entry(TaintingManager, metav1.ManagedFieldsOperationApply, "status", other),
		entry(TaintingManager, metav1.ManagedFieldsOperationUpdate, "", other),
		entry("them", metav1.ManagedFieldsOperationApply, "", other),
		{Manager: TaintingManager, Operation: metav1.ManagedFieldsOperationApply},
	}}}
	want := map[TaintKey]bool{{"a", corev1.TaintEffectNoSchedule}: true, {"b", corev1.TaintEffectNoExecute}: true}
	if diff := cmp.Diff(want, cluster.OwnTaints()); diff != "" {
		t.Errorf("OwnTaints() (-want +got):\n%s", diff)
	}
}

func TestAClusterIsGivenUpByTheManagerAlone(t *testing.T) {
	for name, tc := range map[string]struct {
		key    string
		effect corev1.TaintEffect
		own    bool
		want   bool
	}{
		"silent":                {UnreachableTaint, corev1.TaintEffectNoExecute, true, true},
		"not healthy":           {NotReadyTaint, corev1.TaintEffectNoExecute, true, true},
		"a user says so":        {UnreachableTaint, corev1.TaintEffectNoExecute, false, false},
		"for the scheduler":     {UnreachableTaint, corev1.TaintEffectNoSchedule, true, false},
		"for what a policy saw": {"example.com/broken", corev1.TaintEffectNoExecute, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := Cluster{Spec: ClusterSpec{Taints: []corev1.Taint{{Key: tc.key, Effect: tc.effect}}}}
			own := map[TaintKey]bool{}
			if tc.own {
				own[TaintKey{tc.key, tc.effect}] = true
			}
			if got := cluster.GivenUp(own); got != tc.want {
				t.Errorf("GivenUp() = %t, want %t", got, tc.want)
			}
		})
	}
}
