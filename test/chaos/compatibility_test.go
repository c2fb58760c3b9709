package chaos

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// durationVariable lets the compatibility run go on for longer than its forced rounds take, such as 10m.
const durationVariable = "FLOTILLA_COMPATIBILITY_DURATION"

// forcedRounds is how often, at least, everything is rendered and decided anew.
const forcedRounds = 8

const podTemplate = `{metadata: {labels: {app: a}}, spec: {containers: [{name: main, image: "shop/main:1", ports: [{containerPort: 80}], resources: {requests: {cpu: 1000m, memory: 1024Mi}},
	livenessProbe: {tcpSocket: {port: 80}}, env: [{name: A, value: b}], volumeMounts: [{name: scratch, mountPath: /tmp}]}], volumes: [{name: scratch, emptyDir: {}}]}}`

// native are objects of native kinds, written as people write them: the API server adds defaults to each.
var native = []string{
	`{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 1, selector: {matchLabels: {app: a}}, template: ` + podTemplate + `}}`,
	`{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 1, serviceName: a, selector: {matchLabels: {app: a}}, template: ` + podTemplate + `}}`,
	`{apiVersion: apps/v1, kind: DaemonSet, spec: {selector: {matchLabels: {app: a}}, template: ` + podTemplate + `}}`,
	`{apiVersion: batch/v1, kind: Job, spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: shop/main}]}}}}`,
	`{apiVersion: batch/v1, kind: CronJob, spec: {schedule: "0 3 1 1 *", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: shop/main}]}}}}}}`,
	`{apiVersion: v1, kind: Service, spec: {selector: {app: a}, ports: [{port: 80, name: http}, {port: 53, protocol: UDP, name: dns}]}}`,
	`{apiVersion: v1, kind: ConfigMap, data: {a: b}}`,
	`{apiVersion: v1, kind: Secret, stringData: {a: b}}`,
	`{apiVersion: v1, kind: ServiceAccount}`,
	`{apiVersion: networking.k8s.io/v1, kind: Ingress, spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}}]}}`,
	`{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, spec: {podSelector: {matchLabels: {app: a}}, ingress: [{ports: [{port: 80}]}]}}`,
	`{apiVersion: policy/v1, kind: PodDisruptionBudget, spec: {minAvailable: 1, selector: {matchLabels: {app: nothing}}}}`,
	`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: none}}}`,
	`{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]}`,
	claim,
}

// claim is wrapped on the host, where it would claim storage.
const claim = `{apiVersion: v1, kind: PersistentVolumeClaim, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1024Mi}}}}`

func parse(t *testing.T, manifest, ns, name string) *unstructured.Unstructured {
	t.Helper()
	obj := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(manifest), &obj.Object); err != nil {
		t.Fatalf("reading %s: %v", manifest, err)
	}
	obj.SetNamespace(ns)
	obj.SetName(name)
	return obj
}

// operation is one operation of a JSON patch.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// mesh is what the webhooks of service meshes do: a label on every object, and a container beside those of a workload.
// What is called rewritten-... gets, beside that, other values than it asks for: a mirror's images, another color.
func mesh(obj *unstructured.Unstructured) []operation {
	operations := []operation{}
	if obj.GetLabels() == nil {
		operations = append(operations, operation{"add", "/metadata/labels", map[string]string{}})
	}
	operations = append(operations, operation{"add", "/metadata/labels/mesh.example.com~1injected", "yes"})
	containers, isWorkload, _ := unstructured.NestedSlice(obj.Object, "spec", "template", "spec", "containers")
	if isWorkload && obj.GetKind() != "Job" {
		operations = append(operations, operation{"add", "/spec/template/metadata/labels/mesh.example.com~1revision", "7"})
		if len(containers) == 1 {
			operations = append(operations, operation{"add", "/spec/template/spec/containers/0", map[string]any{"name": "mesh", "image": "mesh/proxy:1"}})
		}
	}
	if !strings.HasPrefix(obj.GetName(), "rewritten-") {
		return operations
	}
	if isWorkload {
		return append(operations[:len(operations)-1], operation{"replace", "/spec/template/spec/containers/0/image", "mirror.example.com/shop/main:1"})
	}
	return append(operations, operation{"replace", "/data/color", "grey"})
}

