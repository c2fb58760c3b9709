package interpreting

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter/taught"
)

// table prints what is understood for people: what, the value, and where it comes from.
func table(out io.Writer, understood []Understanding) error {
	for i, u := range understood {
		if i > 0 {
			if _, err := fmt.Fprintln(out); err != nil {
				return fmt.Errorf("printing: %w", err)
			}
		}
		if _, err := fmt.Fprintf(out, "%s (%s)\n", u.title(), u.APIVersion); err != nil {
			return fmt.Errorf("printing: %w", err)
		}
		columns := printers.GetNewTabWriter(out)
		for _, line := range u.lines() {
			if _, err := fmt.Fprintln(columns, strings.Join(line[:], "\t")); err != nil {
				return fmt.Errorf("printing: %w", err)
			}
		}
		if err := columns.Flush(); err != nil {
			return fmt.Errorf("printing: %w", err)
		}
	}
	return nil
}

func (u Understanding) lines() [][3]string {
	lines := [][3]string{{"WHAT", "UNDERSTOOD", "FROM"}}
	add := func(what, value string, operation taught.Operation) {
		lines = append(lines, [3]string{what, value, u.Origins[operation]})
	}
	switch {
	case u.Replicas != nil:
		add("replicas", fmt.Sprintf("%d x %s", *u.Replicas, needs(u.Requirements)), taught.Replicas)
	case len(u.Components) > 0:
		for _, c := range u.Components {
			add("component "+c.Name, fmt.Sprintf("%d x %s", c.Replicas, needs(c.ReplicaRequirements)), taught.Replicas)
		}
	default:
		add("replicas", "none: it cannot be divided", taught.Replicas)
	}
	add("health", string(u.Health), taught.Health)
	add("status", statusText(u), taught.Status)
	for _, d := range u.Dependencies {
		add("dependency", d.Kind+" "+named(d), taught.Dependencies)
	}
	for _, message := range u.Errors {
		lines = append(lines, [3]string{"error", message, ""})
	}
	return lines
}

func named(d Dependency) string {
	if d.LabelSelector != nil {
		return "with " + metav1.FormatLabelSelector(d.LabelSelector)
	}
	return d.Name
}

func statusText(u Understanding) string {
	if len(u.Status) == 0 {
		return "none"
	}
	text, err := json.Marshal(u.Status)
	if err != nil {
		return err.Error()
	}
	if u.UpToDate {
		return string(text)
	}
	return string(text) + " of an older generation"
}

// needs is what one replica needs, in one line.
func needs(r *v1alpha1.ReplicaRequirements) string {
	if r == nil {
		return "unknown"
	}
	var said []string
	for name, quantity := range r.ResourceRequest {
		said = append(said, quantity.String()+" "+string(name))
	}
	slices.Sort(said)
	if len(said) == 0 {
		said = []string{"no requests"}
	}
	if c := r.NodeClaim; c != nil {
		said = append(said, claims(c)...)
	}
	if r.PriorityClassName != "" {
		said = append(said, "priority "+r.PriorityClassName)
	}
	return strings.Join(said, ", ")
}

func claims(c *v1alpha1.NodeClaim) []string {
	var said []string
	if len(c.NodeSelector) > 0 {
		said = append(said, "nodes with "+metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: c.NodeSelector}))
	}
	if c.HardNodeAffinity != nil {
		said = append(said, "node affinity")
	}
	if tolerations := tolerated(c.Tolerations); tolerations != "" {
		said = append(said, "tolerates "+tolerations)
	}
	return said
}

func tolerated(tolerations []corev1.Toleration) string {
	keys := make([]string, 0, len(tolerations))
	for _, t := range tolerations {
		if t.Key == "" {
			keys = append(keys, "everything")
			continue
		}
		keys = append(keys, t.Key)
	}
	return strings.Join(keys, " ")
}
