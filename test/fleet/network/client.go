package network

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// requestTimeout bounds a control request, which needs no more than a lock in the proxy.
const requestTimeout = 5 * time.Second

// Client asks a proxy process to break and heal its links.
type Client struct {
	// Control is the address that the proxy's control endpoint listens on.
	Control string
}

// Set replaces the faults of a link.
func (c Client) Set(ctx context.Context, link string, faults Faults) error {
	body, err := json.Marshal(faults)
	if err != nil {
		return fmt.Errorf("setting the faults of link %s: %w", link, err)
	}
	if _, err := c.do(ctx, http.MethodPut, link, body); err != nil {
		return fmt.Errorf("setting the faults of link %s: %w", link, err)
	}
	return nil
}

// Get returns the faults of a link.
func (c Client) Get(ctx context.Context, link string) (Faults, error) {
	answer, err := c.do(ctx, http.MethodGet, link, nil)
	if err != nil {
		return Faults{}, fmt.Errorf("reading the faults of link %s: %w", link, err)
	}
	var faults Faults
	if err := json.Unmarshal(answer, &faults); err != nil {
		return Faults{}, fmt.Errorf("reading the faults of link %s: %w", link, err)
	}
	return faults, nil
}

func (c Client) do(ctx context.Context, method, link string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+c.Control+"/links/"+link, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= http.StatusBadRequest {
		return nil, fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(answer)))
	}
	return answer, nil
}