// inject installs the webhook in a member for a namespace, and counts its calls.
func inject(t *testing.T, member *local.Cluster, ns string) *atomic.Int64 {
	t.Helper()
	var calls atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		var review admissionv1.AdmissionReview
		obj := &unstructured.Unstructured{}
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := json.Unmarshal(review.Request.Object.Raw, &obj.Object); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		patch, _ := json.Marshal(mesh(obj))
		kind := admissionv1.PatchTypeJSONPatch
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true, Patch: patch, PatchType: &kind}
		review.Request = nil
		_ = json.NewEncoder(w).Encode(review)
	}))
	t.Cleanup(server.Close)
	var (
		none      = admissionregistrationv1.SideEffectClassNone
		again     = admissionregistrationv1.IfNeededReinvocationPolicy
		authority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	)
	webhook := &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "mesh." + ns},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: "mesh.example.com", AdmissionReviewVersions: []string{"v1"}, SideEffects: &none, ReinvocationPolicy: &again,
			ClientConfig:      admissionregistrationv1.WebhookClientConfig{URL: &server.URL, CABundle: authority},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": ns}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{"", "apps", "batch"}, APIVersions: []string{"*"}, Resources: []string{"configmaps", "services", "deployments", "statefulsets", "daemonsets", "jobs"}},
			}},
		}},
	}
	expect.Create(t, member, webhook)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := member.Client().Delete(ctx, webhook); err != nil {
			t.Errorf("removing the webhook: %v", err)
		}
	})
	expect.Eventually(t, "the webhook in "+member.Name, func(ctx context.Context) error {
		probe := builder.ConfigMap(ns, "probe-of-the-webhook")
		if err := client.IgnoreAlreadyExists(member.Client().Create(ctx, probe, client.DryRunAll)); err != nil {
			return err
		}
		if probe.Labels["mesh.example.com/injected"] == "" {
			return fmt.Errorf("it does not label yet")
		}
		return nil
	})
	return &calls
}

// onTheHost is how an object is created there.
func onTheHost(t *testing.T, obj *unstructured.Unstructured) client.Object {
	t.Helper()
	if obj.GetKind() != "PersistentVolumeClaim" {
		return obj.DeepCopy()
	}
	raw, err := obj.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	wrapper := &v1alpha1.ResourceTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: obj.GetNamespace(), Name: obj.GetName()}}
	wrapper.Spec.Manifest = runtime.RawExtension{Raw: raw}
	return wrapper
}

// grantRoles lets Flotilla give a member Roles, of the rights that it has itself.
func grantRoles(t *testing.T, member *local.Cluster) {
	t.Helper()
	name := metav1.ObjectMeta{Name: "flotilla-roles"}
	objects := []client.Object{
		&rbacv1.ClusterRole{ObjectMeta: name, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{rbacv1.GroupName}, Resources: []string{"roles"}, Verbs: []string{"get", "list", "watch", "create", "patch", "delete"},
		}}},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: name,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name.Name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: v1alpha1.SystemNamespace, Name: "flotilla"}},
		},
	}
	expect.Create(t, member, objects...)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for _, obj := range objects {
			if err := client.IgnoreNotFound(member.Client().Delete(ctx, obj)); err != nil {
				t.Errorf("deleting %T: %v", obj, err)
			}
		}
	})
}

// version is what a write to an object changes. Generation counts changes of what is wanted, ResourceVersion each change.
type version struct{ UID, Generation, ResourceVersion string }

// versions are those of objects in all members, by the member, resource and name that writes are counted by.
func versions(t *testing.T, fleet *local.Fleet, objects []*unstructured.Unstructured) map[string]version {
	t.Helper()
	seen := map[string]version{}
	for _, member := range fleet.Members {
		for _, obj := range objects {
			live := obj.DeepCopy()
			if err := member.Client().Get(t.Context(), client.ObjectKeyFromObject(obj), live); err != nil {
				t.Fatal(err)
			}
			resource, _ := meta.UnsafeGuessKindToResource(obj.GroupVersionKind())
			seen[fmt.Sprintf("%s %s/%s", member.Name, resource.Resource, obj.GetName())] = version{string(live.GetUID()), fmt.Sprint(live.GetGeneration()), live.GetResourceVersion()}
		}
	}
	return seen
}

// unchanged fails for each object that is another one, or of which something else than the status has changed, and for each
// whose status has changed although nobody but Flotilla wrote to it.
func unchanged(t *testing.T, before, after map[string]version, others map[string]int) {
	t.Helper()
	exact := 0
	for what, was := range before {
		is := after[what]
		switch {
		case is == was:
			exact++
		case is.UID != was.UID || is.Generation != was.Generation || others[what] == 0:
			t.Errorf("%s went from %+v to %+v, with %d writes of the member's own controllers", what, was, is, others[what])
		}
	}
	t.Logf("%d of %d objects have the resource version that they had, of the others members wrote the status", exact, len(before))
}

