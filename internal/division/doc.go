// Package division answers: how many replicas does each cluster get?
//
// It divides by the method of Webster (Sainte-Laguë): the next replica always goes to the cluster with the
// largest weight/(2*seats+1). The arithmetic is exact, the result depends on nothing but the arguments, and
// one replica more never takes a replica away from a cluster. Values in, values out.
package division
