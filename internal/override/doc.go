// Package override answers: what do override policies change of a template for one cluster?
//
// It is pure. Compile reads a policy once and finds what is wrong with it; Order says which of several policies are for a
// template, and in what order; Apply changes a copy of the template for a cluster. docs/overrides.md tells users.
//
//   - compile.go: policies, their rules, and the order of everything;
//   - values.go: values that may name the cluster;
//   - image.go, words.go, pairs.go: the overriders that know what they change;
//   - patch.go, document.go: those that follow pointers.
package override
