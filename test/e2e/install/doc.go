// Package install installs Flotilla as a user does, with each overlay of config/, and takes it away again.
//
// What an overlay says is applied to a real host. The Deployment in it is played by processes on this machine that run with its
// arguments, environment, configuration file and ServiceAccount; only addresses differ. Its Pods are made and checked by the host,
// and never scheduled, because the host has no nodes.
package install
