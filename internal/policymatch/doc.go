// Package policymatch answers: which policy governs a template, and why this one?
//
// It knows what is never a template, how selectors match, which of several policies wins, which workload affinity
// groups a template belongs to, and which fields of a policy have no effect in this version. Values in, values
// out; the order of the policies does not count.
package policymatch
