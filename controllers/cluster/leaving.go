package cluster

import (
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/memberprobe"
	"github.com/flotilla-dev/flotilla/internal/report"
)

// removalFacts are what the removal of a member depends on.
type removalFacts struct {
	// fault is why the member cannot be reached, or must not be touched; nil when it is there.
	fault *memberprobe.ReasonedError
	// cleaning is why taking Flotilla's rights out of the member failed; nil when it did not, or was not tried.
	cleaning error
	// namespace is true while the execution namespace, with the credentials, exists.
	namespace bool
	// begun is true when the removal was reported before.
	begun bool
	// bindings is how many bindings still name the member; example is one of them.
	bindings int
	example  string
	// leftovers are what the member holds that the host has forgotten.
	leftovers report.Leftovers
	// force is true when the user gives up on what cannot be cleaned.
	force bool
	// connected is true when the member was Ready once.
	connected bool
	// identity is the member's id; empty when it was never reached.
	identity string
}

// removalPlan is what to do next: clean the member, wait, or (neither) let the Cluster go.
type removalPlan struct {
	// clean takes Flotilla's rights out of the member.
	clean bool
	// wait says what the removal waits for.
	wait string
	// leftBehind says why something stays in the member.
	leftBehind string
}

// planRemoval decides how the removal of a member goes on.
func planRemoval(f removalFacts) removalPlan {
	if f.fault == nil && f.cleaning == nil {
		if f.bindings > 0 {
			return removalPlan{wait: fmt.Sprintf("waits until its objects are removed or released: %s left, such as %s", conditions.Count(f.bindings, "binding"), f.example)}
		}
		return planLeftovers(f)
	}
	if f.bindings == 0 {
		if plan, over := planWithoutBindings(f); over {
			return plan
		}
	}
	if f.force && !f.namespace {
		// That the credentials went with the namespace is our own doing, and not why the member was given up.
		return removalPlan{leftBehind: "given up: the member could not be cleaned"}
	}
	if f.force {
		return removalPlan{leftBehind: "given up: " + cause(f)}
	}
	return removalPlan{wait: fmt.Sprintf("%s; %s waits for it. To give up on the member, run: kubectl flotilla unjoin NAME --force, or annotate this Cluster with %s=true",
		cause(f), waiting(f), v1alpha1.ForceDeleteAnnotation)}
}

// planLeftovers cleans a member that no binding names when nothing is left over there that none of them knows of.
func planLeftovers(f removalFacts) removalPlan {
	switch {
	case len(f.leftovers.Names) > 0:
		return removalPlan{wait: fmt.Sprintf("waits until what the host has forgotten is removed or released: %s left over, such as %s. "+
			"If the host is right, run: kubectl flotilla confirm NAME; docs/high-availability.md says more",
			are(len(f.leftovers.Names), "object"), f.leftovers.Names[0])}
	case f.leftovers.Looked:
		return removalPlan{clean: true}
	case f.force:
		return removalPlan{clean: true, leftBehind: "given up: it could not be found out whether it holds what the host has forgotten" + unlooked(f)}
	}
	return removalPlan{wait: fmt.Sprintf("waits until it is known whether the member holds what the host has forgotten: not all of its objects have been "+
		"looked at yet%s. To give up on that, run: kubectl flotilla unjoin NAME --force, or annotate this Cluster with %s=true",
		unlooked(f), v1alpha1.ForceDeleteAnnotation)}
}

// unlooked names what has not been looked at, as far as that is known.
func unlooked(f removalFacts) string {
	const most = 5
	what := f.leftovers.Unlooked
	switch more := len(what) - most; {
	case len(what) == 0:
		return ""
	case more > 0:
		return fmt.Sprintf(" (%s, and %d more)", strings.Join(what[:most], ", "), more)
	}
	return " (" + strings.Join(what, ", ") + ")"
}

// are is a count with its verb.
func are(n int, what string) string {
	if n == 1 {
		return conditions.Count(n, what) + " is"
	}
	return conditions.Count(n, what) + " are"
}

// planWithoutBindings lets a member go that cannot be cleaned and need not be waited for, because nothing more
// can, or may, be done there; over is false when it must be waited for.
func planWithoutBindings(f removalFacts) (plan removalPlan, over bool) {
	switch {
	case !f.namespace && f.begun:
		// The namespace goes after the member is done with, so that part is behind us.
		return removalPlan{}, true
	case isRefused(f.fault):
		// What is behind the endpoint is another Cluster's, or nobody's: nothing there is ours to remove.
		return removalPlan{}, true
	case !f.connected:
		return removalPlan{leftBehind: abandoned(f, "the member was never ready")}, true
	case !f.namespace:
		return removalPlan{leftBehind: "its namespace on the host, with the credentials, was deleted before"}, true
	case lacksCredentials(f.fault):
		return removalPlan{leftBehind: "its credentials are missing or unusable and no binding names it, so nothing more can be done there"}, true
	case refusesUs(f.fault):
		return removalPlan{leftBehind: "the member no longer takes the credentials and no binding names it, so nothing more can be done there"}, true
	}
	return removalPlan{}, false
}

// abandoned is empty for a member that was never reached: nothing can be in it.
func abandoned(f removalFacts, why string) string {
	if f.identity == "" {
		return ""
	}
	return why + ": " + cause(f)
}

func lacksCredentials(fault *memberprobe.ReasonedError) bool {
	return fault != nil && (fault.Reason == v1alpha1.ReasonCredentialsMissing || fault.Reason == v1alpha1.ReasonCredentialsInvalid)
}

func refusesUs(fault *memberprobe.ReasonedError) bool {
	// A client certificate that ended is a refusal, too, one with a reason of its own.
	return fault != nil && (fault.Reason == v1alpha1.ReasonUnauthorized || fault.Reason == v1alpha1.ReasonForbidden || apierrors.IsUnauthorized(fault))
}

func cause(f removalFacts) string {
	if f.cleaning != nil {
		return f.cleaning.Error()
	}
	return f.fault.Message
}

func waiting(f removalFacts) string {
	if f.bindings == 0 {
		return "the removal of Flotilla's account"
	}
	return fmt.Sprintf("the removal of the objects of %s, such as %s,", conditions.Count(f.bindings, "binding"), f.example)
}
