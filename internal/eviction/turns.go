package eviction

import (
	"cmp"
	"slices"
	"time"

	"github.com/flotilla-dev/flotilla/internal/stampede"
)

// Lane is what shares one rate. What the guard may hold does not share with what it may not: one of them must not use up the
// other's turns.
type Lane struct {
	// Group of clusters.
	Group string
	// Guarded is true for evictions because of a cluster's health.
	Guarded bool
}

// Turn is where a lane has got to.
type Turn struct {
	// Pace counts what has begun.
	Pace stampede.Pace
	// Cluster is the one that had the last turn.
	Cluster string
}

// Turns are where every lane has got to.
type Turns map[Lane]Turn

func (p *planner) lane(c candidate) Lane {
	return Lane{Group: p.groups[c.target.Name], Guarded: c.cause.health}
}

// rate is how many evictions may begin in a lane in a second.
func (p *planner) rate(lane Lane) float64 {
	if lane.Guarded {
		return p.guard.Rate(lane.Group, p.Settings.Limits)
	}
	return p.Settings.Limits.Rate
}

// share lets begin what may begin now, and counts the others.
func (p *planner) share(lanes map[Lane][]candidate, result *Result) Turns {
	turns := Turns{}
	for lane, turn := range p.Turns {
		if _, exists := result.Waiting[lane.Group]; exists {
			turns[lane] = turn
		}
	}
	held := map[string]bool{}
	for lane, candidates := range lanes {
		turn, rate := turns[lane], p.rate(lane)
		queue := inTurn(candidates, turn.Cluster, p)
		var granted int
		turn.Pace, granted = turn.Pace.Take(len(queue), rate, p.Now)
		for _, c := range queue[:granted] {
			p.start(c)
			turn.Cluster = c.target.Name
		}
		turns[lane] = turn
		if rest := queue[granted:]; len(rest) > 0 {
			result.Waiting[lane.Group] += len(rest)
			p.await(turn.Pace, lane, rest, held)
		}
	}
	for cluster := range held {
		result.Held = append(result.Held, cluster)
	}
	slices.Sort(result.Held)
	return turns
}

// await looks again when the next one of a lane may begin. Where none may, changes of clusters lead to another look.
func (p *planner) await(pace stampede.Pace, lane Lane, waiting []candidate, held map[string]bool) {
	if wait, ever := pace.Wait(p.rate(lane), p.Now); ever {
		p.lookAt(p.Now.Add(max(wait, minWait)))
		return
	}
	if !p.guard.Held() || !lane.Guarded {
		return
	}
	for _, c := range waiting {
		held[c.target.Name] = true
	}
}

// minWait keeps high rates from leading to a plan, over all that waits, for every single eviction.
const minWait = 100 * time.Millisecond

// inTurn orders what is due in a lane: one of each cluster in turn, beginning after the one that had the last turn. Within
// a cluster those of the highest priority come first, then those that have been due for longest; those that could not
// be written the last time come after all others, so that they hold nobody up.
func inTurn(candidates []candidate, last string, p *planner) []candidate {
	slices.SortFunc(candidates, func(a, b candidate) int {
		return cmp.Or(
			cmp.Compare(a.target.Name, b.target.Name), compareBool(p.failed(a), p.failed(b)), cmp.Compare(priority(b), priority(a)),
			a.cause.due.Compare(b.cause.due), cmp.Compare(a.binding.key.Namespace, b.binding.key.Namespace), cmp.Compare(a.binding.key.Name, b.binding.key.Name),
		)
	})
	var queues [][]candidate
	first := 0
	for begin := 0; begin < len(candidates); {
		end, name := begin, candidates[begin].target.Name
		for end < len(candidates) && candidates[end].target.Name == name {
			end++
		}
		if name <= last {
			first = len(queues) + 1
		}
		queues = append(queues, candidates[begin:end])
		begin = end
	}
	ordered := make([]candidate, 0, len(candidates))
	for round := 0; len(ordered) < len(candidates); round++ {
		for i := range queues {
			if queue := queues[(first+i)%len(queues)]; round < len(queue) {
				ordered = append(ordered, queue[round])
			}
		}
	}
	return ordered
}

func (p *planner) failed(c candidate) bool { return p.Failed.Has(c.binding.key) }

func priority(c candidate) int32 {
	if p := c.binding.spec.SchedulePriority; p != nil {
		return p.Priority
	}
	return 0
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}
