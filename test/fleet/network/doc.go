// Package network is the network between a fleet's control planes, as far as tests can break it: a proxy process
// forwards TCP connections on named links and can cut a link or slow it down on request.
//
// A cut link behaves like a partition: connections stay open and new ones are accepted, but not a byte passes in either
// direction, nor does the end of a connection. When the link heals, what was held back arrives, as TCP would deliver it
// again. A slow link delays every byte from the server to the client, so that a round trip takes that much longer.
//
// Server runs in the proxy process and knows nothing of Kubernetes; Client talks to it. Faults are kept in the proxy's
// memory only: a proxy that starts again starts healthy.
package network
