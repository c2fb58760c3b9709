package uninstalling

import (
	"fmt"
	"strings"
)

// inventory is what a host has of Flotilla.
type inventory struct {
	// clusters and namespaces are the names of members and of template namespaces, sorted.
	clusters, namespaces []string
	// policies and bindings are how many there are.
	policies, bindings int
}

// plan says what uninstalling does, one sentence a line.
func plan(found inventory, s settings) []string {
	stays := "what runs there stays, without Flotilla's marks"
	if s.remove {
		stays = "what Flotilla put there is removed"
	}
	lines := []string{fmt.Sprintf("Propagation policies, %d, and bindings, %d, are deleted.", found.policies, found.bindings)}
	if len(found.clusters) > 0 {
		lines = append(lines, fmt.Sprintf("These members leave (%s): %s.", stays, strings.Join(found.clusters, ", ")))
	}
	if len(found.namespaces) > 0 && s.namespaces != "" {
		becomes := map[string]string{
			templatesDelete:  "are deleted with everything in them",
			templatesRelease: "are released: once the admission policies are gone, the host runs what is in them",
		}[s.namespaces]
		lines = append(lines, fmt.Sprintf("These template namespaces %s: %s.", becomes, strings.Join(found.namespaces, ", ")))
	}
	if !s.yes {
		lines = append(lines, "Nothing has been changed. To do it, add --yes.")
	}
	return lines
}

// refuse says why uninstalling must not begin: nobody said what becomes of templates that the host would run.
func refuse(found inventory, s settings) error {
	switch s.namespaces {
	case "", templatesDelete, templatesRelease:
	default:
		return fmt.Errorf("--template-namespaces=%s: it is %q or %q", s.namespaces, templatesDelete, templatesRelease)
	}
	if s.namespaces == "" && len(found.namespaces) > 0 {
		return fmt.Errorf("the template namespaces %s: without Flotilla the host itself runs what is in them. "+
			"Say what becomes of them: --template-namespaces=delete deletes them, --template-namespaces=release lets the host have them",
			strings.Join(found.namespaces, ", "))
	}
	return nil
}
