// Package stampede answers: may work be evicted from members now, and how fast?
//
// A member that is silent is one of two things: it is gone, or the host cannot see it. Seen from the host both look the
// same, and evicting in the second case moves what runs well. What tells them apart is the rest of the fleet. The answer
// follows the node lifecycle controller of Kubernetes, with members instead of nodes and their provider and region
// instead of zones:
//
//	most of the fleet is lost at once     nothing is evicted: the host itself may be cut off
//	many members of a group are lost      evictions there are slow: what is left must take their load
//	a member is lost                      evictions there keep the normal pace
//
// It is pure: Clusters, as the host's API knows them, and what this process itself has seen of their members, in; a Verdict
// out. It keeps nothing between two questions; a Pace, which counts what has begun, is a value that its holder keeps.
package stampede
