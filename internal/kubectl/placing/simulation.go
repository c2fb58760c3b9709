package placing

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/policymatch"
)

// Simulation is what simulate prints as JSON and YAML.
type Simulation struct {
	// Templates are what was calculated, in the order in which the scheduler would take them.
	Templates []SimulatedTemplate `json:"templates"`
	// Capacity says where the room of each cluster is known from; absent when no placement asks for room.
	Capacity []ClusterRoom `json:"capacity,omitempty"`
	// Changed is how many templates change their clusters or replicas.
	Changed int `json:"changedTemplates"`
	// Moved is how many replicas leave a cluster for another, Added how many come and Removed how many go besides.
	Moved   int64 `json:"movedReplicas"`
	Added   int64 `json:"addedReplicas"`
	Removed int64 `json:"removedReplicas"`
	// Pending is how many replicas find no room.
	Pending int64 `json:"pendingReplicas"`
	// Notes say what was assumed.
	Notes []string `json:"notes,omitempty"`
}

// SimulatedTemplate is what would become of one template.
type SimulatedTemplate struct {
	// Template is the template.
	Template v1alpha1.ObjectReference `json:"template"`
	// Replicas that it asks for; absent for kinds without replicas.
	Replicas *int32 `json:"replicas,omitempty"`
	// Policy is the policy that would govern it, with the reason; absent when none does.
	Policy *v1alpha1.PolicyReference `json:"policy,omitempty"`
	// Today are the clusters that have it.
	Today []v1alpha1.TargetCluster `json:"today,omitempty"`
	// Then are the clusters that would have it.
	Then []v1alpha1.TargetCluster `json:"then,omitempty"`
	// Decision is the scheduler's; absent when it would not decide.
	Decision *PlacementDecision `json:"decision,omitempty"`
	// Clusters are all clusters, those that are chosen first.
	Clusters []ClusterPlacement `json:"clusters,omitempty"`
	// Changes are the differences between Today and Then.
	Changes []PlacementChange `json:"changes,omitempty"`
	// Moved is how many replicas leave a cluster for another, Added how many come and Removed how many go besides.
	Moved   int64 `json:"movedReplicas"`
	Added   int64 `json:"addedReplicas"`
	Removed int64 `json:"removedReplicas"`
	// Note says what is out of the ordinary; empty when nothing is.
	Note string `json:"note,omitempty"`
}

// world is what a simulation begins with.
type world struct {
	policies []v1alpha1.Policy // those of the files in the place of their namesakes
	bindings []v1alpha1.Binding
	// templates are what is to be calculated; all bindings are when bindingsOnly.
	templates    []*unstructured.Unstructured
	bindingsOnly bool
	fileNames    []*v1alpha1.PolicyReference // the policies of the files
	fleet        fleet
	now          time.Time
}

// candidate is a template that is to be calculated.
type candidate struct {
	*subject
	note string
}

// prepare makes subjects of a world: those to be calculated, in order, and all that there are.
func prepare(w world) (candidates []candidate, all []*subject) {
	all = subjectsOf(w.bindings)
	var chosen []*subject
	notes := map[*subject]string{}
	if w.bindingsOnly {
		chosen = slices.Clone(all)
	}
	for _, template := range w.templates {
		reference := referenceTo(template)
		current := bindingOf(reference, w.bindings)
		proposed := propose(template, w.policies, current)
		all = slices.DeleteFunc(all, func(s *subject) bool { return sameTemplate(s.spec.Resource, reference) })
		all, chosen = append(all, proposed), append(chosen, proposed)
		notes[proposed] = noteOn(w, current, proposed)
	}
	inOrder(chosen)
	for _, s := range chosen {
		candidates = append(candidates, candidate{s, notes[s]})
	}
	return candidates, all
}

