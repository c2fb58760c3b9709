// Package memberprobe answers: how is a member reached, and what does it say about itself?
//
// It reads a Cluster and its credentials Secret as values, and asks the member's API server on fresh
// connections, so that a certificate that ended or a network that is cut shows at once. It writes nothing
// and owns nothing; whoever asks decides what the answers mean.
package memberprobe
