// Package tainting tests, on a real API server, whose taints are whose: those that the manager writes, those of policies and
// those of users, in one list that several write to. What is known of the members is written by the tests themselves.
package tainting
