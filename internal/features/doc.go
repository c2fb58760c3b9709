// Package features answers: which of the behaviours that can be turned on and off are on? Gates are named, described and given
// their defaults here. The assembly reads them once, at start, and hands plain values to those who depend on them: no other
// package asks a gate.
package features
