// Package podneeds answers: what does a pod of this spec need from a cluster?
//
// It looks at values only: it reads nothing, writes nothing and owns nothing.
package podneeds
