package admission

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What comes last of an installation is read by every manager, also by those that write nothing.
// +kubebuilder:rbac:roleName=flotilla-admission,groups=admissionregistration.k8s.io,resources=validatingadmissionpolicybindings,verbs=get,resourceNames=flotilla-templates-status

const (
	// settle is how long API servers may take to act on a policy that is new: they take policies up in rounds of a second
	// (k8s.io/apiserver/pkg/admission/plugin/policy/generic).
	settle = 2 * time.Second
	// old is the age at which a policy is in force, whatever two machines' clocks say.
	old = time.Minute
)

// Presence tells whether the host acts on the admission policies. Who installs Flotilla, waits until its managers are ready and creates
// templates in the same breath must not see them run on the host.
type Presence struct {
	live  client.Reader
	clock clock.PassiveClock
	last  *metav1.PartialObjectMetadata
	seen  time.Time // when the last of the policies was seen first
}

// presence is that of the policies that an Installer installs. It is for managers that never lead, too.
func (i *Installer) presence() *Presence {
	policy := i.policies[len(i.policies)-1]
	last := &metav1.PartialObjectMetadata{}
	last.SetGroupVersionKind(policy.GroupVersionKind())
	last.SetName(policy.GetName())
	return &Presence{live: i.live, clock: i.clock, last: last}
}

// InForce says whether the policies have been there for long enough. What cannot be read is not there. It must not be called by
// several goroutines at the same time.
func (p *Presence) InForce(ctx context.Context) bool {
	found := p.last.DeepCopy()
	if err := p.live.Get(ctx, client.ObjectKeyFromObject(p.last), found); err != nil {
		p.seen = time.Time{}
		return false
	}
	if p.seen.IsZero() {
		p.seen = p.clock.Now()
	}
	return p.clock.Since(p.seen) >= settle || p.clock.Since(found.CreationTimestamp.Time) >= old
}
