package execution

import (
	"errors"
	"net"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
	"github.com/flotilla-dev/flotilla/internal/report"
)

// recheckUnreachable is how often a member that does not answer is tried again for one object. It is a state
// and no failure of Flotilla: the Cluster tells of it, and the log is not filled with it.
const recheckUnreachable = 5 * time.Second

// recheckRemoving is how often a removal that is under way is looked at again.
const recheckRemoving = 15 * time.Second

// maxMessage bounds what a member's error may add to a binding's status.
const maxMessage = 1024

func (w *worker) post(binding v1alpha1.Binding, r report.Report) {
	w.countFailure(r)
	w.Board.Post(client.ObjectKeyFromObject(binding), w.member.Name, r)
}

// applied is the report of an object that holds the current manifest.
func applied(o *membercluster.Observed, templateGeneration int64) report.Report {
	return report.Report{
		Applied: true, Reason: v1alpha1.ReasonApplied,
		UpToDate: o.UpToDate, TemplateGeneration: templateGeneration, Health: o.Health, Status: o.Status,
		Ready: o.Ready, Counted: o.Counted,
	}
}

// pending is the report of a manifest that is not in place; what the member still holds keeps its health.
func pending(o *membercluster.Observed, reason, message string) report.Report {
	r := report.Report{Reason: reason, Message: message, Health: v1alpha1.HealthUnknown}
	if o != nil {
		r.Health, r.Status, r.Ready, r.Counted = o.Health, o.Status, o.Ready, o.Counted
	}
	return r
}

// hostError is an error of the host: it says nothing about the member.
type hostError struct{ error }

// Unwrap is for errors.Is and errors.As.
func (e hostError) Unwrap() error { return e.error }

// refused reports an error of a member. Errors that only a change can mend are looked at again ever more seldom, a
// member that does not answer is tried again soon; others are returned, so that the queue repeats them with
// growing delays. Without an error nothing is known yet, and there is nothing to report.
func (w *worker) refused(binding v1alpha1.Binding, observed *membercluster.Observed, err error) (reconcile.Result, error) {
	if err == nil {
		return reconcile.Result{}, nil
	}
	var host hostError
	if errors.As(err, &host) {
		return reconcile.Result{}, err
	}
	reason, recheck := classify(err)
	if binding != nil {
		w.post(binding, pending(observed, reason, messageOf(reason, err)))
	}
	if recheck == recheckRefused && binding != nil {
		recheck = w.refusals.wait(client.ObjectKeyFromObject(binding))
	}
	if recheck > 0 {
		return reconcile.Result{RequeueAfter: recheck}, nil
	}
	return reconcile.Result{}, err
}

// messageOf is what an error says to people. That of a member that does not answer names ports and the like: it would
// be another one each time, and a write on the host each time.
func messageOf(reason string, err error) string {
	if reason == v1alpha1.ReasonMemberUnreachable {
		return "the member does not answer, or refuses the credentials; its Cluster says more"
	}
	if changesCompletions(err) {
		return conditions.Shorten("a Job that exists cannot be divided anew, and keeps the completions that it has here: "+err.Error(), maxMessage)
	}
	return conditions.Shorten(err.Error(), maxMessage)
}

// changesCompletions says whether a member refused to give a Job other completions, as when it is to take over those of another cluster.
func changesCompletions(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil || status.Status().Details.Kind != "Job" {
		return false
	}
	return slices.ContainsFunc(status.Status().Details.Causes, func(c metav1.StatusCause) bool { return c.Field == "spec.completions" })
}

// classify finds the reason for a member's error, and when to try again; 0 leaves that to the queue.
func classify(err error) (reason string, recheck time.Duration) {
	switch {
	case meta.IsNoMatchError(err):
		return v1alpha1.ReasonKindNotInstalled, recheckRefused
	case apierrors.IsRequestEntityTooLargeError(err):
		return v1alpha1.ReasonTooLarge, recheckRefused
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return v1alpha1.ReasonInvalidManifest, recheckRefused
	case apierrors.IsForbidden(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return v1alpha1.ReasonMemberForbidden, recheckRefused
	case isUnreachable(err):
		return v1alpha1.ReasonMemberUnreachable, recheckUnreachable
	}
	return v1alpha1.ReasonApplyFailed, 0
}

func isUnreachable(err error) bool {
	var network net.Error
	return errors.As(err, &network) || utilnet.IsConnectionRefused(err) || utilnet.IsConnectionReset(err) ||
		utilnet.IsProbableEOF(err) || apierrors.IsUnauthorized(err) || apierrors.IsServiceUnavailable(err)
}
