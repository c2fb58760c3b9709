package propagation

import "github.com/flotilla-dev/flotilla/internal/telemetry"

// templateKinds counts watches by how far they are.
var templateKinds = telemetry.NewReading("flotilla_template_kinds",
	"Kinds of templates that are watched on the host, by state: synced, starting, or failing (not served by the host, or not allowed to be read).", "state")

// The states of a kind.
const (
	kindSynced   = "synced"
	kindStarting = "starting"
	kindFailing  = "failing"
)

// showKinds lets the metrics say how far the watches of templates are.
func showKinds(templates Templates) {
	templateKinds.From(func(show telemetry.Show) {
		counts := map[string]int{kindSynced: 0, kindStarting: 0, kindFailing: 0}
		for _, gvk := range templates.Kinds() {
			switch state := templates.State(gvk); {
			case state.Synced:
				counts[kindSynced]++
			case state.Err != nil:
				counts[kindFailing]++
			default:
				counts[kindStarting]++
			}
		}
		for state, n := range counts {
			show(float64(n), state)
		}
	})
}
