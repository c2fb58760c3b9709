package manifests

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/internal/telemetry"
)

const runbooks = "../../docs/runbooks"

// prometheusRule is one rule of config/prometheus/rules.yaml.
type prometheusRule struct {
	Record, Alert, Expr, For string
	Labels, Annotations      map[string]string
}

func prometheusRules(t *testing.T) (rules []prometheusRule, spec any) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(config, "prometheus", "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var typed struct {
		Spec struct {
			Groups []struct{ Rules []prometheusRule }
		}
	}
	var whole struct{ Spec any }
	if err := yaml.Unmarshal(content, &typed); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(content, &whole); err != nil {
		t.Fatal(err)
	}
	for _, group := range typed.Spec.Groups {
		rules = append(rules, group.Rules...)
	}
	return rules, whole.Spec
}

func TestThePrometheusRulesPassTheirUnitTests(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("promtool is missing: install Debian's package prometheus")
	}
	if err != nil {
		t.Fatal(err)
	}
	_, spec := prometheusRules(t)
	dir := t.TempDir()
	groups, err := yaml.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile(filepath.Join(config, "prometheus", "rules_test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"rules.yaml": groups, "rules_test.yaml": tests} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"check", "rules", "--lint-fatal", "rules.yaml"}, {"test", "rules", "rules_test.yaml"}} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = dir
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, output)
		}
	}
}

func TestEveryPrometheusAlertIsTestedAndHasARunbook(t *testing.T) {
	tests, err := os.ReadFile(filepath.Join(config, "prometheus", "rules_test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	rules, _ := prometheusRules(t)
	pages := map[string]bool{}
	for _, rule := range rules {
		if rule.Alert == "" {
			continue
		}
		pages[rule.Alert+".md"] = true
		for _, annotation := range []string{"summary", "description"} {
			if rule.Annotations[annotation] == "" {
				t.Errorf("%s has no %s", rule.Alert, annotation)
			}
		}
		if got := rule.Labels["severity"]; got != "critical" && got != "warning" {
			t.Errorf("%s has the severity %q", rule.Alert, got)
		}
		if !strings.HasSuffix(rule.Annotations["runbook_url"], "/docs/runbooks/"+rule.Alert+".md") {
			t.Errorf("%s has the runbook %s", rule.Alert, rule.Annotations["runbook_url"])
		}
		for _, state := range []string{"exp_alerts: []", "exp_labels:"} { // one time it is quiet, one time it fires
			if !regexp.MustCompile(`alertname: ` + rule.Alert + `\n\s+` + regexp.QuoteMeta(state) + `|alertname: ` + rule.Alert + `\n\s+exp_alerts:\n\s+- ` + regexp.QuoteMeta(state)).Match(tests) {
				t.Errorf("rules_test.yaml has no test of %s with %s", rule.Alert, state)
			}
		}
		hasSections(t, rule.Alert)
	}
	entries, err := os.ReadDir(runbooks)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, entry := range entries {
		got[entry.Name()] = true
	}
	if diff := cmp.Diff(pages, got); diff != "" {
		t.Errorf("runbooks (-alerts +files):\n%s", diff)
	}
}

func hasSections(t *testing.T, alert string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(runbooks, alert+".md"))
	if err != nil {
		t.Error(err)
		return
	}
	var got []string
	for _, heading := range regexp.MustCompile(`(?m)^##? (.*)$`).FindAllStringSubmatch(string(content), -1) {
		got = append(got, heading[1])
	}
	if diff := cmp.Diff([]string{alert, "Meaning", "Impact", "Diagnosis", "Mitigation"}, got); diff != "" {
		t.Errorf("the headings of the runbook of %s (-want +got):\n%s", alert, diff)
	}
}

// own finds names of Flotilla's metrics in an expression; recorded ones hold colons.
var own = regexp.MustCompile(`[a-z_:]*flotilla_[a-z0-9_:]*`)

func TestRulesAndDashboardNameMetricsThatExist(t *testing.T) {
	known := map[string]bool{}
	for _, m := range telemetry.Catalogue() {
		known[m.Name] = true
		if m.Type == telemetry.HistogramType {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				known[m.Name+suffix] = true
			}
		}
	}
	rules, _ := prometheusRules(t)
	text := ""
	for _, rule := range rules {
		if rule.Record != "" {
			known[rule.Record] = true
		}
		text += rule.Expr + "\n"
	}
	dashboard, err := os.ReadFile(filepath.Join(config, "grafana", "flotilla.json"))
	if err != nil {
		t.Fatal(err)
	}
	names := own.FindAllString(text+string(dashboard), -1)
	if len(names) < 50 {
		t.Fatalf("found only %d names", len(names))
	}
	for _, name := range names {
		if !known[name] {
			t.Errorf("there is no metric %s", name)
		}
	}
}

