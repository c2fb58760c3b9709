package expression

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEvaluate(t *testing.T) {
	object := map[string]any{
		"spec":   map[string]any{"replicas": int64(3), "cpu": "250m", "big": make([]any, 100_000)},
		"status": map[string]any{"ratio": 0.5, "conditions": []any{map[string]any{"type": "Ready", "status": "True"}}},
	}
	for name, tc := range map[string]struct {
		source string
		result Result
		want   any
		err    string
	}{
		"reads a field":                       {"object.spec.replicas", Integer, int64(3), ""},
		"asks for a field that is absent":     {"object.spec.?other.orValue(7)", Integer, int64(7), ""},
		"loops over a list":                   {"object.status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')", Verdict, true, ""},
		"makes a map of mixed types":          {"{'name': 'a', 'replicas': 2, 'nested': {'list': [1, 'x', 0.5, null, true]}}", Map, map[string]any{"name": "a", "replicas": int64(2), "nested": map[string]any{"list": []any{int64(1), "x", 0.5, nil, true}}}, ""},
		"knows quantities":                    {"{'cpu': quantity(object.spec.cpu).add(quantity('1'))}", Map, map[string]any{"cpu": "1250m"}, ""},
		"names a part with cel.bind":          {"cel.bind(n, object.spec.replicas, n * n)", Integer, int64(9), ""},
		"fails at a field that is absent":     {"object.spec.missing", Integer, nil, "no such key: missing"},
		"fails at the wrong type at run time": {"object.spec.cpu", Integer, nil, "it returned string, and has to return an int"},
		"stops what costs too much":           {"object.spec.big.all(x, object.spec.big.exists(y, y == 1))", Verdict, nil, "actual cost limit exceeded"},
		"refuses keys that are no strings":    {"{1: 2}", Map, nil, "a map has a key of type int"},
	} {
		t.Run(name, func(t *testing.T) {
			program, err := Compile(tc.source, tc.result, Object)
			if err != nil {
				t.Fatal(err)
			}
			got, err := program.Evaluate(map[string]any{Object: object})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("value (-want +got):\n%s", diff)
			}
			mentions(t, err, tc.err)
		})
	}
}

func TestCompileRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		source string
		result Result
		err    string
	}{
		"what is no CEL":                          {"object.spec.", Integer, "Syntax error"},
		"an unknown function":                     {"object.spec.frobnicate()", Integer, "undeclared reference to 'frobnicate'"},
		"an unknown variable":                     {"self.spec.replicas", Integer, "undeclared reference to 'self'"},
		"another operation's variable":            {"size(items)", Integer, "it uses items, and has object only"},
		"a result that is never of the type":      {"'three'", Integer, "it returns string, and has to return an int"},
		"a value that may be absent":              {"object.?spec.?replicas", Integer, "it returns optional_type(dyn), and has to return an int"},
		"a list where a map is due":               {"[1]", Map, "it returns list(int), and has to return a map"},
		"loops within loops within loops":         {"object.a.all(a, object.b.all(b, object.c.all(c, object.d.all(d, a == b && c == d))))", Verdict, "it may cost too much"},
		"a regular expression that does not work": {"object.spec.name.matches('(')", Verdict, "invalid matches argument"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Compile(tc.source, tc.result, Object)
			if tc.err != "" && err == nil {
				t.Fatal("it compiles")
			}
			mentions(t, err, tc.err)
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

func TestOneProgramServesManyAtOnce(t *testing.T) {
	program, err := Compile("object.n + 1", Integer, Object)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for n := range int64(50) {
		group.Go(func() {
			if got, err := program.Evaluate(map[string]any{Object: map[string]any{"n": n}}); err != nil || got != n+1 {
				t.Errorf("%d + 1 is %v, %v", n, got, err)
			}
		})
	}
	group.Wait()
}

func mentions(t *testing.T, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
		t.Errorf("error is %v, want %q", err, want)
	}
}

func BenchmarkEvaluate(b *testing.B) {
	program, err := Compile("object.status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')", Verdict, Object)
	if err != nil {
		b.Fatal(err)
	}
	object := map[string]any{"status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "True"}}}}
	for b.Loop() {
		if _, err := program.Evaluate(map[string]any{Object: object}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, err := Compile("object.status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')", Verdict, Object); err != nil {
			b.Fatal(err)
		}
	}
}
