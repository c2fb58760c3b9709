// Package memberaccess answers: what may Flotilla do in a member, and how do those rights get there and
// away again?
//
// It writes, in a member, the ServiceAccount that Flotilla acts as and the RBAC objects around it, and it
// asks for that account's tokens. All of them belong to one ClusterRole through owner references, so that
// deleting that one object takes every right back at once and the member's garbage collector removes the
// rest, although Flotilla can no longer.
package memberaccess
