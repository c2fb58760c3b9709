// Package conditions answers: how is a user told what a condition says? What is too long for the API is shortened,
// and an event is due when a condition turns bad, or bad for another reason.
package conditions
