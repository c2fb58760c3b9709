package telemetry

import (
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// ClusterLabel is the label that carries the name of a Cluster. It is not called cluster, which is what many who collect from several
// clusters call the one that they scrape: the host. The series of a Cluster go when it goes.
const ClusterLabel = "member_cluster"

// Type is what Prometheus calls the type of a metric.
type Type string

// The types.
const (
	CounterType   Type = "counter"
	GaugeType     Type = "gauge"
	HistogramType Type = "histogram"
)

// Metric describes one metric.
type Metric struct {
	// Name as it is scraped, without the suffixes of a histogram's series.
	Name string
	// Type of the metric.
	Type Type
	// Help is its description, one sentence or more.
	Help string
	// Labels are the names of its labels, in order.
	Labels []string
}

// vector is a metric whose series can be dropped.
type vector interface {
	DeletePartialMatch(labels prometheus.Labels) int
}

// catalogue holds what was made. It is written while packages are initialised, and by tests.
var catalogue struct {
	mu         sync.Mutex
	metrics    []Metric
	perCluster []vector
}

// Catalogue are the metrics that the packages linked into this process have made, by name.
func Catalogue() []Metric {
	catalogue.mu.Lock()
	defer catalogue.mu.Unlock()
	list := slices.Clone(catalogue.metrics)
	slices.SortFunc(list, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Counter makes and registers a counter; its name ends in _total. A name that is taken panics, so make metrics in variables of a
// package.
func Counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	add(Metric{Name: name, Type: CounterType, Help: help, Labels: labels}, c)
	return c
}

// Gauge makes and registers a gauge. A name that is taken panics, as with Counter.
func Gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	add(Metric{Name: name, Type: GaugeType, Help: help, Labels: labels}, g)
	return g
}

// Histogram makes and registers a histogram of seconds with the given upper bounds. A name that is taken panics, as with Counter.
func Histogram(name, help string, bounds []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: bounds}, labels)
	add(Metric{Name: name, Type: HistogramType, Help: help, Labels: labels}, h)
	return h
}

func add(m Metric, c prometheus.Collector) {
	metrics.Registry.MustRegister(c)
	catalogue.mu.Lock()
	defer catalogue.mu.Unlock()
	catalogue.metrics = append(catalogue.metrics, m)
	if v, dropped := c.(vector); dropped && slices.Contains(m.Labels, ClusterLabel) {
		catalogue.perCluster = append(catalogue.perCluster, v)
	}
}

// ForgetCluster drops the series that carry the name of a Cluster that is gone.
func ForgetCluster(name string) {
	catalogue.mu.Lock()
	defer catalogue.mu.Unlock()
	for _, v := range catalogue.perCluster {
		v.DeletePartialMatch(prometheus.Labels{ClusterLabel: name})
	}
}
