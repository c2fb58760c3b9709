// Package local answers: how does a test get a fleet of real clusters on this machine, break it, look inside and get
// rid of it? Up starts a host, members and managers as processes; Open takes over one that runs; Bed shares one between
// the tests of a binary and stops it however that binary ends.
//
// It owns the folder of the fleet (see test/README.md for what is in it) and, in the user's cache, the register of ports
// that fleets have taken. Everything it knows is in the folder's fleet.json and pids, so any process can take over.
package local
