package manifests

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"k8s.io/utils/ptr"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	_ "github.com/flotilla-dev/flotilla/internal/manager" // all metrics are those of what it links
	"github.com/flotilla-dev/flotilla/internal/telemetry"
)

const metricsPage = "../../docs/metrics.md"

// updateVariable is the environment variable that lets the test write the table instead of comparing it.
const updateVariable = "FLOTILLA_UPDATE_DOCS"

// metricsTable is the part of the page that is made from the code.
var metricsTable = regexp.MustCompile(`(?s)(<!-- begin: made by .*? -->\n)(.*?)(<!-- end -->)`)

func TestThePageOfMetricsNamesThemAll(t *testing.T) {
	page, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	found := metricsTable.FindSubmatch(page)
	if found == nil {
		t.Fatalf("%s has no table between its markers", metricsPage)
	}
	want := tableOf(telemetry.Catalogue())
	if os.Getenv(updateVariable) != "" {
		updated := metricsTable.ReplaceAllString(string(page), "${1}"+strings.ReplaceAll(want, "$", "$$")+"${3}")
		if err := os.WriteFile(metricsPage, []byte(updated), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(string(found[2]), "\n")); diff != "" {
		t.Errorf("the table is stale, run: %s=1 go test ./test/manifests -run Metrics (-want +got):\n%s", updateVariable, diff)
	}
}

func tableOf(metrics []telemetry.Metric) string {
	table := "| metric | type | labels | what it says |\n|---|---|---|---|\n"
	for _, m := range metrics {
		labels := "`" + strings.Join(m.Labels, "`, `") + "`"
		if len(m.Labels) == 0 {
			labels = "-"
		}
		table += fmt.Sprintf("| `%s` | %s | %s | %s |\n", m.Name, m.Type, labels, m.Help)
	}
	return table
}

func TestMetricsOfFlotillasOwnAreAllInTheCatalogue(t *testing.T) {
	registry, ok := ctrlmetrics.Registry.(prometheus.Collector)
	if !ok {
		t.Fatal("the registry does not describe itself")
	}
	descriptions := make(chan *prometheus.Desc, 1000)
	registry.Describe(descriptions)
	close(descriptions)
	got := map[string]bool{}
	name := regexp.MustCompile(`fqName: "(flotilla_[^"]*)"`)
	for d := range descriptions {
		if found := name.FindStringSubmatch(d.String()); found != nil {
			got[found[1]] = true
		}
	}
	want := map[string]bool{}
	for _, m := range telemetry.Catalogue() {
		want[m.Name] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what is registered (-catalogue +registry):\n%s", diff)
	}
	if len(want) < 20 {
		t.Errorf("there are only %d metrics: are the controllers linked?", len(want))
	}
}

func TestMetricsAreNamedByPrometheusConventions(t *testing.T) {
	var families []*dto.MetricFamily
	for _, m := range telemetry.Catalogue() {
		families = append(families, familyOf(m))
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}

// familyOf is a metric with one series, as it would be scraped.
func familyOf(m telemetry.Metric) *dto.MetricFamily {
	series := &dto.Metric{}
	for _, label := range m.Labels {
		series.Label = append(series.Label, &dto.LabelPair{Name: ptr.To(label), Value: ptr.To("x")})
	}
	family := &dto.MetricFamily{Name: ptr.To(m.Name), Help: ptr.To(m.Help), Metric: []*dto.Metric{series}}
	switch m.Type {
	case telemetry.CounterType:
		family.Type, series.Counter = dto.MetricType_COUNTER.Enum(), &dto.Counter{}
	case telemetry.GaugeType:
		family.Type, series.Gauge = dto.MetricType_GAUGE.Enum(), &dto.Gauge{}
	case telemetry.HistogramType:
		family.Type, series.Histogram = dto.MetricType_HISTOGRAM.Enum(), &dto.Histogram{}
	}
	return family
}

func TestLabelsAreBounded(t *testing.T) {
	allowed := []string{
		telemetry.ClusterLabel, "action", "code", "commit", "go_version", "group", "health", "name", "operation", "outcome", "reason", "sight", "stage", "state",
		"target", "trigger", "verb", "version",
	}
	for _, m := range telemetry.Catalogue() {
		for _, label := range m.Labels {
			if !strings.Contains(" "+strings.Join(allowed, " ")+" ", " "+label+" ") {
				t.Errorf("%s has the label %s: its values must be bounded by the code or by the number of clusters; then add it here", m.Name, label)
			}
		}
	}
}
