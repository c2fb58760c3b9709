package metrics

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

var bed = local.Bed{Options: local.Options{Members: 3, Managers: 2, Nodes: 2, ManagerConfig: "testdata/manager.yaml"}}

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	os.Exit(bed.Run(m))
}

// maxSeries bounds what one manager of a fleet of three members is scraped for. docs/metrics.md tells what was measured, and it
// is to be measured again before this is raised.
const maxSeries = 2500

// templates is how many there are of the load.
const templates = 20

func TestEveryQueryHasAnAnswerWhileAFleetWorks(t *testing.T) {
	program(t) // before a fleet is started for nothing
	fleet := bed.Fleet(t)
	refusesStrangers(t, fleet)
	rules := rulesOf(t)
	p := startPrometheus(t, fleet, atOnce(rules))
	reportCost(t, p, "at idle")

	before := p.timed(t)
	load(t, fleet)
	eachTimedOnce(t, p, before)
	trouble(t, fleet)
	if err := fleet.Cut(t.Context(), "member3"); err != nil {
		t.Fatal(err)
	}
	p.fires(t, "FlotillaClusterNotReady", "member3")
	p.fires(t, "FlotillaObjectsNotApplied", "member1 ForeignObject")
	p.fires(t, "FlotillaOverrideFailing", "member1 OverrideFailed")
	p.fires(t, "FlotillaTemplateKindsFailing", "")
	p.fires(t, "FlotillaReplicasWaiting", "")

	queries := append(dashboardQueries(t), ruleQueries(rules)...)
	t.Logf("%d queries", len(queries))
	expect.Eventually(t, "an answer to every query", func(ctx context.Context) error {
		var problems []error
		for _, query := range queries {
			problems = append(problems, p.matches(ctx, query))
		}
		return errors.Join(problems...)
	})
	reportCost(t, p, "under load")
	unexpected(t, p)

	leader := expect.Leader(t, fleet)
	names := fleet.Managers()
	standby := names[(slices.Index(names, leader)+1)%len(names)]
	for _, name := range []string{standby, leader} {
		if err := fleet.Kill(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		p.fires(t, "FlotillaManagerDown", fleet.MetricsAddress(name))
	}
	p.fires(t, "FlotillaNoLeader", "")
}

// unexpected fails the test when an alert for which there is no reason yet fires and does not end. On a busy machine some begin: here
// each fires after a second.
func unexpected(t *testing.T, p prometheus) {
	t.Helper()
	reasons := []string{
		"FlotillaClusterNotReady", "FlotillaObjectsNotApplied", "FlotillaOverrideFailing", "FlotillaTemplateKindsFailing", "FlotillaReplicasWaiting",
		"FlotillaMovesStuck",                                                         // what moves did so for a second, and here that counts as an hour
		"FlotillaEvictionsWaiting",                                                   // from the member that is cut
		"FlotillaDriftCorrected", "FlotillaWritesFailing", "FlotillaPropagationSlow", // the machine is busy, and a member away
		"FlotillaReconcileErrors",
	}
	expect.Eventually(t, "an end of alerts that have no reason", func(ctx context.Context) error {
		firing, err := p.firing(ctx)
		if err != nil {
			return err
		}
		var problems []error
		for name, about := range firing {
			if !slices.Contains(reasons, name) {
				problems = append(problems, fmt.Errorf("the alert %s fires about %v", name, about))
			}
		}
		return errors.Join(problems...)
	})
}

// refusesStrangers shows that only those are served who may be.
func refusesStrangers(t *testing.T, fleet *local.Fleet) {
	t.Helper()
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+fleet.MetricsAddress("manager-0")+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := insecure.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if diff := cmp.Diff(http.StatusUnauthorized, response.StatusCode); diff != "" {
		t.Errorf("a stranger is answered with (-want +got):\n%s", diff)
	}
}

// reportCost tells what scraping costs, and bounds the series.
func reportCost(t *testing.T, p prometheus, when string) {
	t.Helper()
	series := p.sum(t, `max(scrape_samples_scraped{job="flotilla"})`)
	own := p.sum(t, `max(count by (instance) ({__name__=~"flotilla_.*",job="flotilla"}))`)
	member := p.sum(t, `max(count by (instance, member_cluster) ({member_cluster!="",job="flotilla"}))`) +
		p.sum(t, `max(count by (instance, host) ({host!="",job="flotilla"}))`) // client-go names members by their address
	seconds := p.sum(t, `quantile(0.5, quantile_over_time(0.5, scrape_duration_seconds{job="flotilla"}[1m]))`)
	t.Logf("%s: at most %.0f series of a manager, %.0f of them Flotilla's own, and %.0f about one member; half of the scrapes took less than %.0f ms",
		when, series, own, member, 1000*seconds)
	if series > maxSeries || series < 100 {
		t.Errorf("%s a manager has %.0f series, want 100 to %d", when, series, maxSeries)
	}
}

// load creates, changes and deletes templates.
func load(t *testing.T, fleet *local.Fleet) {
	t.Helper()
	ns := expect.Namespace(t, fleet)
	policy := builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", ""))
	expect.Create(t, fleet.Host, policy)
	// What is there when a kind is first watched is no change.
	expect.Seen(t, fleet.Host, policy, func(p *v1alpha1.PropagationPolicy) error {
		return expect.HasCondition(p.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonWatching, "")
	})
	for i := range templates {
		expect.Create(t, fleet.Host, builder.ConfigMap(ns, fmt.Sprintf("settings-%d", i), "color", "red"))
	}
	last := fmt.Sprintf("settings-%d", templates-1)
	for _, member := range fleet.Members {
		expect.Seen(t, member, builder.ConfigMap(ns, last), expect.Present)
	}
	for i := range templates {
		expect.Change(t, fleet.Host, builder.ConfigMap(ns, fmt.Sprintf("settings-%d", i)), func(c *corev1.ConfigMap) { c.Data["color"] = "blue" })
	}
	expect.Seen(t, fleet.Members[1], builder.ConfigMap(ns, last), func(c *corev1.ConfigMap) error {
		if c.Data["color"] != "blue" {
			return errors.New("the change has not arrived")
		}
		return nil
	})
	expect.Change(t, fleet.Members[1], builder.ConfigMap(ns, last), func(c *corev1.ConfigMap) { c.Data["color"] = "drifted" })
	expect.Delete(t, fleet.Host, builder.ConfigMap(ns, "settings-0"))
	expect.Gone(t, fleet.Members[0], builder.ConfigMap(ns, "settings-0"))
}

// timed is how many changes of templates were timed, by operation.
func (p prometheus) timed(t *testing.T) map[string]float64 {
	t.Helper()
	counts := map[string]float64{}
	for _, operation := range []string{"create", "update"} {
		counts[operation] = p.sum(t, `flotilla_propagation_duration_seconds_count{job="flotilla",operation="`+operation+`"}`)
	}
	return counts
}

// eachTimedOnce checks that each change of the load was timed once, and nothing else: what members report changes statuses too.
func eachTimedOnce(t *testing.T, p prometheus, before map[string]float64) {
	t.Helper()
	expect.Eventually(t, "the times of all changes", func(context.Context) error {
		got := p.timed(t)
		for operation, earlier := range before {
			got[operation] -= earlier
		}
		// The second change of a template may have come before the first had arrived: then the two are one.
		if got["create"] != templates || got["update"] > templates || got["update"] < 0.8*templates {
			return fmt.Errorf("%v were timed, want %d created and changed", got, templates)
		}
		return nil
	})
}

// trouble lets happen what a fleet's administrator wants to hear of, and moves a workload.
func trouble(t *testing.T, fleet *local.Fleet) {
	t.Helper()
	ns := expect.Namespace(t, fleet)
	foreign := builder.ConfigMap(ns, "foreign", "owner", "somebody")
	expect.Create(t, fleet.Members[0], &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, foreign.DeepCopy())
	broken := &v1alpha1.OverridePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "broken"}}
	broken.Spec.ResourceSelectors = []v1alpha1.ResourceSelector{{APIVersion: "v1", Kind: "ConfigMap", Name: "broken"}}
	broken.Spec.OverrideRules = []v1alpha1.OverrideRule{{Overriders: v1alpha1.Overriders{
		Plaintext: []v1alpha1.PlaintextOverrider{{Path: "/data/none", Operator: v1alpha1.OverrideRemove}},
	}}}
	expect.Create(t, fleet.Host, broken,
		builder.Policy(ns, "settings", builder.Selecting("v1", "ConfigMap", ""), builder.Selecting("example.com/v1", "Widget", ""), builder.Clusters("member1")),
		builder.Policy(ns, "web", builder.Selecting("apps/v1", "Deployment", "web"), builder.Weights(map[string]int64{"member1": 1, "member2": 1})),
		builder.Policy(ns, "huge", builder.Selecting("apps/v1", "Deployment", "huge"), builder.ByRoom()),
		builder.ConfigMap(ns, "foreign", "owner", "flotilla"), builder.ConfigMap(ns, "broken", "color", "red"),
		builder.Deployment(ns, "huge", builder.Replicas(3), builder.Requests("cpu", "1000")))
	web := builder.Deployment(ns, "web", builder.Replicas(4))
	expect.Create(t, fleet.Host, web.DeepCopy())
	expect.Runs(t, fleet, web, map[string]int32{"member1": 2, "member2": 2})
	drained := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "member2"}}
	expect.Change(t, fleet.Host, drained, func(c *v1alpha1.Cluster) {
		c.Spec.Taints = append(c.Spec.Taints, corev1.Taint{Key: "example.com/maintenance", Effect: corev1.TaintEffectNoExecute})
	})
	expect.Runs(t, fleet, web, map[string]int32{"member1": 4})
}

