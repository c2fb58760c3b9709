package interpretation

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// bed is a Reconciler over a host that holds some interpreters.
type bed struct {
	*Reconciler
	host     client.Client
	recorder *events.FakeRecorder
	changed  []v1alpha1.InterpreterTarget
}

func newBed(t *testing.T, interpreters ...client.Object) *bed {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	b := &bed{
		host:     fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.ResourceInterpreter{}).WithObjects(interpreters...).Build(),
		recorder: events.NewFakeRecorder(10),
	}
	o := Options{Interpreter: interpreter.New(), Clock: clocktesting.NewFakePassiveClock(start)}
	o.Interpreter.OnChange(func(changed []v1alpha1.InterpreterTarget) { b.changed = append(b.changed, changed...) })
	b.Reconciler = newReconciler(b.host, b.recorder, o)
	return b
}

func (b *bed) reconcile(t *testing.T) {
	t.Helper()
	if _, err := b.Reconcile(t.Context(), everything); err != nil {
		t.Fatal(err)
	}
}

func (b *bed) status(t *testing.T, name string) v1alpha1.ResourceInterpreterStatus {
	t.Helper()
	ri := &v1alpha1.ResourceInterpreter{}
	if err := b.host.Get(t.Context(), client.ObjectKey{Name: name}, ri); err != nil {
		t.Fatal(err)
	}
	return ri.Status
}

// events are the reasons of the events so far.
func (b *bed) heard() (reasons []string) {
	for {
		select {
		case event := <-b.recorder.Events:
			reasons = append(reasons, strings.Fields(event)[1])
		default:
			return reasons
		}
	}
}

// healthOf is an interpreter of databases that was made so many minutes after the start.
func healthOf(name, expression string, minutes int) *v1alpha1.ResourceInterpreter {
	return &v1alpha1.ResourceInterpreter{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Generation: 1, CreationTimestamp: metav1.NewTime(start.Add(time.Duration(minutes) * time.Minute))},
		Spec: v1alpha1.ResourceInterpreterSpec{
			Target: v1alpha1.InterpreterTarget{APIVersion: "example.com/v1", Kind: "Database"},
			Health: &v1alpha1.ExpressionRule{Expression: expression},
		},
	}
}

func database(status map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"status": status}}
	u.SetAPIVersion("example.com/v1")
	u.SetKind("Database")
	u.SetNamespace("shop")
	u.SetName("orders")
	return u
}

func condition(conditionType, reason, message string, status metav1.ConditionStatus) metav1.Condition {
	return metav1.Condition{Type: conditionType, Status: status, Reason: reason, Message: message, ObservedGeneration: 1}
}

func TestWhatIsTaughtCountsAndSaysSo(t *testing.T) {
	b := newBed(t, healthOf("databases", "object.status.phase == 'Up'", 0))
	b.reconcile(t)
	if got := b.interpreter.Health(database(map[string]any{"phase": "Up"})); got != v1alpha1.Healthy {
		t.Errorf("health is %s", got)
	}
	if got := b.interpreter.Health(database(map[string]any{"phase": "Down"})); got != v1alpha1.Unhealthy {
		t.Errorf("health is %s", got)
	}
	b.expect(t, "databases", condition("Ready", "Taught", "taught: health", metav1.ConditionTrue))
	if diff := cmp.Diff([]v1alpha1.InterpreterTarget{{APIVersion: "example.com/v1", Kind: "Database"}}, b.changed); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	b.reconcile(t)
	if len(b.changed) != 1 {
		t.Errorf("a second look changes something: %v", b.changed)
	}
}

func (b *bed) expect(t *testing.T, name string, want ...metav1.Condition) {
	t.Helper()
	got := b.status(t, name).Conditions
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(metav1.Condition{}, "LastTransitionTime")); diff != "" {
		t.Errorf("conditions of %s (-want +got):\n%s", name, diff)
	}
}

func TestAnExpressionThatDoesNotCompileIsNamedAndAnswersNothing(t *testing.T) {
	b := newBed(t, healthOf("databases", "object.status.phase ==", 0))
	b.reconcile(t)
	got := b.status(t, "databases").Conditions
	if len(got) != 1 || got[0].Reason != v1alpha1.ReasonInvalidExpression || !strings.HasPrefix(got[0].Message, "spec.health.expression: ") {
		t.Errorf("conditions are %v", got)
	}
	if got := b.interpreter.Health(database(map[string]any{"phase": "Up"})); got != v1alpha1.HealthUnknown {
		t.Errorf("health is %s", got)
	}
	if diff := cmp.Diff([]string{v1alpha1.ReasonInvalidExpression}, b.heard()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestAnExpressionThatFailsOnAnObjectIsToldOnce(t *testing.T) {
	b := newBed(t, healthOf("databases", "object.status.phase == 'Up'", 0))
	b.reconcile(t)
	b.interpreter.Health(database(nil))
	b.reconcile(t)
	b.reconcile(t)
	b.expect(t, "databases",
		condition("Ready", "Taught", "taught: health", metav1.ConditionTrue),
		condition("EvaluationFailed", "EvaluationFailed", "spec.health.expression of Database shop/orders: no such key: phase", metav1.ConditionTrue))
	if diff := cmp.Diff([]string{v1alpha1.ReasonEvaluationFailed}, b.heard()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestTheOlderOfTwoThatTeachTheSameCounts(t *testing.T) {
	b := newBed(t, healthOf("a-newer", "false", 1), healthOf("older", "true", 0))
	b.reconcile(t)
	if got := b.interpreter.Health(database(nil)); got != v1alpha1.Healthy {
		t.Errorf("health is %s", got)
	}
	b.expect(t, "older", condition("Ready", "Taught", "taught: health", metav1.ConditionTrue))
	b.expect(t, "a-newer", condition("Ready", "AlreadyTaught", "spec.health: ResourceInterpreter older teaches it already, and is older", metav1.ConditionFalse))
}

func TestWhatIsTakenBackCountsNoMore(t *testing.T) {
	taught := healthOf("databases", "false", 0)
	b := newBed(t, taught)
	b.reconcile(t)
	if err := b.host.Delete(t.Context(), taught); err != nil {
		t.Fatal(err)
	}
	b.reconcile(t)
	if got := b.interpreter.Health(database(nil)); got != v1alpha1.Healthy {
		t.Errorf("health is %s", got)
	}
	if len(b.changed) != 2 {
		t.Errorf("changed: %v", b.changed)
	}
}

func TestAStandbyManagerLearnsAndWritesNothing(t *testing.T) {
	b := newBed(t, healthOf("databases", "false", 0))
	b.leads = func() bool { return false }
	b.reconcile(t)
	if got := b.interpreter.Health(database(nil)); got != v1alpha1.Unhealthy {
		t.Errorf("health is %s", got)
	}
	if got := b.status(t, "databases"); !slices.Equal(got.Operations, nil) || got.Conditions != nil {
		t.Errorf("status is %v", got)
	}
}
