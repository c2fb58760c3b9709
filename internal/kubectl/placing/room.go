package placing

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/capacity"
	"github.com/flotilla-dev/flotilla/internal/memberprobe"
)

const (
	// visitTimeout bounds the look at one member's nodes and pods. Members are looked at side by side.
	visitTimeout = 15 * time.Second
	// visitsAtOnce bounds how many members are looked at side by side.
	visitsAtOnce = 16
)

// ClusterRoom says where the room of one cluster is known from.
type ClusterRoom struct {
	// Cluster is the cluster's name.
	Cluster string `json:"cluster"`
	// Source is nodes, summary or none (the room is not bounded).
	Source v1alpha1.CapacitySource `json:"source"`
	// Message says why it is not the source that was asked for; empty when it is.
	Message string `json:"message,omitempty"`
}

// roomReader finds out what is free in members.
type roomReader struct {
	host client.Reader // nil: nothing may be read
	// source is what the user asks for; empty: what each Cluster says, or else nodes.
	source v1alpha1.CapacitySource
	visit  func(context.Context, *rest.Config) (*capacity.Table, error)
}

// read looks at clusters side by side. A cluster whose nodes cannot be looked at is judged by its summary. The tables
// of clusters whose room is not bounded are missing.
func (r roomReader) read(ctx context.Context, clusters []*v1alpha1.Cluster) (map[string]*capacity.Table, []ClusterRoom) {
	tables, rooms := make([]*capacity.Table, len(clusters)), make([]ClusterRoom, len(clusters))
	slots := make(chan struct{}, visitsAtOnce)
	var visits sync.WaitGroup
	for i, cluster := range clusters {
		visits.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			tables[i], rooms[i] = r.readOne(ctx, cluster)
		})
	}
	visits.Wait()
	byName := make(map[string]*capacity.Table, len(clusters))
	for i, cluster := range clusters {
		if tables[i] != nil {
			byName[cluster.Name] = tables[i]
		}
	}
	slices.SortFunc(rooms, func(a, b ClusterRoom) int { return strings.Compare(a.Cluster, b.Cluster) })
	return byName, rooms
}

func (r roomReader) readOne(ctx context.Context, cluster *v1alpha1.Cluster) (*capacity.Table, ClusterRoom) {
	room := ClusterRoom{Cluster: cluster.Name, Source: r.source}
	if room.Source == "" {
		room.Source = cluster.Spec.Capacity
	}
	switch {
	case room.Source == v1alpha1.CapacityNone:
		return nil, room
	case r.host == nil && cluster.Status.ResourceSummary == nil:
		room.Source, room.Message = v1alpha1.CapacityNone, "the Cluster in the file has no status.resourceSummary, so its room counts as endless"
		return nil, room
	case r.host == nil || room.Source == v1alpha1.CapacitySummary:
		room.Source = v1alpha1.CapacitySummary
		return capacity.FromSummary(cluster), room
	}
	table, err := r.readNodes(ctx, cluster)
	if err != nil {
		room.Source, room.Message = v1alpha1.CapacitySummary, err.Error()
		return capacity.FromSummary(cluster), room
	}
	room.Source = v1alpha1.CapacityNodes
	return table, room
}

// readNodes visits one member with the credentials that the host keeps.
func (r roomReader) readNodes(ctx context.Context, cluster *v1alpha1.Cluster) (*capacity.Table, error) {
	ctx, cancel := context.WithTimeout(ctx, visitTimeout)
	defer cancel()
	namespace, name := memberprobe.SecretKey(cluster)
	secret := &corev1.Secret{}
	if err := r.host.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, secret); err != nil {
		return nil, fmt.Errorf("reading the credentials: %w", err)
	}
	config, err := memberprobe.RESTConfig(cluster, secret)
	if err != nil {
		return nil, err
	}
	return r.visit(ctx, config)
}

// parseCapacity reads the flag --capacity.
func parseCapacity(value string) (v1alpha1.CapacitySource, error) {
	switch source := v1alpha1.CapacitySource(value); source {
	case "", v1alpha1.CapacityNodes, v1alpha1.CapacitySummary, v1alpha1.CapacityNone:
		return source, nil
	}
	return "", fmt.Errorf("unknown source of capacity %q: use nodes, summary or none", value)
}

// describeRooms is one line about where the room is known from: the clusters of each source, and why.
func describeRooms(rooms []ClusterRoom) string {
	var texts []string
	for _, source := range []v1alpha1.CapacitySource{v1alpha1.CapacityNodes, v1alpha1.CapacitySummary, v1alpha1.CapacityNone} {
		var names []string
		for _, room := range rooms {
			if room.Source == source {
				names = append(names, room.Cluster)
			}
		}
		if len(names) > 0 {
			texts = append(texts, sourceText[source]+" "+listUp(names))
		}
	}
	return strings.Join(texts, "; ")
}

// sourceText describes sources of capacity.
var sourceText = map[v1alpha1.CapacitySource]string{
	v1alpha1.CapacityNodes:   "from the nodes of",
	v1alpha1.CapacitySummary: "from the summaries of",
	v1alpha1.CapacityNone:    "taken as endless in",
}

// mostListed bounds lists of names for people.
const mostListed = 8

// listUp lists names: "a, b and 3 more".
func listUp(names []string) string {
	if len(names) <= mostListed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:mostListed], ", "), len(names)-mostListed)
}
