package local

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/flotilla-dev/flotilla/test/fleet/controlplane"
)

const (
	// expiredSince is how long a certificate that Expire makes has been of no use.
	expiredSince = time.Minute
	// renewedFor is how long one that Renew makes is good: longer than any fleet runs.
	renewedFor = 365 * 24 * time.Hour
)

// Expire gives the API servers of a cluster a certificate that has expired and starts them again, so that no connection
// from before hides it. It returns when they work for whoever does not mind.
func (f *Fleet) Expire(ctx context.Context, cluster string) error {
	return f.certify(ctx, cluster, time.Now().Add(-expiredSince))
}

// Renew takes back Expire.
func (f *Fleet) Renew(ctx context.Context, cluster string) error {
	return f.certify(ctx, cluster, time.Now().Add(renewedFor))
}

func (f *Fleet) certify(ctx context.Context, cluster string, until time.Time) error {
	i := slices.IndexFunc(f.state.Clusters, func(c controlplane.Cluster) bool { return c.Name == cluster })
	if i < 0 {
		return fmt.Errorf("certifying: there is no cluster %q in this fleet", cluster)
	}
	servers := f.state.Clusters[i].APIServers
	if err := controlplane.Certify(f.folder.path(filepath.Join(clustersDir, cluster)), until); err != nil {
		return fmt.Errorf("certifying the API servers of %s: %w", cluster, err)
	}
	if err := f.processes.Kill(ctx, names(servers)...); err != nil {
		return err
	}
	return startAt(ctx, f.processes, lastGood(until, time.Now()), servers...)
}

// lastGood is when a certificate that is good until a moment was good last, as of now.
func lastGood(until, now time.Time) time.Time {
	if until.After(now) {
		return now
	}
	return until.Add(-time.Second)
}
