// Package e2e walks through Flotilla as a user does: real clusters, real managers under the rights that
// config/ installs, and only what a user can see.
package e2e
