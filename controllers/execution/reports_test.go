package execution

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

var configMaps = schema.GroupResource{Resource: "configmaps"}

func TestEachErrorOfAMemberHasItsReasonAndItsTimeToTryAgain(t *testing.T) {
	type verdict struct {
		Reason  string
		Recheck time.Duration
	}
	terminating := apierrors.NewForbidden(configMaps, "c", errors.New("being terminated"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	for name, tc := range map[string]struct {
		err  error
		want verdict
	}{
		"a kind that is not served":           {&meta.NoKindMatchError{}, verdict{v1alpha1.ReasonKindNotInstalled, recheckRefused}},
		"a manifest that is invalid":          {apierrors.NewInvalid(schema.GroupKind{}, "c", nil), verdict{v1alpha1.ReasonInvalidManifest, recheckRefused}},
		"a field that is not known":           {apierrors.NewBadRequest("unknown field"), verdict{v1alpha1.ReasonInvalidManifest, recheckRefused}},
		"a manifest that is too large":        {apierrors.NewRequestEntityTooLargeError("limit is 3145728"), verdict{v1alpha1.ReasonTooLarge, recheckRefused}},
		"rights that are missing":             {apierrors.NewForbidden(configMaps, "c", errors.New("no")), verdict{v1alpha1.ReasonMemberForbidden, recheckRefused}},
		"a namespace that is being deleted":   {terminating, verdict{v1alpha1.ReasonApplyFailed, 0}},
		"a connection that is refused":        {&url.Error{Op: "Get", Err: syscall.ECONNREFUSED}, verdict{v1alpha1.ReasonMemberUnreachable, recheckUnreachable}},
		"an answer that does not come":        {context.DeadlineExceeded, verdict{v1alpha1.ReasonMemberUnreachable, recheckUnreachable}},
		"credentials that are refused":        {apierrors.NewUnauthorized("expired"), verdict{v1alpha1.ReasonMemberUnreachable, recheckUnreachable}},
		"a conflict with a foreign object":    {apierrors.NewConflict(configMaps, "c", errors.New("owned")), verdict{v1alpha1.ReasonApplyFailed, 0}},
		"an internal error of the API server": {apierrors.NewInternalError(errors.New("etcd")), verdict{v1alpha1.ReasonApplyFailed, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			reason, recheck := classify(fmt.Errorf("applying: %w", tc.err))
			if diff := cmp.Diff(tc.want, verdict{reason, recheck}); diff != "" {
				t.Errorf("classify() differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOnlyAMissingNamespaceIsCreated(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"no error":            {nil, false},
		"a missing namespace": {apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "shop"), true},
		"a missing object":    {apierrors.NewNotFound(configMaps, "c"), false},
		"another error":       {errors.New("no"), false},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.err
			if err != nil {
				err = fmt.Errorf("applying: %w", err)
			}
			if got := lacksNamespace(err); got != tc.want {
				t.Errorf("lacksNamespace(%v) = %v, want %v", tc.err, got, tc.want)
			}
		})
	}
}

func TestAJobThatCannotBeDividedAnewIsToldInWords(t *testing.T) {
	immutable := func(kind, name string) error {
		return fmt.Errorf("applying: %w", apierrors.NewInvalid(schema.GroupKind{Group: "batch", Kind: kind}, "report",
			field.ErrorList{field.Invalid(field.NewPath("spec", name), 6, "field is immutable")}))
	}
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"its completions":          {immutable("Job", "completions"), true},
		"another field":            {immutable("Job", "template"), false},
		"a namesake of the field":  {immutable("Work", "completions"), false},
		"an error of another sort": {errors.New("no"), false},
	} {
		t.Run(name, func(t *testing.T) {
			said := messageOf(v1alpha1.ReasonInvalidManifest, tc.err)
			if got := strings.HasPrefix(said, "a Job that exists cannot be divided anew"); got != tc.want || !strings.Contains(said, tc.err.Error()) {
				t.Errorf("the message is %q, told in words = %t, want %t", said, got, tc.want)
			}
		})
	}
}
