package manager

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/controllers/interpretation"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
)

// setupInterpretation teaches the interpreter before anything asks it, and lets everything be looked at again whose
// meaning changes later.
func setupInterpretation(ctx context.Context, mgr ctrl.Manager, p parts) error {
	if err := interpretation.Setup(ctx, mgr, interpretation.Options{Interpreter: p.interpreter}); err != nil {
		return err
	}
	p.interpreter.OnChange(func(changed []v1alpha1.InterpreterTarget) {
		concerns := func(gvk schema.GroupVersionKind) bool {
			return slices.ContainsFunc(changed, func(t v1alpha1.InterpreterTarget) bool { return t.Covers(gvk) })
		}
		for _, gvk := range p.templates.Kinds() {
			if concerns(gvk) {
				p.templates.Remind(gvk)
			}
		}
		p.pool.Renew(concerns)
		remind(ctx, mgr.GetClient(), p, concerns)
	})
	return nil
}

// remind lets the statuses of templates be added up again.
func remind(ctx context.Context, host client.Reader, p parts, concerns func(schema.GroupVersionKind) bool) {
	bindings, err := hostindex.AllBindings(ctx, host)
	if err != nil {
		log.FromContext(ctx).Error(err, "Cannot add up the statuses of kinds again whose meaning changed")
		return
	}
	for _, binding := range bindings {
		if concerns(binding.BindingSpec().Resource.GroupVersionKind()) {
			p.board.Remind(client.ObjectKeyFromObject(binding))
		}
	}
}
