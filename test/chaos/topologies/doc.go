// Package topologies takes pieces of a host of three machines away, one or two at a time, for a while: members of its
// etcd, API servers, the quorum, speed, space. Members lose speed, space and their certificates. What must hold: what the
// members have stays as it is while the host cannot be asked, everything that was accepted arrives afterwards, and who
// looks at Clusters and bindings is told what is wrong.
package topologies