// noteOn says when other policies govern a template than one could think.
func noteOn(w world, current v1alpha1.Binding, proposed *subject) string {
	ref := proposed.spec.Policy
	fromFile := ref != nil && slices.ContainsFunc(w.fileNames, func(f *v1alpha1.PolicyReference) bool { return samePolicy(f, ref) })
	switch before := currentPolicy(current); {
	case ref == nil && current != nil:
		return "no policy would select it any more; it keeps the placement that it has"
	case ref == nil:
		return "no policy selects it"
	case len(w.fileNames) > 0 && !fromFile:
		return "it stays with " + policyText(ref.Kind, ref.Namespace, ref.Name) + ", not with a policy of the files: " + ref.Reason
	case before != nil && !samePolicy(before, ref):
		return "today it is governed by " + policyText(before.Kind, before.Namespace, before.Name)
	}
	return ""
}

func currentPolicy(current v1alpha1.Binding) *v1alpha1.PolicyReference {
	if current == nil {
		return nil
	}
	return current.BindingSpec().Policy
}

func samePolicy(a, b *v1alpha1.PolicyReference) bool {
	return a.Kind == b.Kind && a.Namespace == b.Namespace && a.Name == b.Name
}

// simulate decides about one template after the other. What one takes is not there for the next.
func simulate(w world) Simulation {
	candidates, all := prepare(w)
	s := Simulation{Templates: make([]SimulatedTemplate, 0, len(candidates))}
	for _, c := range candidates {
		t := simulateOne(&w.fleet, c, all, w.now)
		if len(t.Changes) > 0 {
			s.Changed++
		}
		s.Moved, s.Added, s.Removed = s.Moved+t.Moved, s.Added+t.Added, s.Removed+t.Removed
		if t.Decision != nil {
			s.Pending += int64(t.Decision.Pending)
		}
		s.Templates = append(s.Templates, t)
	}
	return s
}

func simulateOne(f *fleet, c candidate, all []*subject, now time.Time) SimulatedTemplate {
	spec := c.spec
	t := SimulatedTemplate{
		Template: spec.Resource, Replicas: spec.Replicas, Policy: spec.Policy, Today: spec.Clusters, Then: spec.Clusters, Note: c.note,
	}
	switch {
	case spec.Placement == nil:
		return t
	case suspended(spec):
		t.Note = joinNonEmpty("; ", t.Note, "scheduling is suspended by its binding's spec.suspension.scheduling")
		return t
	case spec.SchedulerName != "" && spec.SchedulerName != defaultScheduler:
		t.Note = joinNonEmpty("; ", t.Note, "the scheduler "+spec.SchedulerName+" decides about it, which is not part of Flotilla")
		return t
	}
	decision := f.decide(c.subject, all, now)
	told := decisionOf(decision)
	t.Decision, t.Then = &told, decision.Clusters
	t.Clusters = placementsOf(decision, t.Today, weighs(spec))
	t.Changes = changesOf(t.Today, t.Then)
	t.Moved, t.Added, t.Removed = movesOf(t.Changes)
	f.take(c.subject, decision.Clusters)
	return t
}

// replacePolicies puts the policies of files in the place of their namesakes.
func replacePolicies(live, files []v1alpha1.Policy) []v1alpha1.Policy {
	policies := slices.Clone(files)
	for _, policy := range live {
		replaced := slices.ContainsFunc(files, func(f v1alpha1.Policy) bool {
			return policymatch.RefersTo(policymatch.Reference(f), policy)
		})
		if !replaced {
			policies = append(policies, policy)
		}
	}
	return policies
}

