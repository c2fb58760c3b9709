// Package toleration answers: is a taint tolerated? Taints on clusters and on nodes follow the same rules, those of
// pods.
//
// It is pure.
package toleration
