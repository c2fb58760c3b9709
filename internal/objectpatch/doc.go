// Package objectpatch answers: how does a change reach the API server in one request, without touching
// anyone else's fields? Each function sends nothing when there is nothing to change.
package objectpatch
