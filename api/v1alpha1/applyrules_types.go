package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ApplyMode says for how long manifests are applied.
// +kubebuilder:validation:Enum=Always;CreateOnly
type ApplyMode string

// The apply modes.
const (
	// ApplyAlways keeps the members' objects as the template and the overrides say.
	ApplyAlways ApplyMode = "Always"
	// ApplyCreateOnly creates objects where there are none, and leaves them to the member from then on.
	ApplyCreateOnly ApplyMode = "CreateOnly"
)

// TakeOver says when a foreign object in a member is taken over.
// +kubebuilder:validation:Enum=Never;IfSame;Always
type TakeOver string

// The ways to take over.
const (
	// TakeOverNever leaves foreign objects alone and reports them.
	TakeOverNever TakeOver = "Never"
	// TakeOverIfSame takes over a foreign object that has already every value of the manifest.
	TakeOverIfSame TakeOver = "IfSame"
	// TakeOverAlways takes foreign objects over.
	TakeOverAlways TakeOver = "Always"
)

// DriftPolicy says what happens to a value that was changed in a member.
// +kubebuilder:validation:Enum=Correct;Report
type DriftPolicy string

// The drift policies.
const (
	// DriftCorrect puts the manifest's value back.
	DriftCorrect DriftPolicy = "Correct"
	// DriftReport leaves the value and tells of it in the binding's status.
	DriftReport DriftPolicy = "Report"
)

// IgnoreMoment says from when on a field is left to the member.
// +kubebuilder:validation:Enum=Always;AfterCreation
type IgnoreMoment string

// The moments.
const (
	// IgnoreAlways never gives the member a value.
	IgnoreAlways IgnoreMoment = "Always"
	// IgnoreAfterCreation gives the member the template's value when the object is created, and none later.
	IgnoreAfterCreation IgnoreMoment = "AfterCreation"
)

// ApplyRules say how manifests get along with what members already hold, and with what is changed there.
type ApplyRules struct {
	// mode says for how long manifests are applied. With CreateOnly, changes of the template do not reach members
	// that hold the object already; removing the template removes it nevertheless.
	// +optional
	// +kubebuilder:default=Always
	Mode ApplyMode `json:"mode,omitempty"`

	// takeOver says when a foreign object of the same name is taken over. Without it conflictResolution decides:
	// Abort is Never, Overwrite is Always. An object that another Flotilla host manages is never taken over.
	// +optional
	TakeOver TakeOver `json:"takeOver,omitempty"`

	// driftPolicy says what happens to a value that was changed in a member. A change of the template or of an
	// override is applied with both.
	// +optional
	// +kubebuilder:default=Correct
	DriftPolicy DriftPolicy `json:"driftPolicy,omitempty"`

	// ignoreFields are left to the member. Use it for what something in the member decides, such as an autoscaler or
	// an injector that writes into a list.
	// +optional
	// +listType=map
	// +listMapKey=path
	// +kubebuilder:validation:MaxItems=64
	IgnoreFields []IgnoredField `json:"ignoreFields,omitempty"`
}

// IgnoredField is a field that is left to the member.
//
// +kubebuilder:validation:XValidation:rule="!(self.path in ['/apiVersion', '/kind', '/metadata', '/metadata/name', '/metadata/namespace', '/metadata/labels', '/metadata/annotations'])",message="path must not be apiVersion, kind, metadata, metadata/name, metadata/namespace, nor all of metadata/labels or metadata/annotations: name single labels and annotations"
// +kubebuilder:validation:XValidation:rule="!self.path.startsWith('/metadata/labels/flotilla.dev~1') && !self.path.startsWith('/metadata/annotations/flotilla.dev~1')",message="path must not be one of Flotilla's own marks"
type IgnoredField struct {
	// path of the field, as a JSON pointer (RFC 6901) such as /spec/replicas or
	// /metadata/annotations/example.com~1owner. A path that leads nowhere is no error.
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^(/([^~/]|~0|~1)+)+$`
	Path string `json:"path"`

	// when says from when on the field is the member's.
	// +optional
	// +kubebuilder:default=Always
	When IgnoreMoment `json:"when,omitempty"`
}

// DriftedField is a field whose value in the member is not the one that the manifest gives it.
type DriftedField struct {
	// path of the field, as a JSON pointer (RFC 6901).
	// +kubebuilder:validation:MaxLength=512
	Path string `json:"path"`

	// wanted is the manifest's value as JSON, shortened to 256 bytes.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Wanted string `json:"wanted,omitempty"`

	// found is the member's value as JSON, shortened to 256 bytes; absent when it has none.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Found string `json:"found,omitempty"`

	// since is when the difference was first seen.
	Since metav1.Time `json:"since"`
}
