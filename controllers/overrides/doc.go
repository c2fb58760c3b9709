// Package overrides tells what became of override policies.
//
// It reads OverridePolicies, ClusterOverridePolicies, bindings, templates and what execution posted on the report.Board, and
// writes the policies' status: how many templates they are for, and for which of them they fail, where and why. Applying
// them is execution's part: it makes the manifests.
package overrides
