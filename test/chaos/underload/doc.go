// Package underload breaks pieces of a fleet while templates are changed all the time, one piece after the other or several at
// random, and checks afterwards that nothing is lost, nothing is left over, nothing is there twice, and nothing that belongs to
// somebody else was touched. Package test/load has the load, the faults and the check.
package underload
