// Package capacity answers: how many more replicas does a member have room for, and what would one more lack?
//
// A Table is what is free in a member at one moment: node by node, where its nodes and pods are watched, or what its
// status.resourceSummary says. A Class is what one replica needs. Values in, values out; a Table is never changed, Place
// makes another one.
package capacity
