// Package process answers: which of the programs that a fleet started are running, and how are they started again or
// signalled? It owns two folders: the pid folder, with one record per program, and the log folder, with what each
// program printed.
//
// A record holds the process id together with the time the process was born. Both must match before a signal is
// sent, so a process id that the system gave to somebody else in the meantime is never touched. Records outlive the
// program that wrote them, therefore everything can be stopped after a crash of whoever started it.
package process
