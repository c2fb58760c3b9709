package verdict

import (
	"fmt"
	"slices"
	"strings"
)

// Judge returns a sentence for each thing that is wrong, in alphabetical order, and nothing when all agree.
func Judge(p Picture) []string {
	j := &judgement{picture: p, bindings: map[Key][]Binding{}}
	for _, b := range p.Bindings {
		j.bindings[b.Template] = append(j.bindings[b.Template], b)
	}
	j.templates()
	j.decisions()
	j.members()
	j.foreign()
	slices.Sort(j.findings)
	return j.findings
}

type judgement struct {
	picture  Picture
	bindings map[Key][]Binding
	findings []string
}

func (j *judgement) find(format string, args ...any) {
	j.findings = append(j.findings, fmt.Sprintf(format, args...))
}

// templates compares what was acknowledged with what the host holds.
func (j *judgement) templates() {
	for key, wanted := range j.picture.Wanted {
		held, found := j.picture.Templates[key]
		switch {
		case !found:
			j.find("%s was acknowledged, and the host has lost it.", key)
		case held.Content != wanted.Content || held.Replicas != wanted.Replicas:
			j.find("%s was acknowledged with %s, and the host holds %s.", key, say(wanted.Content, wanted.Replicas), say(held.Content, held.Replicas))
		}
	}
	for key := range j.picture.Templates {
		if _, wanted := j.picture.Wanted[key]; !wanted {
			j.find("%s was deleted, and the host still holds it.", key)
		}
	}
}

// decisions compares bindings with templates.
func (j *judgement) decisions() {
	for key, wanted := range j.picture.Wanted {
		bindings := j.bindings[key]
		switch {
		case len(bindings) == 0:
			j.find("%s has no binding.", key)
		case len(bindings) > 1:
			j.find("%s has %d bindings: %s.", key, len(bindings), strings.Join(bindingNames(bindings), ", "))
		default:
			j.decision(key, wanted, bindings[0])
		}
	}
	for key, bindings := range j.bindings {
		if _, wanted := j.picture.Wanted[key]; !wanted {
			j.find("Binding %s is there without its template, %s.", strings.Join(bindingNames(bindings), ", "), key)
		}
	}
}

func (j *judgement) decision(key Key, wanted Template, b Binding) {
	if b.Deleting {
		j.find("Binding %s is being deleted, and its template is wanted.", b.Name)
	}
	if len(b.Retained) > 0 {
		j.find("Binding %s still retains %s.", b.Name, strings.Join(b.Retained, ", "))
	}
	for cluster := range b.Clusters {
		if !slices.Contains(wanted.Members, cluster) {
			j.find("%s was decided for %s, which its policy does not name.", key, cluster)
		}
	}
	if wanted.Divided {
		var sum int32
		for _, replicas := range b.Clusters {
			sum += replicas
		}
		if sum+b.Pending != wanted.Replicas {
			j.find("%s asks for %d replicas, and %d are decided with %d pending.", key, wanted.Replicas, sum, b.Pending)
		}
		return
	}
	for _, member := range wanted.Members {
		replicas, decided := b.Clusters[member]
		switch {
		case !decided:
			j.find("%s was not decided for %s, which its policy names.", key, member)
		case replicas != wanted.Replicas:
			j.find("%s was decided for %s with %d replicas, want %d.", key, member, replicas, wanted.Replicas)
		}
	}
}

// members compares what each member holds with what was decided for it.
func (j *judgement) members() {
	for member, objects := range j.picture.Members {
		for key, wanted := range j.picture.Wanted {
			if replicas, goes := j.replicas(key, wanted, member); goes {
				j.copied(member, key, Template{Content: wanted.Content, Replicas: replicas}, objects)
			}
		}
		for key, object := range objects {
			if object.Ours && !j.goes(key, member) {
				j.find("%s is an orphan in %s.", key, member)
			}
		}
	}
}

func (j *judgement) copied(member string, key Key, wanted Template, objects map[Key]Object) {
	held, found := objects[key]
	switch {
	case !found:
		j.find("%s is missing in %s.", key, member)
	case !held.Ours:
		j.find("%s in %s has lost the marks of the host.", key, member)
	case held.Content != wanted.Content || held.Replicas != wanted.Replicas:
		j.find("%s in %s holds %s, want %s.", key, member, say(held.Content, held.Replicas), say(wanted.Content, wanted.Replicas))
	}
}

func (j *judgement) goes(key Key, member string) bool {
	wanted, is := j.picture.Wanted[key]
	if !is {
		return false
	}
	_, goes := j.replicas(key, wanted, member)
	return goes
}

// replicas are those that a member must hold, and whether it must hold the object at all. A divided template goes where its binding
// says, the others where their policy says, which is compared with the binding elsewhere.
func (j *judgement) replicas(key Key, wanted Template, member string) (int32, bool) {
	if slices.Contains(wanted.Taken, member) {
		return 0, false
	}
	if !wanted.Divided {
		return wanted.Replicas, slices.Contains(wanted.Members, member)
	}
	for _, b := range j.bindings[key] {
		if replicas, decided := b.Clusters[member]; decided {
			return replicas, true
		}
	}
	return 0, false
}

// foreign compares what belongs to others with what it was before.
func (j *judgement) foreign() {
	for member, objects := range j.picture.Foreign {
		for key, before := range objects {
			now, found := j.picture.Members[member][key]
			switch {
			case !found:
				j.find("The foreign %s in %s was deleted.", key, member)
			case now.UID != before.UID:
				j.find("The foreign %s in %s was replaced.", key, member)
			case now != before:
				j.find("The foreign %s in %s was changed, from version %s to %s.", key, member, before.Version, now.Version)
			}
		}
	}
}

func bindingNames(bindings []Binding) []string {
	names := make([]string, 0, len(bindings))
	for _, b := range bindings {
		names = append(names, b.Name)
	}
	slices.Sort(names)
	return names
}

func say(content string, replicas int32) string {
	if replicas == 0 {
		return content
	}
	return fmt.Sprintf("%s with %d replicas", content, replicas)
}
