package telemetry

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// server answers every request alike.
type server struct {
	code int
	err  error
}

func (s server) RoundTrip(*http.Request) (*http.Response, error) {
	if s.err != nil {
		return nil, s.err
	}
	return &http.Response{StatusCode: s.code, Body: http.NoBody}, nil
}

// series are the values of a vector's counters, by their labels.
func series(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()
	ch := make(chan prometheus.Metric, 100)
	c.Collect(ch)
	close(ch)
	all := map[string]float64{}
	for metric := range ch {
		var m dto.Metric
		if err := metric.Write(&m); err != nil {
			t.Fatal(err)
		}
		name := ""
		for _, pair := range m.GetLabel() {
			name += pair.GetName() + "=" + pair.GetValue() + " "
		}
		all[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return all
}

func TestWritesAreCountedByWhatTheyDo(t *testing.T) {
	tests := map[string]struct {
		method, contentType, query string
		answer                     server
		want                       map[string]float64
	}{
		"a new object":       {method: http.MethodPost, answer: server{code: 201}, want: map[string]float64{"code=201 member_cluster=member1 target=member verb=create ": 1}},
		"an update":          {method: http.MethodPut, answer: server{code: 409}, want: map[string]float64{"code=409 member_cluster=member1 target=member verb=update ": 1}},
		"a patch":            {method: http.MethodPatch, contentType: "application/merge-patch+json", answer: server{code: 200}, want: map[string]float64{"code=200 member_cluster=member1 target=member verb=patch ": 1}},
		"an apply":           {method: http.MethodPatch, contentType: "application/apply-patch+yaml", answer: server{code: 200}, want: map[string]float64{"code=200 member_cluster=member1 target=member verb=apply ": 1}},
		"a deletion":         {method: http.MethodDelete, answer: server{code: 404}, want: map[string]float64{"code=404 member_cluster=member1 target=member verb=delete ": 1}},
		"no answer":          {method: http.MethodDelete, answer: server{err: errors.New("reset")}, want: map[string]float64{"code=none member_cluster=member1 target=member verb=delete ": 1}},
		"a read is no write": {method: http.MethodGet, answer: server{code: 200}, want: map[string]float64{}},
		"nor is a dry run":   {method: http.MethodPatch, query: "fieldManager=x&dryRun=All", answer: server{code: 200}, want: map[string]float64{}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			writes.Reset()
			request, err := http.NewRequestWithContext(t.Context(), tc.method, "https://member1/apis?"+tc.query, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", tc.contentType)
			response, err := CountWrites(MemberTarget, "member1")(tc.answer).RoundTrip(request)
			if !errors.Is(err, tc.answer.err) {
				t.Errorf("the error is %v, want %v", err, tc.answer.err)
			}
			if err == nil {
				_ = response.Body.Close()
			}
			if diff := cmp.Diff(tc.want, series(t, writes)); diff != "" {
				t.Errorf("counted (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheSeriesOfAClusterGoWithIt(t *testing.T) {
	writes.Reset()
	writes.WithLabelValues(MemberTarget, "member1", "apply", "200").Inc()
	writes.WithLabelValues(MemberTarget, "member2", "apply", "200").Inc()
	ForgetCluster("member1")
	want := map[string]float64{"code=200 member_cluster=member2 target=member verb=apply ": 1}
	if diff := cmp.Diff(want, series(t, writes)); diff != "" {
		t.Errorf("series that are left (-want +got):\n%s", diff)
	}
}

func TestAReadingShowsWhatItReadsWhenItIsScraped(t *testing.T) {
	reading := &Reading{desc: prometheus.NewDesc("test", "", []string{"state"}, nil)}
	if got := series(t, reading); len(got) != 0 {
		t.Errorf("it shows %v before it knows where to read", got)
	}
	n := 1.0
	reading.From(func(show Show) { show(n, "good") })
	n = 2
	if diff := cmp.Diff(map[string]float64{"state=good ": 2}, series(t, reading)); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
}