// countWrites counts the write requests that were granted, whether they changed something or not, to a namespace of every member: those
// of Flotilla, and those of everybody else. How many fail and are made again depends on how busy the machine is.
func countWrites(t *testing.T, fleet *local.Fleet, ns string, since time.Time) (ours, others map[string]int) {
	t.Helper()
	ours, others = map[string]int{}, map[string]int{}
	for _, member := range fleet.Members {
		writes, err := member.Writes(since)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range writes {
			what := fmt.Sprintf("%s %s/%s", member.Name, w.Resource, w.Name)
			switch {
			case w.Namespace != ns, w.Code >= http.StatusMultipleChoices:
			case strings.HasPrefix(w.User, "system:serviceaccount:"+v1alpha1.SystemNamespace+":"):
				ours[what]++
			default:
				others[what]++
			}
		}
	}
	return ours, others
}

// roundLabel is the label of Clusters that counts the rounds.
const roundLabel = "compatibility-round"

// numberRound labels every member's Cluster, so that everything is rendered and decided anew.
func numberRound(t *testing.T, fleet *local.Fleet, round int) {
	t.Helper()
	for _, member := range fleet.Members {
		cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: member.Name}}
		expect.Change(t, fleet.Host, cluster, func(c *v1alpha1.Cluster) {
			metav1.SetMetaDataLabel(&c.ObjectMeta, roundLabel, fmt.Sprint(round))
		})
	}
}

// forceRound has everything decided anew, and waits until it was: until the witness has the number of the round in every member,
// and nobody writes any more.
func forceRound(t *testing.T, fleet *local.Fleet, ns string, round int) {
	t.Helper()
	numberRound(t, fleet, round)
	for _, member := range fleet.Members {
		expect.Seen(t, member, builder.ConfigMap(ns, witness), func(c *corev1.ConfigMap) error {
			if c.Labels["round"] != fmt.Sprint(round) {
				return fmt.Errorf("it is of round %q, want %d", c.Labels["round"], round)
			}
			return nil
		})
	}
	expect.Quiet(t, fleet)
}

// witness is the one ConfigMap that differs from round to round: it proves that a round took place, and that writes are counted.
const witness = "witness"

// witnessing are the witness and what makes it differ.
func witnessing(ns string) []client.Object {
	override := &v1alpha1.OverridePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: witness}}
	override.Spec.ResourceSelectors = []v1alpha1.ResourceSelector{{APIVersion: "v1", Kind: "ConfigMap", Name: witness}}
	override.Spec.OverrideRules = []v1alpha1.OverrideRule{{Overriders: v1alpha1.Overriders{LabelsOverrider: []v1alpha1.LabelAnnotationOverrider{{
		Operator: v1alpha1.OverrideAdd, Value: map[string]string{"round": "${cluster.labels[" + roundLabel + "]}"},
	}}}}}
	return []client.Object{override, builder.Policy(ns, witness, builder.Selecting("v1", "ConfigMap", witness)), builder.ConfigMap(ns, witness)}
}

