package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// readHeaderTimeout bounds how long the control endpoint waits for a request line.
const readHeaderTimeout = 5 * time.Second

// Serve forwards all links and answers the control requests of Client on the control address, until ctx ends.
func Serve(ctx context.Context, control string, links []Link) error {
	group, ctx := errgroup.WithContext(ctx)
	gates := make(map[string]*gate, len(links))
	listen := func(address string) (net.Listener, error) {
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", address)
		if err != nil {
			return nil, fmt.Errorf("listening: %w", err)
		}
		context.AfterFunc(ctx, func() { _ = listener.Close() })
		return listener, nil
	}
	for _, link := range links {
		listener, err := listen(link.Listen)
		if err != nil {
			return err
		}
		gate := newGate()
		gates[link.Name] = gate
		group.Go(func() error { return gate.serve(ctx, listener, link.Upstream) })
	}
	listener, err := listen(control)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler(gates), ReadHeaderTimeout: readHeaderTimeout}
	group.Go(func() error {
		err := server.Serve(listener)
		if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
			return nil
		}
		return err
	})
	return group.Wait()
}

// handler answers GET and PUT of /links/NAME with the faults of that link, and GET of /healthz.
func handler(gates map[string]*gate) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /links/{name}", func(w http.ResponseWriter, r *http.Request) {
		gate, found := gates[r.PathValue("name")]
		if !found {
			http.Error(w, "no such link", http.StatusNotFound)
			return
		}
		faults, _ := gate.get()
		// The only failure left is that the client went away.
		_ = json.NewEncoder(w).Encode(faults)
	})
	mux.HandleFunc("PUT /links/{name}", func(w http.ResponseWriter, r *http.Request) {
		gate, found := gates[r.PathValue("name")]
		if !found {
			http.Error(w, "no such link", http.StatusNotFound)
			return
		}
		var faults Faults
		if err := json.NewDecoder(r.Body).Decode(&faults); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		gate.set(faults)
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}
