package execution

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/proof"
)

const (
	// recheckTelling is when to look again whether what goes along with a binding has been told. That takes one write as a rule.
	recheckTelling = time.Second
	// tellingTime bounds that wait, from when nothing else holds the binding: dependencies may be unable to write, or may have asked a policy
	// that was changed since. It is ample for a manager that has just taken over and looks at every owner first.
	tellingTime = 2 * time.Minute
)

// hasTold says whether a binding that is being deleted has told what goes along with it to stay, if it is to, or has waited for that for
// too long.
func (r *cleanup) hasTold(ctx context.Context, binding v1alpha1.Binding) (bool, error) {
	key := client.ObjectKeyFromObject(binding)
	if !binding.BindingSpec().PropagateDeps || key.Namespace == "" {
		return true, nil
	}
	along, err := hostindex.Bindings(ctx, r.host, hostindex.ByOwner, hostindex.OwnerValue(key.Namespace, key.Name))
	if err != nil {
		return false, err
	}
	if told, err := proof.Told(ctx, r.live, binding, along); err != nil || told {
		return told, err
	}
	since, _ := r.waiting.LoadOrStore(key, r.clock.Now())
	if first, ok := since.(time.Time); ok && r.clock.Since(first) < tellingTime {
		return false, nil
	}
	log.FromContext(ctx).Info("What goes along with a binding has not been told in time that it is preserved")
	return true, nil
}
