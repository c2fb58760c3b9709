// Package dependencies answers: what has to go along with a template, and where?
//
// It works on one binding with spec.propagateDeps at a time, the owner. It reads the owner, its template, and, from the
// cache of templates, what the interpreter says that the template needs, what these need in turn, and the autoscalers and
// disruption budgets that are for it. It watches the kinds of all that, so that what appears later is found then. In the
// binding of each object found it keeps one entry for the owner in spec.requiredBy, with the clusters that the owner was
// decided for, and those that it has not left yet: what goes along leaves last. The binding is made when there is none, and
// deleted with its last entry when no policy ever governed it; so what several owners share stays until the last one goes.
//
// Only what was decided for an owner counts, never where it goes because others require it: templates that require each
// other would hold each other for ever.
//
// Field owner: flotilla-dependencies, of spec.requiredBy. A new binding's spec.resource and finalizer are written along with
// it; everything else about a binding is propagation's. Templates are never written.
package dependencies
