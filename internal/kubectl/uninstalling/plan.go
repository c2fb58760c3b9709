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

// conclusion is the last line. How Flotilla was installed is not known here.
const conclusion = "Nothing waits for a manager any more. Delete what you have installed, with the folder that you installed from " +
	"(kubectl delete -k FOLDER), or with OLM the Subscription and the ClusterServiceVersion."

// plan says what uninstalling does, one sentence a line.
func plan(found inventory, s settings) []string {
	stays := "what runs there stays, without Flotilla's marks"
	if s.remove {
		stays = "what Flotilla put there is removed, but for the namespaces"
	}
	lines := []string{fmt.Sprintf("Propagation policies, %d, and bindings, %d, are deleted.", found.policies, found.bindings)}
	if len(found.clusters) > 0 {
		lines = append(lines, fmt.Sprintf("These members leave (%s): %s.", stays, strings.Join(found.clusters, ", ")))
	}
	if becomes, ok := fates[s.namespaces]; ok && len(found.namespaces) > 0 {
		lines = append(lines, fmt.Sprintf("These template namespaces %s: %s.", becomes, strings.Join(found.namespaces, ", ")))
	}
	switch {
	case s.yes:
	case undecided(found, s):
		lines = append(lines, "Nothing has been changed. To do it, add --yes and one of --template-namespaces=delete and --template-namespaces=release.")
	default:
		lines = append(lines, "Nothing has been changed. To do it, add --yes.")
	}
	return lines
}

// fates are what may become of template namespaces.
var fates = map[string]string{
	templatesDelete:  "are deleted with everything in them",
	templatesRelease: "are released: once the admission policies are gone, the host runs what is in them",
}

// undecided is true when nobody said what becomes of templates that the host would run.
func undecided(found inventory, s settings) bool {
	return s.namespaces == "" && len(found.namespaces) > 0
}

// refuseSettings says which flag has no meaning.
func refuseSettings(s settings) error {
	if _, ok := fates[s.namespaces]; !ok && s.namespaces != "" {
		return fmt.Errorf("--template-namespaces=%s: it is %q or %q", s.namespaces, templatesDelete, templatesRelease)
	}
	return nil
}

// refuse says why uninstalling must not begin, also when it is only asked what would be done.
func refuse(found inventory, s settings) error {
	if undecided(found, s) {
		return fmt.Errorf("the template namespaces %s: without Flotilla the host itself runs what is in them. "+
			"Say what becomes of them: --template-namespaces=delete deletes them, --template-namespaces=release lets the host have them",
			strings.Join(found.namespaces, ", "))
	}
	return nil
}