func rulesOf(t *testing.T) []ruleGroup {
	t.Helper()
	var file ruleFile
	readYAML(t, "prometheus/rules.yaml", &file)
	if len(file.Spec.Groups) == 0 {
		t.Fatal("there are no rules")
	}
	return file.Spec.Groups
}

// atOnce lets every alert fire after a second.
func atOnce(groups []ruleGroup) []ruleGroup {
	quick := make([]ruleGroup, len(groups))
	for i, group := range groups {
		quick[i] = ruleGroup{Name: group.Name, Rules: slices.Clone(group.Rules)}
		for j := range quick[i].Rules {
			if quick[i].Rules[j].Alert != "" {
				quick[i].Rules[j].For = "1s"
			}
		}
	}
	return quick
}

// threshold is the comparison that makes an alert of what is measured.
var threshold = regexp.MustCompile(`\s(==|<|>)\s[0-9.]+`)

// ruleQueries are the expressions of the rules, those of alerts without their thresholds: where all is well an alert has no data,
// but what it looks at has.
func ruleQueries(groups []ruleGroup) []string {
	var queries []string
	for _, group := range groups {
		for _, r := range group.Rules {
			if r.Alert == "" {
				queries = append(queries, r.Expr, r.Record)
				continue
			}
			queries = append(queries, threshold.ReplaceAllString(r.Expr, ""))
		}
	}
	return queries
}

// dashboardQueries are the queries of the dashboard as Grafana sends them.
func dashboardQueries(t *testing.T) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(config, "grafana", "flotilla.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(content, &dashboard); err != nil {
		t.Fatal(err)
	}
	var queries []string
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			queries = append(queries, strings.NewReplacer("$job", "flotilla", "$__rate_interval", "1m").Replace(target.Expr))
		}
	}
	if len(queries) < 30 {
		t.Fatalf("the dashboard has %d queries, is it the right file?", len(queries))
	}
	return queries
}
