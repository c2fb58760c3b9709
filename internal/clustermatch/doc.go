// Package clustermatch answers: which clusters does a ClusterAffinity select? Placements and overrides ask the same.
//
// It is pure.
package clustermatch