// italics are the panels that runbooks name.
var italics = regexp.MustCompile(`(?:^|[^*\w])\*([^*\s][^*]*)\*(?:[^*\w]|$)`)

func TestRunbooksNamePanelsThatExist(t *testing.T) {
	dashboard, err := os.ReadFile(filepath.Join(config, "grafana", "flotilla.json"))
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct{ Title, Type string }
	}
	if err := json.Unmarshal(dashboard, &board); err != nil {
		t.Fatal(err)
	}
	titles := map[string]bool{}
	for _, panel := range board.Panels {
		titles[panel.Title] = panel.Type != "row"
	}
	pages, err := filepath.Glob(filepath.Join(runbooks, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range pages {
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range italics.FindAllStringSubmatch(string(content), -1) {
			found++
			if !titles[name[1]] {
				t.Errorf("%s names the panel %q, which the dashboard does not have", filepath.Base(page), name[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("found only %d panels in runbooks", found)
	}
}

func TestTheRightToScrapeSurvivesAnotherName(t *testing.T) {
	objects := overlay(t, "namePrefix: blue-\nnamespace: blue\ncomponents:\n- ../components/prometheus", "default")
	got := map[string]any{}
	for _, obj := range objects {
		switch {
		case obj.GetKind() == "ClusterRoleBinding" && obj.GetName() == "blue-flotilla-metrics-reader":
			got["role"], _, _ = unstructured.NestedString(obj.Object, "roleRef", "name")
			subjects, _, _ := unstructured.NestedSlice(obj.Object, "subjects")
			got["subjects"] = subjects
		case obj.GetKind() == "ServiceMonitor" || obj.GetKind() == "PrometheusRule":
			got[obj.GetKind()] = obj.GetNamespace()
		}
	}
	want := map[string]any{
		"role":           "blue-flotilla-metrics-reader",
		"subjects":       []any{map[string]any{"kind": "ServiceAccount", "name": "prometheus-k8s", "namespace": "monitoring"}},
		"ServiceMonitor": "blue", "PrometheusRule": "blue",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what scraping needs (-want +got):\n%s", diff)
	}
}

func TestTheComponentsOfMonitoringAddToTheDefault(t *testing.T) {
	objects := overlay(t, "components:\n- ../components/prometheus\n- ../components/grafana", "default")
	counts := map[string]int{}
	for _, obj := range objects {
		switch kind := obj.GetKind(); kind {
		case "ServiceMonitor", "PrometheusRule":
			counts[kind]++
		case "ConfigMap":
			if obj.GetLabels()["grafana_dashboard"] == "1" {
				counts["dashboard"]++
			}
		case "ClusterRoleBinding":
			if obj.GetName() == "flotilla-metrics-reader" {
				counts["reader"]++
			}
		}
	}
	if diff := cmp.Diff(map[string]int{"ServiceMonitor": 1, "PrometheusRule": 1, "dashboard": 1, "reader": 1}, counts); diff != "" {
		t.Errorf("what the components add (-want +got):\n%s", diff)
	}
}
