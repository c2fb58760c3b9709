package applyplan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// applied is a Deployment as a member holds it after Flotilla applied it: with fields of others beside ours.
const applied = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  labels: {app: web, team: theirs}
spec:
  replicas: 2
  strategy: {type: RollingUpdate}
  template:
    spec:
      nodeSelector: {disk: ssd}
      containers:
      - name: injected
        image: sidecar
      - name: web
        image: web:1
        resources: {requests: {cpu: "1", memory: 64Mi}}
        ports:
        - {containerPort: 80, protocol: TCP}
        volumeMounts: []
      volumes:
      - name: tmp
        emptyDir: {}
`

const fields = `{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:replicas":{},"f:template":{"f:spec":{
"f:nodeSelector":{},
"f:containers":{"k:{\"name\":\"web\"}":{".":{},"f:name":{},"f:image":{},"f:resources":{"f:requests":{"f:cpu":{},"f:memory":{}}},
"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}},
"f:volumes":{"k:{\"name\":\"tmp\"}":{".":{},"f:name":{},"f:emptyDir":{}}}}}}}`

func object(t *testing.T, text string, owner string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	if owner != "" {
		u.SetManagedFields([]metav1.ManagedFieldsEntry{
			{Manager: "other", Operation: metav1.ManagedFieldsOperationUpdate, FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:strategy":{}}}`)},
			{Manager: owner, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(fields)},
		})
	}
	return u
}

func owned(t *testing.T, u *unstructured.Unstructured) string {
	t.Helper()
	got, err := Owned(u, FieldManager)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestOwnedHoldsOurValuesAndNobodyElses(t *testing.T) {
	got := owned(t, object(t, applied, FieldManager))
	want := `{"f:metadata":{"f:labels":{"f:app":"web"}},"f:spec":{"f:replicas":2,"f:template":{"f:spec":{` +
		`"f:containers":{"k:{\"name\":\"web\"}":{"f:image":"web:1","f:name":"web","f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{"f:containerPort":80}},` +
		`"f:resources":{"f:requests":{"f:cpu":"1","f:memory":"64Mi"}}}},` +
		`"f:nodeSelector":{"disk":"ssd"},"f:volumes":{"k:{\"name\":\"tmp\"}":{"f:emptyDir":{},"f:name":"tmp"}}}}}}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Owned() differs (-want +got):\n%s", diff)
	}
	if got := owned(t, object(t, applied, "somebody-else")); got != "" {
		t.Errorf("Owned() of another manager's object = %s, want nothing", got)
	}
}

// wanted is the manifest that made the object above, as the host renders it.
const wanted = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  labels: {app: web}
spec:
  replicas: 2
  template:
    spec:
      nodeSelector: {disk: ssd}
      containers:
      - name: web
        image: web:1
        resources: {requests: {cpu: 1000m, memory: 64Mi}}
        ports:
        - {containerPort: 80}
        volumeMounts: []
      volumes:
      - name: tmp
        emptyDir: {}
`

func TestAManifestHolds(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(live, manifest map[string]any)
		want   bool
	}{
		"as applied, quantities and defaulted keys compared by meaning": {func(_, _ map[string]any) {}, true},
		"when others add labels, containers and fields":                 {func(live, _ map[string]any) { set(live, "x", "metadata", "labels", "more") }, true},
		"not when a value of ours was changed":                          {func(live, _ map[string]any) { set(live, int64(3), "spec", "replicas") }, false},
		"not when an owned map got another value":                       {func(live, _ map[string]any) { set(live, "hdd", "spec", "template", "spec", "nodeSelector", "disk") }, false},
		"not when our container is gone":                                {func(live, _ map[string]any) { set(live, []any{}, "spec", "template", "spec", "containers") }, false},
		"not when the manifest wants a new field":                       {func(_, m map[string]any) { set(m, "x", "metadata", "labels", "new") }, false},
		"not when the manifest wants another element": {func(_, m map[string]any) {
			set(m, []any{map[string]any{"name": "other", "emptyDir": map[string]any{}}}, "spec", "template", "spec", "volumes")
		}, false},
		"when the manifest wants something empty": {func(_, m map[string]any) { set(m, map[string]any{}, "spec", "strategy") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			live, manifest := object(t, applied, FieldManager), object(t, wanted, "")
			tc.change(live.Object, manifest.Object)
			if got := Holds(manifest.Object, owned(t, live)); got != tc.want {
				t.Errorf("Holds() = %v, want %v; owned: %s", got, tc.want, owned(t, live))
			}
		})
	}
}

func set(obj map[string]any, value any, path ...string) {
	for _, field := range path[:len(path)-1] {
		obj, _ = obj[field].(map[string]any)
	}
	obj[path[len(path)-1]] = value
}

func FuzzOwnedAndHoldsTakeAnything(f *testing.F) {
	f.Add(fields, applied, wanted)
	f.Add(`{"f:a":{"v:1":{},"i:0":{}}}`, `{"a":[1,null,{}]}`, `{"a":[1]}`)
	f.Add(`{"f:a":{"k:{":{}}}`, `{"a":[{"b":1}]}`, `{"a":{"b":null}}`)
	f.Fuzz(func(t *testing.T, fields, live, manifest string) {
		var have, want map[string]any
		if yaml.Unmarshal([]byte(live), &have) != nil || yaml.Unmarshal([]byte(manifest), &want) != nil {
			return
		}
		u := &unstructured.Unstructured{Object: map[string]any{}}
		for key, value := range have {
			if key != "metadata" {
				u.Object[key] = value
			}
		}
		u.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: FieldManager, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(fields)}})
		text, err := Owned(u, FieldManager)
		if err != nil {
			return
		}
		_ = Holds(want, text)
	})
}

func TestWhenAnObjectWasWrittenIsNoPartOfWhatIsOwned(t *testing.T) {
	u := object(t, "metadata: {name: a, annotations: {flotilla.dev/written: now, flotilla.dev/hash: h}}", "")
	u.SetManagedFields([]metav1.ManagedFieldsEntry{{
		Manager: FieldManager, Operation: metav1.ManagedFieldsOperationApply,
		FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:annotations":{"f:flotilla.dev/written":{},"f:flotilla.dev/hash":{}}}}`),
	}})
	got, err := Owned(u, FieldManager)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"f:metadata":{"f:annotations":{"f:flotilla.dev/hash":"h"}}}`, got); diff != "" {
		t.Errorf("Owned() differs (-want +got):\n%s", diff)
	}
}
