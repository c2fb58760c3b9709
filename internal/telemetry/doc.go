// Package telemetry answers: what does this process measure, under which names, and how long do templates take to their
// members?
//
// Every metric of Flotilla's own is made by Counter, Gauge, Histogram or NewReading, which register it with
// controller-runtime's registry and put it into the Catalogue, so that docs/metrics.md can be held against what there is.
// The packages that know what happens own their metrics (their metrics.go); here is what several of them share: Journeys, which times
// templates on their way through the stages, CountWrites, which counts the writes to an API server, and the names of labels.
//
// It reads the clock, writes nothing but metrics, and owns no goroutine. Values of labels are constants of the code, names of
// Clusters, or pairs of provider and region: never names of templates, bindings or namespaces. ForgetCluster drops what carries the
// name of a Cluster that is gone.
package telemetry
