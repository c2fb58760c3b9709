package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

const (
	// goroutineMetric is what the Go runtime counts.
	goroutineMetric = "go_goroutines"
	// vitalsTimeout is how long a manager that has just been started may take to answer.
	vitalsTimeout  = 30 * time.Second
	vitalsInterval = 500 * time.Millisecond
	// A process that leaks doubles these many times over in twenty minutes; one that does not stays well within.
	maxGoroutineFactor, maxMemoryFactor = 1.5, 2.0
)

// vital is what one manager takes.
type vital struct{ kib, goroutines int }

// vitals follows what the managers take.
type vitals struct {
	fleet *local.Fleet
	token string
	// granted are the objects that let the token read metrics.
	granted []client.Object
	samples []map[string]vital
}

// newVitals makes an account on the host that may read metrics, with a token of its own.
func newVitals(ctx context.Context, fleet *local.Fleet, ns string) (*vitals, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "metrics-reader"}}
	name := metav1.ObjectMeta{Name: "metrics-reader-of-" + ns}
	v := &vitals{fleet: fleet, granted: []client.Object{
		&rbacv1.ClusterRole{ObjectMeta: name, Rules: []rbacv1.PolicyRule{{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}}}},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: name,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name.Name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: ns, Name: account.Name}},
		},
	}}
	for _, obj := range append([]client.Object{account}, v.granted...) {
		if err := fleet.Host.Client().Create(ctx, obj); err != nil {
			return nil, fmt.Errorf("granting the metrics: %w", err)
		}
	}
	request := &authenticationv1.TokenRequest{}
	if err := fleet.Host.Client().SubResource("token").Create(ctx, account, request); err != nil {
		return nil, fmt.Errorf("asking for a token that may read metrics: %w", err)
	}
	v.token = request.Status.Token
	return v, nil
}

func (v *vitals) remove(ctx context.Context) error {
	var problems []error
	for _, obj := range v.granted {
		problems = append(problems, client.IgnoreNotFound(v.fleet.Host.Client().Delete(ctx, obj)))
	}
	return errors.Join(problems...)
}

// sample notes and prints what each manager takes now.
func (v *vitals) sample(ctx context.Context, out io.Writer, when string) error {
	sample := map[string]vital{}
	for _, name := range v.fleet.Managers() {
		var last error
		err := wait.PollUntilContextTimeout(ctx, vitalsInterval, vitalsTimeout, true, func(ctx context.Context) (bool, error) {
			var seen vital
			if seen, last = v.read(ctx, name); last == nil {
				sample[name] = seen
			}
			return last == nil, nil
		})
		if err != nil {
			return errors.Join(err, last)
		}
		_, _ = fmt.Fprintf(out, "          %s: %s holds %d MiB and %d goroutines\n", when, name, sample[name].kib/1024, sample[name].goroutines)
	}
	v.samples = append(v.samples, sample)
	return nil
}

func (v *vitals) read(ctx context.Context, name string) (vital, error) {
	kib, err := v.fleet.ResidentMemory(name)
	if err != nil {
		return vital{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+v.fleet.MetricsAddress(name)+"/metrics", nil)
	if err != nil {
		return vital{}, fmt.Errorf("reading the metrics of %s: %w", name, err)
	}
	request.Header.Set("Authorization", "Bearer "+v.token)
	// The manager signs its certificate itself.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport, Timeout: attemptTimeout}).Do(request)
	if err != nil {
		return vital{}, fmt.Errorf("reading the metrics of %s: %w", name, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return vital{}, fmt.Errorf("reading the metrics of %s: %s", name, response.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return vital{}, fmt.Errorf("reading the metrics of %s: %w", name, err)
	}
	metrics := families[goroutineMetric].GetMetric()
	if len(metrics) == 0 {
		return vital{}, fmt.Errorf("the metrics of %s have no %s", name, goroutineMetric)
	}
	return vital{kib: kib, goroutines: int(metrics[0].GetGauge().GetValue())}, nil
}

// flat compares the last sample with the second: the first was taken before there was any load. Managers change their roles, so the
// one that takes most stands for all.
func (v *vitals) flat() error {
	if len(v.samples) < 3 {
		return nil
	}
	first, last := most(v.samples[1]), most(v.samples[len(v.samples)-1])
	if float64(last.goroutines) > maxGoroutineFactor*float64(first.goroutines) || float64(last.kib) > maxMemoryFactor*float64(first.kib) {
		return fmt.Errorf("the managers grow: from %d KiB and %d goroutines to %d and %d", first.kib, first.goroutines, last.kib, last.goroutines)
	}
	return nil
}

func most(sample map[string]vital) vital {
	var all vital
	for _, s := range sample {
		all = vital{kib: max(all.kib, s.kib), goroutines: max(all.goroutines, s.goroutines)}
	}
	return all
}
