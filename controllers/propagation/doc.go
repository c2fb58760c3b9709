// Package propagation answers: which templates have a binding, and does it say what template and policy ask?
//
// It is three controllers. "propagation" works on one template at a time: it finds the policy that governs it
// (package policymatch) and server-side applies the binding's spec, except what scheduling, eviction, rebalance
// and dependencies own, together with the finalizer and the owner reference to the template: one request per
// new template. When the template is gone, which a live read must confirm, it deletes the binding.
// "propagation-kinds" keeps a watch on exactly the kinds that some policy, binding or dependency names, on standby
// managers too. "propagation-policies" writes policies' status (condition Ready, number of bindings).
//
// Field owner: flotilla-propagation. It also owns a binding's condition TemplateOnly, which is present only
// when it is False: the template also exists, or runs, on the host. Templates themselves are never written.
//
// A binding's schedulePriority is the value of the host's PriorityClass that the policy names (0 when there is none, and
// the policy says so), its workloadAffinityGroups are the values of the template's labels that the placement groups by.
//
// What goes along with templates that require it (package dependencies made its binding) and is selected by no policy has a
// binding without policy and placement: conflictResolution and preserveResourcesOnDeletion are then what spec.requiredBy
// says of those that require it.
//
// A template that no policy selects any more keeps its binding, placement and replicas; the binding then names
// no policy until another one takes it.
package propagation
