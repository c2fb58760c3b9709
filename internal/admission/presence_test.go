package admission

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

func TestPoliciesAreInForceAMomentAfterTheLastOfThemIsThere(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	last := func(created time.Time) *admissionregistrationv1.ValidatingAdmissionPolicyBinding {
		return &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "flotilla-templates-status", CreationTimestamp: metav1.Time{Time: created}},
		}
	}
	for name, tc := range map[string]struct {
		created time.Time // zero for never
		want    []bool    // every second, from the start on
	}{
		"a host that has none":              {time.Time{}, []bool{false, false, false, false}},
		"they are new":                      {start, []bool{false, false, true, true}},
		"they are new, the clock is behind": {start.Add(time.Hour), []bool{false, false, true, true}},
		"they have been there before":       {start.Add(-time.Hour), []bool{true, true, true, true}},
	} {
		t.Run(name, func(t *testing.T) {
			host := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme)
			if !tc.created.IsZero() {
				host.WithObjects(last(tc.created))
			}
			c := clocktesting.NewFakeClock(start)
			live := host.Build()
			installer, err := newInstaller(live, live, c)
			if err != nil {
				t.Fatal(err)
			}
			presence := installer.presence()
			var got []bool
			for i := range tc.want {
				c.SetTime(start.Add(time.Duration(i) * time.Second))
				got = append(got, presence.InForce(t.Context()))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("InForce() (-want +got):\n%s", diff)
			}
		})
	}
}
