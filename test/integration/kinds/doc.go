// Package kinds tests on real clusters what Flotilla says about kinds: that members take what is rendered from a
// template as the host's API server returns it, that taking it again changes nothing, that health comes, and that
// the host takes the aggregated status and kubectl believes it. No manager runs.
package kinds
