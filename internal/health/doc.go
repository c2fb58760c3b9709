// Package health answers: is a member Ready, given what is seen of it now and what was thought of it before?
//
// It is pure. What is seen is an Observation, whoever made it: a probe of the member, or later the age of what an agent in
// the member reports. What was thought before is in the Cluster's status and nowhere else, so that a manager that starts
// anew, or takes over, goes on where the last one was.
package health
