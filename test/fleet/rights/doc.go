// Package rights answers: did an account get every right that it asked for, and does it need every right that it has?
//
// It compares what an audit log shows with the rules of roles. It reads the roles of an account, and writes the one role that lets
// managers read the kinds that only tests have.
package rights
