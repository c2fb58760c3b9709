// Package verdict answers whether templates, bindings and members agree: nothing lost, no orphan, nothing twice, sums
// that hold, no foreign object touched. It is values in, sentences out; package load gathers the values.
package verdict