// printSimulation prints a simulation for people.
func printSimulation(out io.Writer, s *Simulation) error {
	if err := printSimulated(out, s); err != nil {
		return err
	}
	var lines []string
	for i := range s.Templates {
		t := &s.Templates[i]
		if t.Decision != nil && !t.Decision.Scheduled {
			lines = append(lines, templateText(t.Template)+": "+t.Decision.Message)
		}
		if t.Note != "" {
			lines = append(lines, templateText(t.Template)+": "+t.Note)
		}
	}
	if text := describeRooms(s.Capacity); text != "" {
		lines = append(lines, "Room: "+text)
	}
	for _, room := range s.Capacity {
		if room.Message != "" {
			lines = append(lines, "Room: "+room.Cluster+": "+room.Message)
		}
	}
	lines = append(lines, s.Notes...)
	lines = append(lines, totals(s))
	if len(s.Templates) > 0 {
		lines = append([]string{""}, lines...)
	}
	if _, err := fmt.Fprintf(out, "%s\n", strings.Join(lines, "\n")); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

func printSimulated(out io.Writer, s *Simulation) error {
	if len(s.Templates) == 0 {
		return nil
	}
	if err := printColumns(out, simulationColumns(), s.Templates); err != nil {
		return err
	}
	if len(s.Templates) > 1 || len(s.Templates[0].Clusters) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(out); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return printColumns(out, placementColumns(), s.Templates[0].Clusters)
}

func simulationColumns() []column[SimulatedTemplate] {
	return []column[SimulatedTemplate]{
		{title: "TEMPLATE", cell: func(t SimulatedTemplate) string { return templateText(t.Template) }, always: true},
		{title: "POLICY", cell: func(t SimulatedTemplate) string {
			if t.Policy == nil {
				return ""
			}
			return t.Policy.Name
		}, always: true},
		{title: "TODAY", cell: func(t SimulatedTemplate) string { return targetsText(t.Today) }, always: true},
		{title: "THEN", cell: func(t SimulatedTemplate) string { return targetsText(t.Then) }, always: true},
		{title: "CHANGE", cell: func(t SimulatedTemplate) string { return changesText(t.Changes) }, always: true},
		{title: "PENDING", cell: func(t SimulatedTemplate) string {
			if t.Decision == nil || t.Decision.Pending == 0 {
				return ""
			}
			return numberText(&t.Decision.Pending)
		}},
		{title: "REASON", cell: func(t SimulatedTemplate) string {
			if t.Decision == nil {
				return "NotDecided"
			}
			return t.Decision.Reason
		}, always: true},
		{title: "TRIGGER", cell: func(t SimulatedTemplate) string {
			if t.Decision == nil {
				return ""
			}
			return t.Decision.Trigger
		}},
	}
}

func targetsText(clusters []v1alpha1.TargetCluster) string {
	texts := make([]string, len(clusters))
	for i, c := range clusters {
		texts[i] = withNumber(c.Name, c.Replicas)
	}
	return shortList(texts)
}

func withNumber(name string, replicas *int32) string {
	if replicas == nil {
		return name
	}
	return name + ":" + numberText(replicas)
}

// shortList is for cells: "a b +3".
func shortList(texts []string) string {
	if len(texts) <= mostListed {
		return strings.Join(texts, " ")
	}
	return fmt.Sprintf("%s +%d", strings.Join(texts[:mostListed], " "), len(texts)-mostListed)
}

func changesText(changes []PlacementChange) string {
	texts := make([]string, len(changes))
	for i, c := range changes {
		switch c.Change {
		case changeAdded:
			texts[i] = "+" + withNumber(c.Cluster, c.Replicas)
		case changeRemoved:
			texts[i] = "-" + withNumber(c.Cluster, c.Before)
		default:
			texts[i] = c.Cluster + ":" + numberText(c.Before) + "->" + numberText(c.Replicas)
		}
	}
	return shortList(texts)
}

// totals is the last line.
func totals(s *Simulation) string {
	if len(s.Templates) == 0 {
		return "No template is selected: nothing changes."
	}
	return fmt.Sprintf("%s, %d changed; replicas: %d moved, %d added, %d removed, %d pending.",
		countText(int64(len(s.Templates)), "template"), s.Changed, s.Moved, s.Added, s.Removed, s.Pending)
}
