// Package metrics answers: does what an operator would look at say something while a fleet works?
//
// Its test lets a real Prometheus scrape the managers of a fleet under load, as config/prometheus says and with its
// rules, and asks it every query of the dashboard and of the rules. It needs Debian's package prometheus.
package metrics
