// Package membercluster answers: how does Flotilla reach a member, and what does that member hold because of it?
//
// The Pool connects to members, and each Member reads, applies and deletes objects there. Of each object only
// an Observed is kept. It decides nothing; package applyplan does.
package membercluster
