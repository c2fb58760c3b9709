package local

import (
	"context"
	"fmt"
	"io"

	"github.com/flotilla-dev/flotilla/test/fleet/network"
)

// ServeProxy runs the proxy of the fleet in a folder until ctx ends.
func ServeProxy(ctx context.Context, dir string) error {
	folder, err := newFolder(dir)
	if err != nil {
		return err
	}
	state, err := folder.load()
	if err != nil {
		return err
	}
	if err := network.Serve(ctx, state.Control, state.Links); err != nil {
		return fmt.Errorf("serving the proxy: %w", err)
	}
	return nil
}

// Guard stops the fleet in a folder as soon as the input ends. Whoever holds the other end of that pipe may crash, be
// killed or forget: the fleet does not outlive it.
func Guard(ctx context.Context, dir string, input io.Reader) error {
	// How the input ends says nothing that matters.
	_, _ = io.Copy(io.Discard, input)
	return Down(ctx, dir, nil)
}
