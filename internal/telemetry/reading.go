package telemetry

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Show shows one value of a Reading, with the values of its labels in order. Each combination of values is shown once.
type Show func(value float64, labels ...string)

// Reading is a gauge whose values are read from memory when it is scraped, so that nobody has to keep them up to date.
type Reading struct {
	desc *prometheus.Desc
	read atomic.Pointer[func(Show)]
}

// NewReading makes and registers a gauge that shows nothing until From says where to read. A name that is taken panics, as with
// Counter.
func NewReading(name, help string, labels ...string) *Reading {
	r := &Reading{desc: prometheus.NewDesc(name, help, labels, nil)}
	add(Metric{Name: name, Type: GaugeType, Help: help, Labels: labels}, r)
	return r
}

// From says where to read: read calls show for each value. It must be quick and must not block: it delays the scrape, and a scrape
// may come at any time. The last call counts.
func (r *Reading) From(read func(show Show)) { r.read.Store(&read) }

// Describe implements prometheus.Collector.
func (r *Reading) Describe(ch chan<- *prometheus.Desc) { ch <- r.desc }

// Collect implements prometheus.Collector.
func (r *Reading) Collect(ch chan<- prometheus.Metric) {
	read := r.read.Load()
	if read == nil {
		return
	}
	(*read)(func(value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(r.desc, prometheus.GaugeValue, value, labels...)
	})
}
