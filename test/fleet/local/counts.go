package local

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/rest"
)

// requestMetric is the counter of the API server that all requests end up in.
const requestMetric = "apiserver_request_total"

// credentialKey is the extra attribute of a user that identifies the credential.
const credentialKey = "authentication.kubernetes.io/credential-id"

// maxAuditLine bounds one line of an audit log at the level Metadata, which is about 1 KiB.
const maxAuditLine = 1 << 20

// Request is a kind of request that an API server counts.
type Request struct {
	// Verb as the metric has it: GET, LIST, WATCH, POST, PUT, PATCH, APPLY, DELETE, DELETECOLLECTION.
	Verb string
	// Group of the resource, empty for the core group.
	Group string
	// Resource in the plural, for example deployments.
	Resource string
	// Subresource, for example status; empty for none.
	Subresource string
	// Code is the HTTP status, for example 200.
	Code string
}

// Write says whether it changes something.
func (r Request) Write() bool {
	switch r.Verb {
	case "GET", "LIST", "WATCH", "CONNECT":
		return false
	default:
		return true
	}
}

// RequestCounts is how many requests of each kind there were.
type RequestCounts map[Request]int

// Since returns what has been added since an earlier count, without the kinds of which nothing has.
func (c RequestCounts) Since(earlier RequestCounts) RequestCounts {
	added := RequestCounts{}
	for request, count := range c {
		if n := count - earlier[request]; n != 0 {
			added[request] = n
		}
	}
	return added
}

// Total sums the kinds that pass.
func (c RequestCounts) Total(pass func(Request) bool) int {
	total := 0
	for request, count := range c {
		if pass(request) {
			total += count
		}
	}
	return total
}

// RequestCounts reads what all API servers of the cluster have counted since they started. Requests of its own controllers
// count too, see Writes for who did what.
func (c *Cluster) RequestCounts(ctx context.Context) (RequestCounts, error) {
	counts := RequestCounts{}
	for _, endpoint := range c.endpoints {
		counted, err := c.requestCounts(ctx, endpoint)
		if err != nil {
			return nil, fmt.Errorf("counting the requests of %s: %w", c.Name, err)
		}
		for request, count := range counted {
			counts[request] += count
		}
	}
	return counts, nil
}

// requestCounts asks one API server.
func (c *Cluster) requestCounts(ctx context.Context, endpoint string) (RequestCounts, error) {
	httpClient, err := rest.HTTPClientFor(c.config)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+endpoint+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := httpClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking %s: %s", endpoint, response.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return nil, err
	}
	return countRequests(families[requestMetric]), nil
}

func countRequests(family *dto.MetricFamily) RequestCounts {
	counts := RequestCounts{}
	for _, metric := range family.GetMetric() {
		labels := map[string]string{}
		for _, pair := range metric.GetLabel() {
			labels[pair.GetName()] = pair.GetValue()
		}
		counts[Request{
			Verb:        labels["verb"],
			Group:       labels["group"],
			Resource:    labels["resource"],
			Subresource: labels["subresource"],
			Code:        labels["code"],
		}] += int(metric.GetCounter().GetValue())
	}
	return counts
}

// Write is one write request, allowed or not, as the audit log has it.
type Write struct {
	// Time when the request arrived.
	Time time.Time
	// User who made it, for example system:serviceaccount:flotilla-system:flotilla-manager.
	User string
	// Credential tells apart tokens and certificates of the same user, for example those of two managers.
	Credential string
	// UserAgent that the client named.
	UserAgent string
	// FieldManager that the request named, empty when it named none: it tells apart the controllers of one manager.
	FieldManager string
	// Verb is create, update, patch, delete or deletecollection.
	Verb string
	// Group, Resource, Subresource, Namespace and Name say what was written.
	Group, Resource, Subresource, Namespace, Name string
	// Code is the HTTP status of the answer.
	Code int32
}

// Writes returns the writes that arrived after a moment, at any API server of the cluster, in the order in which they
// were answered.
func (c *Cluster) Writes(after time.Time) ([]Write, error) {
	var events []auditv1.Event
	for _, file := range c.auditLogs {
		logged, err := readAuditLog(file, after, isWrite)
		if err != nil {
			return nil, fmt.Errorf("reading the audit log of %s: %w", c.Name, err)
		}
		events = append(events, logged...)
	}
	slices.SortStableFunc(events, func(a, b auditv1.Event) int { return a.StageTimestamp.Compare(b.StageTimestamp.Time) })
	writes := make([]Write, 0, len(events))
	for _, event := range events {
		writes = append(writes, newWrite(event))
	}
	return writes, nil
}

// isWrite is true for the answer to a request that would change something.
func isWrite(event auditv1.Event) bool {
	return event.Stage == auditv1.StageResponseComplete && slices.Contains(writeVerbs, event.Verb)
}

// writeVerbs are those of requests that would change something.
var writeVerbs = []string{"create", "update", "patch", "delete", "deletecollection"}

// readAuditLog returns the requests of one API server that arrived after a moment and pass.
func readAuditLog(name string, after time.Time, pass func(auditv1.Event) bool) ([]auditv1.Event, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var events []auditv1.Event
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxAuditLine)
	for lines.Scan() {
		var event auditv1.Event
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			// The last line may be half written.
			continue
		}
		if event.RequestReceivedTimestamp.After(after) && pass(event) {
			events = append(events, event)
		}
	}
	return events, lines.Err()
}

func newWrite(event auditv1.Event) Write {
	write := Write{
		Time:      event.RequestReceivedTimestamp.Time,
		User:      event.User.Username,
		UserAgent: event.UserAgent,
		Verb:      event.Verb,
	}
	if request, err := url.Parse(event.RequestURI); err == nil {
		write.FieldManager = request.Query().Get("fieldManager")
	}
	if object := event.ObjectRef; object != nil {
		write.Group, write.Resource, write.Subresource = object.APIGroup, object.Resource, object.Subresource
		write.Namespace, write.Name = object.Namespace, object.Name
	}
	if ids := event.User.Extra[credentialKey]; len(ids) > 0 {
		write.Credential = ids[0]
	}
	if event.ResponseStatus != nil {
		write.Code = event.ResponseStatus.Code
	}
	return write
}
