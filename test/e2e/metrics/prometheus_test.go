package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

// config is the folder that is tested, seen from this package.
const config = "../../../config"

// serviceMonitor is what counts of config/prometheus/service_monitor.yaml.
type serviceMonitor struct {
	Spec struct {
		JobLabel  string `json:"jobLabel"`
		Endpoints []struct {
			Path            string `json:"path"`
			Scheme          string `json:"scheme"`
			BearerTokenFile string `json:"bearerTokenFile"`
			TLSConfig       struct {
				InsecureSkipVerify bool `json:"insecureSkipVerify"`
			} `json:"tlsConfig"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// ruleFile is config/prometheus/rules.yaml, and what Prometheus reads of it.
type ruleFile struct {
	Spec struct {
		Groups []ruleGroup `json:"groups"`
	} `json:"spec"`
}

type ruleGroup struct {
	Name  string `json:"name"`
	Rules []rule `json:"rules"`
}

type rule struct {
	Record      string            `json:"record,omitempty"`
	Alert       string            `json:"alert,omitempty"`
	Expr        string            `json:"expr"`
	For         string            `json:"for,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(config, path))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(content, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// prometheus is a server that scrapes the managers of a fleet.
type prometheus struct{ address string }

// program finds Prometheus. Where nobody asked for a whole check of a change it may be missing.
func program(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("Prometheus is missing: install Debian's package prometheus")
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// startPrometheus scrapes the managers every second, as the ServiceMonitor says and with the rights that the component grants. Alerts
// fire after a second.
func startPrometheus(t *testing.T, fleet *local.Fleet, rules []ruleGroup) prometheus {
	t.Helper()
	path, dir := program(t), t.TempDir()
	write(t, filepath.Join(dir, "rules.yaml"), map[string]any{"groups": rules})
	write(t, filepath.Join(dir, "prometheus.yaml"), map[string]any{
		"global":         map[string]any{"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
		"rule_files":     []string{filepath.Join(dir, "rules.yaml")},
		"scrape_configs": []any{scrapeConfig(t, fleet, dir)},
	})
	p := prometheus{address: local.Address(t)}
	processes := process.Table{PIDs: filepath.Join(fleet.Dir(), "pids"), Logs: filepath.Join(fleet.Dir(), "logs")}
	_, err := processes.Start(process.Spec{Name: "prometheus", Path: path, Args: []string{
		"--config.file=" + filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path=" + filepath.Join(dir, "data"),
		"--web.listen-address=" + p.address, "--log.level=warn",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := processes.Kill(ctx, "prometheus"); err != nil {
			t.Error(err)
		}
	})
	expect.Eventually(t, "two scrapes of every manager", func(ctx context.Context) error {
		return p.matches(ctx, fmt.Sprintf(`sum(count_over_time(up{job="flotilla"}[1m]) >= bool 2 and up{job="flotilla"} == 1) == %d`, len(fleet.Managers())))
	})
	return p
}

// scrapeConfig is what Prometheus Operator would make of the ServiceMonitor.
func scrapeConfig(t *testing.T, fleet *local.Fleet, dir string) map[string]any {
	t.Helper()
	var monitor serviceMonitor
	readYAML(t, "prometheus/service_monitor.yaml", &monitor)
	var service corev1.Service
	readYAML(t, "manager/metrics_service.yaml", &service)
	endpoint := monitor.Spec.Endpoints[0]
	if endpoint.BearerTokenFile == "" {
		t.Fatal("the ServiceMonitor shows no token")
	}
	tokenFile := filepath.Join(dir, "token")
	if err := os.WriteFile(tokenFile, []byte(scraperToken(t, fleet)), 0o600); err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, name := range fleet.Managers() {
		targets = append(targets, fleet.MetricsAddress(name))
	}
	return map[string]any{
		"job_name": service.Labels[monitor.Spec.JobLabel], "scheme": endpoint.Scheme, "metrics_path": endpoint.Path,
		"authorization":  map[string]any{"credentials_file": tokenFile},
		"tls_config":     map[string]any{"insecure_skip_verify": endpoint.TLSConfig.InsecureSkipVerify},
		"static_configs": []any{map[string]any{"targets": targets}},
	}
}

// scraperToken makes the account that the component's binding names, grants it what the binding grants, and returns a token of it.
func scraperToken(t *testing.T, fleet *local.Fleet) string {
	t.Helper()
	var binding rbacv1.ClusterRoleBinding
	readYAML(t, "components/prometheus/reader_role_binding.yaml", &binding)
	subject := binding.Subjects[0]
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: subject.Namespace, Name: subject.Name}}
	expect.Create(t, fleet.Host, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: subject.Namespace}}, account, &binding)
	request := &authenticationv1.TokenRequest{}
	if err := fleet.Host.Client().SubResource("token").Create(t.Context(), account, request); err != nil {
		t.Fatal(err)
	}
	return request.Status.Token
}

func write(t *testing.T, path string, content any) {
	t.Helper()
	text, err := yaml.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// get asks Prometheus' API.
func (p prometheus) get(ctx context.Context, path string, data any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return errors.New(answer.Error)
	}
	return nil
}

// sample is one value of an instant vector.
type sample struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"`
}

func (s sample) number() float64 {
	text, _ := s.Value[1].(string)
	number, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.NaN()
	}
	return number
}

func (p prometheus) query(ctx context.Context, expr string) ([]sample, error) {
	var data struct{ Result []sample }
	if err := p.get(ctx, "/api/v1/query?query="+url.QueryEscape(expr), &data); err != nil {
		return nil, fmt.Errorf("%s: %w", expr, err)
	}
	return data.Result, nil
}

// matches returns an error unless a query has at least one value that is a number.
func (p prometheus) matches(ctx context.Context, expr string) error {
	samples, err := p.query(ctx, expr)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(samples, func(s sample) bool { return !math.IsNaN(s.number()) }) {
		return fmt.Errorf("%s has no value but %v", expr, samples)
	}
	return nil
}

// sum is the sum of a query's values.
func (p prometheus) sum(t *testing.T, expr string) float64 {
	t.Helper()
	samples, err := p.query(t.Context(), expr)
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, s := range samples {
		total += s.number()
	}
	return total
}

// firing are the alerts that fire, each with the labels that tell its instances apart.
func (p prometheus) firing(ctx context.Context) (map[string][]string, error) {
	var data struct {
		Alerts []struct {
			Labels map[string]string
			State  string
		}
	}
	if err := p.get(ctx, "/api/v1/alerts", &data); err != nil {
		return nil, err
	}
	firing := map[string][]string{}
	for _, alert := range data.Alerts {
		if alert.State == "firing" {
			name := alert.Labels["alertname"]
			about := strings.TrimSpace(alert.Labels["member_cluster"] + " " + alert.Labels["state"] + " " + alert.Labels["instance"])
			firing[name] = append(firing[name], about)
		}
	}
	return firing, nil
}

// fires waits until an alert fires about something.
func (p prometheus) fires(t *testing.T, name, about string) {
	t.Helper()
	expect.Eventually(t, "the alert "+name, func(ctx context.Context) error {
		firing, err := p.firing(ctx)
		if err == nil && !slices.Contains(firing[name], about) {
			err = fmt.Errorf("%q is not among what fires: %v", about, firing)
		}
		return err
	})
}
