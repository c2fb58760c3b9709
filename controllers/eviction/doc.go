// Package eviction answers: who asks that a cluster be left? It writes the graceful eviction tasks that package
// internal/eviction decides on, and never where a template goes: a task is a request to the scheduler.
//
// One sweep looks at everything: it reads the Clusters, the bindings in clusters with a taint that evicts, those that have a
// task and those whose application is unhealthy, all from the cache; it makes one plan, and writes what changes. A sweep follows
// every change that could matter, a moment later so that many changes are one sweep, and the time at which something gets
// due. Every write is the whole list of tasks of one binding, with the resource version that the plan was made from as
// a precondition: what a user or another controller changed meanwhile is never put back, and a manager that dies between two
// writes leaves nothing half done.
//
// The patch is no server-side apply. A user who answers a task by setting its suppressDeletion owns that field from then on, and
// an apply that ends the task would leave a task with nothing but that field behind, which the API refuses.
//
// Owns: spec.gracefulEvictionTasks of bindings, those with its own name as their producer. Field manager: flotilla-eviction.
package eviction
