// Package restore holds the tests of a host that is restored from a backup: nothing is deleted or restarted in members by a host that
// has forgotten a part of its past, and the two converge as soon as somebody says what is right.
package restore
