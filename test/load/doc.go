// Package load keeps a fleet busy while pieces of it are broken, and answers two questions: how long did changes take to reach the
// members, and is everything where it belongs afterwards. It reads and writes one template namespace of the host, and the namespace
// of that name in each member, where it also puts objects of its own that Flotilla must not touch. It reaches clusters directly,
// whatever is cut; changes are repeated until the host has acknowledged them.
package load
