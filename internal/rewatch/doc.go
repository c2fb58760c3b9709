// Package rewatch answers how soon a watch is there again after its API server was away.
//
// An informer of client-go doubles the pause after each failed attempt, up to a minute, and each kind does so by itself. After an outage
// some kinds would be a minute behind others in a manager that acts, and whatever changes in that minute would arrive as late.
// Here an informer that has been served once goes on asking at a steady pace until the server is back, and then lists anew.
//
// It reads through the list and watch that it is given, and writes nothing.
package rewatch
