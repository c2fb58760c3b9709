package schedule

import (
	"slices"

	"github.com/flotilla-dev/flotilla/internal/division"
)

// assign gives the selected sites their shares of the replicas, tier by tier. What the last decision gave stays
// where it is as far as it can: more replicas go where there is room, fewer leave the last tier first. fresh
// forgets what was; returning takes replicas back from later tiers into earlier ones.
func (e *engine) assign(fresh, returning bool) {
	if !e.placement.strategy.divides() {
		return // whoever is selected gets the template as it is
	}
	tiers := make([][]*site, len(e.group.tiers))
	for t := range tiers {
		tiers[t] = ofTier(e.sites, t)
	}
	totals := e.totals(tiers, fresh, returning)
	for t, sites := range tiers {
		if fresh {
			e.divideFresh(sites, totals[t])
		} else {
			e.divideSteady(sites, totals[t])
		}
	}
}

// kept is what a site keeps of what it had, within its bounds.
func (s *site) kept() int32 { return min(max(s.was, s.floor), s.ceiling) }

// totals says how many replicas each tier gets.
func (e *engine) totals(tiers [][]*site, fresh, returning bool) []int32 {
	totals := make([]int32, len(tiers))
	left := int64(e.replicas)
	if fresh || returning {
		reserved := int64(0) // what later tiers must have at least
		for _, sites := range tiers {
			reserved += sum(sites, func(s *site) int32 { return s.floor })
		}
		for t, sites := range tiers {
			floors := sum(sites, func(s *site) int32 { return s.floor })
			reserved -= floors
			most := min(left-min(reserved, left), sum(sites, func(s *site) int32 { return s.ceiling }))
			totals[t] = int32(max(most, min(floors, left)))
			left -= int64(totals[t])
		}
		return totals
	}
	for t, sites := range tiers {
		kept := sum(sites, (*site).kept)
		totals[t] = int32(min(kept, endless))
		left -= kept
	}
	for t := 0; left > 0 && t < len(tiers); t++ {
		more := min(left, sum(tiers[t], func(s *site) int32 { return s.ceiling - s.kept() }))
		totals[t] += int32(more)
		left -= more
	}
	// First down to what must be, then below it: fewer replicas than minimums.
	for _, least := range []func(*site) int32{func(s *site) int32 { return s.floor }, func(*site) int32 { return 0 }} {
		for t := len(tiers) - 1; left < 0 && t >= 0; t-- {
			fewer := min(-left, int64(totals[t])-min(sum(tiers[t], least), int64(totals[t])))
			totals[t] -= int32(fewer)
			left += fewer
		}
	}
	return totals
}

func sum(sites []*site, of func(*site) int32) (total int64) {
	for _, s := range sites {
		total += int64(of(s))
	}
	return total
}

// divideFresh divides as if nothing were there.
func (e *engine) divideFresh(sites []*site, total int32) {
	if e.placement.strategy == packed {
		sites = shortest(sites, int64(total), roomier, func(s *site) int32 { return s.ceiling })
	}
	e.divide(sites, total, func(s *site) division.Candidate {
		return division.Candidate{Weight: e.freshWeight(s), Min: s.floor, Max: s.ceiling}
	})
}

// freshWeight is a site's claim: its weight, or all that it could take, what it has included.
func (e *engine) freshWeight(s *site) int64 {
	if e.placement.strategy == byWeight {
		return s.weight
	}
	return int64(s.ceiling)
}

// divideSteady keeps what is there and divides the difference.
func (e *engine) divideSteady(sites []*site, total int32) {
	kept := sum(sites, (*site).kept)
	switch difference := int64(total) - kept; {
	case difference == 0:
		for _, s := range sites {
			s.share = s.kept()
		}
	case difference > 0:
		e.grow(sites, total, int32(difference))
	default:
		e.shrink(sites, total)
	}
}

// grow adds replicas. By weight they go to those who are furthest below their due; by room, in proportion to it;
// packed, to clusters in use before others.
func (e *engine) grow(sites []*site, total, more int32) {
	if e.placement.strategy == byWeight {
		e.divide(sites, total, func(s *site) division.Candidate {
			return division.Candidate{Weight: s.weight, Min: s.kept(), Max: s.ceiling}
		})
		return
	}
	free := func(s *site) int32 { return s.ceiling - s.kept() }
	takers := sites
	if e.placement.strategy == packed {
		takers = shortest(sites, int64(more), usedFirst, free)
	}
	e.divide(takers, more, func(s *site) division.Candidate {
		return division.Candidate{Weight: int64(free(s)), Max: free(s)}
	})
	for _, s := range sites {
		s.share += s.kept()
	}
}

// shrink takes replicas away. By weight those lose who are furthest above their due; by room, everybody in
// proportion; packed, the clusters with the fewest.
func (e *engine) shrink(sites []*site, total int32) {
	if e.placement.strategy == packed {
		sites = shortest(sites, int64(total), fullest, (*site).kept)
	}
	e.divide(sites, total, func(s *site) division.Candidate {
		weight := int64(s.kept())
		if e.placement.strategy == byWeight {
			weight = s.weight
		}
		return division.Candidate{Weight: weight, Min: s.floor, Max: s.kept()}
	})
}

// divide divides a number among sites. One that can take nothing takes no part.
func (e *engine) divide(sites []*site, total int32, candidate func(*site) division.Candidate) {
	candidates := make([]division.Candidate, len(sites))
	for i, s := range sites {
		candidates[i] = candidate(s)
		candidates[i].Name = s.cluster.Name
		if candidates[i].Max == 0 {
			candidates[i].Weight, candidates[i].Min = 0, 0
		}
	}
	for i, share := range division.Divide(total, candidates, string(e.in.Binding.Resource.UID)) {
		sites[i].share = share
	}
}

// shortest is the fewest sites that hold total together: the first ones in an order, and those that must have
// something in any case.
func shortest(sites []*site, total int64, order func(a, b *site) int, holds func(*site) int32) []*site {
	sites = slices.Clone(sites)
	slices.SortFunc(sites, func(a, b *site) int {
		if (a.floor > 0) != (b.floor > 0) {
			if a.floor > 0 {
				return -1
			}
			return 1
		}
		return order(a, b)
	})
	for i, s := range sites {
		if total <= 0 && s.floor == 0 {
			return sites[:i]
		}
		total -= int64(holds(s))
	}
	return sites
}

// usedFirst orders sites with replicas before others, and then by what they can take more.
func usedFirst(a, b *site) int {
	if (a.was > 0) != (b.was > 0) {
		if a.was > 0 {
			return -1
		}
		return 1
	}
	if x, y := a.ceiling-a.kept(), b.ceiling-b.kept(); x != y {
		if x > y {
			return -1
		}
		return 1
	}
	return roomier(a, b)
}

// fullest orders sites by what they have.
func fullest(a, b *site) int {
	if a.was != b.was {
		if a.was > b.was {
			return -1
		}
		return 1
	}
	return roomier(a, b)
}
