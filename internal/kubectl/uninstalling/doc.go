// Package uninstalling answers: how does Flotilla leave a host without a loss?
//
// It lets every member leave, with or without what runs there, and takes from the host everything that a manager has to
// let go of while it still runs. What is left then can be deleted in any order. It reads and writes the host with the rights of the
// user, and nothing else; the manager does the work in members.
package uninstalling
