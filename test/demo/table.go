package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// shop is the namespace of the sample application.
const shop = "shop"

// refresh is how often the table is looked at.
const refresh = 200 * time.Millisecond

// watchTable shows what the bindings of the shop say until as many as there are templates are healthy. On a terminal the table
// is drawn over itself; elsewhere it is printed when it changes.
func watchTable(ctx context.Context, fleet *local.Fleet, templates int) error {
	screen := &screen{live: term.IsTerminal(int(os.Stdout.Fd()))}
	err := wait.PollUntilContextCancel(ctx, refresh, true, func(ctx context.Context) (bool, error) {
		var bindings v1alpha1.ResourceBindingList
		if err := fleet.Host.Client().List(ctx, &bindings, client.InNamespace(shop)); err != nil {
			return false, fmt.Errorf("listing bindings: %w", err)
		}
		screen.draw(table(bindings.Items, fleet))
		return len(bindings.Items) >= templates && allHealthy(bindings.Items), nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the shop: %w", err)
	}
	return nil
}

func allHealthy(bindings []v1alpha1.ResourceBinding) bool {
	for _, b := range bindings {
		if !meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.ConditionApplied) ||
			!meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.ConditionHealthy) {
			return false
		}
	}
	return true
}

// table has a row per template and a column per member: the replicas placed there, and its health.
func table(bindings []v1alpha1.ResourceBinding, fleet *local.Fleet) string {
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	header := "KIND\tNAME\tAPPLIED\tHEALTHY"
	for _, member := range fleet.Members {
		header += "\t" + strings.ToUpper(member.Name)
	}
	_, _ = fmt.Fprintln(w, header)
	for _, b := range bindings {
		applied, healthy := "-", "-"
		if s := b.Status.Summary; s != nil {
			applied, healthy = s.Applied, s.Healthy
		}
		row := fmt.Sprintf("%s\t%s\t%s\t%s", b.Spec.Resource.Kind, b.Spec.Resource.Name, applied, healthy)
		for _, member := range fleet.Members {
			row += "\t" + cell(b, member.Name)
		}
		_, _ = fmt.Fprintln(w, row)
	}
	_ = w.Flush()
	return text.String()
}

// cell is one template in one member, such as "2 Healthy".
func cell(b v1alpha1.ResourceBinding, member string) string {
	text := ""
	for _, target := range b.Spec.Clusters {
		if target.Name == member && target.Replicas != nil {
			text = fmt.Sprintf("%d ", *target.Replicas)
		}
	}
	for _, item := range b.Status.AggregatedStatus {
		if item.ClusterName == member {
			return text + string(item.Health)
		}
	}
	return text + "-"
}

// screen shows texts one after the other.
type screen struct {
	live  bool
	last  string
	lines int
}

func (s *screen) draw(text string) {
	if text == s.last {
		return
	}
	if s.live && s.lines > 0 {
		fmt.Printf("\x1b[%dA\x1b[J", s.lines) // up to the table's first line, and clear from there
	} else {
		fmt.Println()
	}
	fmt.Print(text)
	s.last, s.lines = text, strings.Count(text, "\n")
}