func restartManagers(t *testing.T, fleet *local.Fleet) {
	t.Helper()
	for _, name := range []string{"manager-0", "manager-1"} {
		if err := fleet.Kill(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"manager-0", "manager-1"} {
		if err := fleet.Start(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	expect.Leader(t, fleet)
}

// appliedEverywhere waits until every binding of a namespace is applied in every member.
func appliedEverywhere(t *testing.T, fleet *local.Fleet, ns string, n int) {
	t.Helper()
	expect.Eventually(t, fmt.Sprintf("%d bindings that are applied", n), func(ctx context.Context) error {
		var bindings v1alpha1.ResourceBindingList
		if err := fleet.Host.Client().List(ctx, &bindings, client.InNamespace(ns)); err != nil {
			return err
		}
		applied := 0
		for _, b := range bindings.Items {
			if meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.ConditionApplied) {
				applied++
			}
		}
		if applied != n || len(bindings.Items) != n {
			return fmt.Errorf("%d of %d are applied, want %d", applied, len(bindings.Items), n)
		}
		return nil
	})
}

// spread propagates an object of every native kind to all members, beside two that member1 rewrites, one there that is only told of,
// and the witness. It returns those that nobody may write to again, and how many bindings there are.
func spread(t *testing.T, fleet *local.Fleet, ns string) ([]*unstructured.Unstructured, int) {
	t.Helper()
	var objects []*unstructured.Unstructured
	policy := builder.Policy(ns, "all")
	for _, manifest := range native {
		obj := parse(t, manifest, ns, "web")
		objects = append(objects, obj)
		policy.Spec.ResourceSelectors = append(policy.Spec.ResourceSelectors, v1alpha1.ResourceSelector{APIVersion: obj.GetAPIVersion(), Kind: obj.GetKind(), Name: "web"})
	}
	objects = append(objects, parse(t, settings, ns, "rewritten-settings"), parse(t, native[0], ns, "rewritten-web"), parse(t, settings, ns, reported))
	report := builder.Policy(ns, "report", builder.Selecting("v1", "ConfigMap", reported))
	report.Spec.ApplyRules = &v1alpha1.ApplyRules{DriftPolicy: v1alpha1.DriftReport}
	numberRound(t, fleet, 0)
	expect.Create(t, fleet.Host, witnessing(ns)...)
	expect.Create(t, fleet.Host, policy, report,
		builder.Policy(ns, "rewritten", builder.Selecting("v1", "ConfigMap", "rewritten-settings"), builder.Selecting("apps/v1", "Deployment", "rewritten-web")))
	for _, obj := range objects {
		expect.Create(t, fleet.Host, onTheHost(t, obj))
	}
	return objects, len(objects) + 1
}

const (
	settings = `{apiVersion: v1, kind: ConfigMap, data: {color: red}}`
	reported = "rewritten-report"
)

// TestMembersThatChangeWhatTheyAreGivenAreNotWrittenToAgain propagates native kinds to three members: two that only fill in
// defaults, and one with a webhook as service meshes have it. It then has everything decided anew many times, and restarts the
// managers, and counts the requests.
func TestMembersThatChangeWhatTheyAreGivenAreNotWrittenToAgain(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	for _, member := range fleet.Members {
		expect.Create(t, member, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}})
		grantRoles(t, member)
	}
	calls := inject(t, fleet.Member("member1"), ns)
	objects, n := spread(t, fleet, ns)
	appliedEverywhere(t, fleet, ns, n)
	expect.Quiet(t, fleet)

	t.Log("everything is decided anew, again and again")
	before, start, called := versions(t, fleet, objects), time.Now(), calls.Load()
	end := start.Add(runFor(t))
	round := 0
	for round < forcedRounds || time.Now().Before(end) {
		round++
		forceRound(t, fleet, ns, round)
	}
	ours, others := countWrites(t, fleet, ns, start)
	witnessed := testify(ours, fleet)
	t.Logf("%s, %d rounds, %d objects in %d members: %d writes beside %v of the witness, %d calls of the webhook",
		time.Since(start).Round(time.Second), round, len(objects), len(fleet.Members), total(ours), witnessed, calls.Load()-called)
	for member, writes := range witnessed {
		if writes != round {
			t.Errorf("the witness was written to %d times in %s, want once in each of %d rounds", writes, member, round)
		}
	}
	if len(ours) > 0 {
		t.Errorf("Flotilla wrote again to %v", ours)
	}
	unchanged(t, before, versions(t, fleet, objects), others)

	t.Log("a restart forgets what members answered: what they rewrite costs one request, and no change")
	before, start = versions(t, fleet, objects), time.Now()
	restartManagers(t, fleet)
	expect.Quiet(t, fleet)
	for again := range 3 {
		forceRound(t, fleet, ns, round+1+again)
	}
	ours, others = countWrites(t, fleet, ns, start)
	testify(ours, fleet)
	t.Logf("after a restart: %v", ours)
	for what, count := range ours {
		if !strings.HasPrefix(what, "member1 ") || !strings.Contains(what, "/rewritten-") || count > 1 {
			t.Errorf("%s was written to %d times", what, count)
		}
	}
	unchanged(t, before, versions(t, fleet, objects), others)
	expect.Seen(t, fleet.Host, expect.Binding(builder.ConfigMap(ns, reported)), expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied, ""))

	t.Log("it all goes with its namespace, while Flotilla has still the right to manage Roles in the members")
	namespace := builder.TemplateNamespace(ns)
	expect.Delete(t, fleet.Host, namespace)
	expect.Gone(t, fleet.Host, namespace)
}

// testify takes the writes to the witness out of those that were counted, and returns them by member.
func testify(counts map[string]int, fleet *local.Fleet) map[string]int {
	witnessed := map[string]int{}
	for _, member := range fleet.Members {
		what := member.Name + " configmaps/" + witness
		witnessed[member.Name] = counts[what]
		delete(counts, what)
	}
	return witnessed
}

func total(counts map[string]int) int {
	sum := 0
	for _, count := range counts {
		sum += count
	}
	return sum
}

func runFor(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv(durationVariable)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", durationVariable, err)
	}
	return d
}
