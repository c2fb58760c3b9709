package schedule

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// constraint is a v1alpha1.SpreadConstraint, made ready.
type constraint struct {
	name     string
	min, max int
	// values adds the groups that a cluster belongs to; nil for the constraint by cluster, where every cluster is
	// a group of its own.
	values func(values []string, c *v1alpha1.Cluster) []string
}

func compileSpread(constraints []v1alpha1.SpreadConstraint) ([]constraint, error) {
	compiled := make([]constraint, len(constraints))
	for i, c := range constraints {
		compiled[i] = constraint{min: int(c.MinGroups), max: math.MaxInt}
		if c.MaxGroups != nil {
			compiled[i].max = int(*c.MaxGroups)
		}
		if compiled[i].max < compiled[i].min {
			return nil, fmt.Errorf("placement.spreadConstraints[%d]: maxGroups %d is smaller than minGroups %d", i, compiled[i].max, compiled[i].min)
		}
		var err error
		if compiled[i].name, compiled[i].values, err = groupsBy(c); err != nil {
			return nil, fmt.Errorf("placement.spreadConstraints[%d]: %w", i, err)
		}
	}
	return compiled, nil
}

func groupsBy(c v1alpha1.SpreadConstraint) (string, func([]string, *v1alpha1.Cluster) []string, error) {
	one := func(value func(*v1alpha1.Cluster) string) func([]string, *v1alpha1.Cluster) []string {
		return func(values []string, c *v1alpha1.Cluster) []string {
			if v := value(c); v != "" {
				return append(values, v)
			}
			return values
		}
	}
	if key := c.SpreadByLabel; key != "" {
		return "label " + key, one(func(c *v1alpha1.Cluster) string { return c.Labels[key] }), nil
	}
	switch c.SpreadByField {
	case "", v1alpha1.SpreadByCluster:
		return "cluster", nil, nil
	case v1alpha1.SpreadByRegion:
		return "region", one(func(c *v1alpha1.Cluster) string { return c.Spec.Region }), nil
	case v1alpha1.SpreadByProvider:
		return "provider", one(func(c *v1alpha1.Cluster) string { return c.Spec.Provider }), nil
	case v1alpha1.SpreadByZone:
		return "zone", func(values []string, c *v1alpha1.Cluster) []string { return append(values, c.Spec.Zones...) }, nil
	}
	return "", nil, fmt.Errorf("spreadByField %q: use cluster, region, zone or provider", c.SpreadByField)
}

// missingProperty says that a cluster lacks what a constraint groups by; empty when it lacks nothing.
func (e *engine) missingProperty(cluster *v1alpha1.Cluster) string {
	for i := range e.placement.spread {
		c := &e.placement.spread[i]
		if c.values == nil {
			continue
		}
		if e.values = c.values(e.values[:0], cluster); len(e.values) == 0 {
			return "had no " + c.name + ", which the spread constraints group by"
		}
	}
	return ""
}

// choose selects, among the candidates, those that get the template, so that the spread constraints hold and the
// chosen clusters have room for the replicas. It says what is wrong when the constraints cannot hold; when only the
// room is short it selects what holds most. Clusters that must have replicas are preferred, then those of the old
// placement unless the choice is made anew, then large ones.
func (e *engine) choose(candidates []*site, anew bool) (fault string) {
	constraints := e.constraints()
	if len(constraints) == 0 {
		for _, s := range candidates {
			s.selected = true
		}
		return ""
	}
	for _, s := range candidates {
		switch {
		case s.floor > 0:
			s.rank = 2
		case s.target && !anew:
			s.rank = 1
		default:
			s.rank = 0
		}
	}
	slices.SortFunc(candidates, preferred)
	found := newSearch(constraints, candidates, e.need(constraints))
	core := found.run()
	if core == nil {
		return found.fault(constraints)
	}
	for _, i := range found.fill(core) {
		candidates[i].selected = true
	}
	if e.placement.strategy.divides() {
		for _, i := range found.cover(core, int(e.replicas)) {
			candidates[i].floor = max(candidates[i].floor, 1)
		}
	}
	return ""
}

// constraints are the placement's. No template is asked to be in more groups than it has replicas; one with several
// parts is in one cluster.
func (e *engine) constraints() []constraint {
	constraints := slices.Clone(e.placement.spread)
	if e.placement.strategy == oneSet {
		return append(constraints, constraint{name: "cluster", min: 1, max: 1})
	}
	if e.placement.strategy.divides() {
		for i := range constraints {
			constraints[i].min = min(constraints[i].min, int(e.replicas))
		}
	}
	return constraints
}

// need is how much room the set that is searched for must have. Without a maximum it is filled with every other candidate:
// then it only has to meet the minimums, and no larger set has more room.
func (e *engine) need(constraints []constraint) int64 {
	limited := slices.ContainsFunc(constraints, func(c constraint) bool { return c.max < math.MaxInt })
	if !e.placement.strategy.divides() || !limited {
		return 0
	}
	return int64(e.replicas)
}

// preferred orders candidates: earlier tiers, what must have replicas, what has them already, and what can take more.
func preferred(a, b *site) int {
	return cmp.Or(
		cmp.Compare(a.tier, b.tier),
		-cmp.Compare(a.rank, b.rank),
		-cmp.Compare(a.was, b.was),
		roomier(a, b),
	)
}

// roomier orders by what a site can take, then by weight, and then in a way of the template's own.
func roomier(a, b *site) int {
	return cmp.Or(-cmp.Compare(a.ceiling, b.ceiling), -cmp.Compare(a.weight, b.weight), cmp.Compare(a.tie, b.tie), strings.Compare(a.cluster.Name, b.cluster.Name))
}

// searchBudget bounds the work of a search for a set of clusters, after its first way down: each step back costs the
// number of classes that it looks at, together a few milliseconds. Clusters of the same groups are one class, alike but
// for their room, so that the number of sets grows with the combinations of groups (dozens) and not with the clusters:
// for these the search is exact. With hundreds of groups and tight maximums it may end with the best set seen so far.
const searchBudget = 1 << 17

// search looks for a set of sites that satisfies constraints and has room for need.
type search struct {
	constraints []constraint
	sites       []*site // in order of preference
	groups      [][][]int
	classes     []class
	need        int64
	most        int // sites at most
	least       int // sites at least
	roomiest    []int64

	counts   [][]int // by constraint and group: chosen sites in it
	distinct []int   // by constraint: groups with a chosen site
	chosen   []int
	have     int64
	key      uint64
	seen     map[uint64]bool
	budget   int
	best     []int
	bestHave int64
}

// class is sites that belong to the same groups.
type class struct {
	sites []int
	next  int
	hash  uint64
}

func newSearch(constraints []constraint, sites []*site, need int64) *search {
	s := &search{constraints: constraints, sites: sites, need: need, most: len(sites), budget: searchBudget, seen: map[uint64]bool{}, bestHave: -1}
	s.counts, s.distinct = make([][]int, len(constraints)), make([]int, len(constraints))
	for _, c := range constraints {
		if c.values == nil {
			s.least, s.most = max(s.least, c.min), min(s.most, c.max)
		}
	}
	s.intern()
	room := make([]int64, len(sites))
	for i, site := range sites {
		room[i] = int64(site.ceiling)
	}
	slices.SortFunc(room, func(a, b int64) int { return cmp.Compare(b, a) })
	s.roomiest = make([]int64, len(room)+1)
	for i, r := range room {
		s.roomiest[i+1] = s.roomiest[i] + r
	}
	return s
}

// intern numbers the groups of each constraint, and puts sites of the same groups into a class.
func (s *search) intern() {
	numbers := make([]map[string]int, len(s.constraints))
	for i := range numbers {
		numbers[i] = map[string]int{}
	}
	classes := map[string]int{}
	width := len(s.constraints)
	s.groups = make([][][]int, len(s.sites))
	all := make([][]int, len(s.sites)*width)
	var values []string
	var signature []byte
	for i, site := range s.sites {
		s.groups[i] = all[i*width : (i+1)*width]
		signature = signature[:0]
		for j, c := range s.constraints {
			if c.values == nil {
				continue
			}
			values = c.values(values[:0], site.cluster)
			group := make([]int, len(values))
			for k, value := range values {
				number, known := numbers[j][value]
				if !known {
					number = len(numbers[j])
					numbers[j][value] = number
				}
				group[k] = number
				signature = strconv.AppendInt(append(signature, ' '), int64(number), 10)
			}
			s.groups[i][j] = group
			signature = append(signature, ';')
		}
		index, known := classes[string(signature)]
		if !known {
			index = len(s.classes)
			classes[string(signature)] = index
			s.classes = append(s.classes, class{hash: mix(uint64(index) + 1)})
		}
		s.classes[index].sites = append(s.classes[index].sites, i)
	}
	for j := range s.counts {
		s.counts[j] = make([]int, len(numbers[j]))
	}
}

// mix is the finalizer of MurmurHash3.
func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// run returns the indexes of a set that satisfies the constraints, nil when none does. It first looks with the
// order of preference, so that little moves; when no such set has the room, it looks with the roomiest first,
// which finds one if there is any.
func (s *search) run() []int {
	if s.step() {
		return s.best
	}
	if s.bestHave < s.need {
		for i := range s.classes {
			slices.SortFunc(s.classes[i].sites, func(a, b int) int { return roomier(s.sites[a], s.sites[b]) })
		}
		s.budget, s.seen = searchBudget, map[uint64]bool{}
		s.step()
	}
	return s.best
}

// step adds sites to the chosen ones until all is satisfied; false when no way leads there.
func (s *search) step() bool {
	if s.satisfied() && s.have > s.bestHave {
		s.best, s.bestHave = slices.Clone(s.chosen), s.have
		if s.have >= s.need {
			return true
		}
	}
	if s.hopeless() || s.seen[s.key] {
		return false
	}
	s.seen[s.key] = true
	tried := make([]bool, len(s.classes))
	for c := s.way(tried); c >= 0; c = s.way(tried) {
		tried[c] = true
		s.add(c)
		done := s.step()
		s.remove(c)
		if done {
			return true
		}
		if s.budget -= len(s.classes); s.budget < 0 {
			return false
		}
	}
	return false
}

func (s *search) satisfied() bool {
	if len(s.chosen) < max(s.least, 1) {
		return false
	}
	for i, c := range s.constraints {
		if c.values != nil && s.distinct[i] < c.min {
			return false
		}
	}
	return true
}

// hopeless says that no further site can help.
func (s *search) hopeless() bool {
	left := min(s.most, len(s.sites)) - len(s.chosen)
	if left <= 0 {
		return true
	}
	return s.bestHave >= 0 && s.have+s.roomiest[left] <= s.bestHave
}

// way is the class that a site is best taken from next, of those not tried: what is there already, then what adds a
// group that is missing, then what is preferred. It is -1 when there is none.
func (s *search) way(tried []bool) int {
	best, bestSite, bestHelps := -1, 0, 0
	for c := range s.classes {
		class := &s.classes[c]
		if tried[c] || class.next == len(class.sites) || !s.admits(class.sites[class.next]) {
			continue
		}
		site := class.sites[class.next]
		helps := s.helps(site)
		if best < 0 || cmp.Or(cmp.Compare(s.sites[site].rank, s.sites[bestSite].rank), cmp.Compare(helps, bestHelps), cmp.Compare(bestSite, site)) > 0 {
			best, bestSite, bestHelps = c, site, helps
		}
	}
	return best
}

// admits says whether a site would break a maximum.
func (s *search) admits(i int) bool {
	for j, c := range s.constraints {
		if c.values != nil && s.distinct[j]+s.fresh(i, j) > c.max {
			return false
		}
	}
	return true
}

// helps is how many constraints a site brings nearer to their minimum.
func (s *search) helps(i int) (helps int) {
	for j, c := range s.constraints {
		if c.values != nil && s.distinct[j] < c.min && s.fresh(i, j) > 0 {
			helps++
		}
	}
	return helps
}

// fresh is how many groups of a constraint a site would add.
func (s *search) fresh(i, constraint int) (fresh int) {
	for _, group := range s.groups[i][constraint] {
		if s.counts[constraint][group] == 0 {
			fresh++
		}
	}
	return fresh
}

func (s *search) add(c int) {
	class := &s.classes[c]
	i := class.sites[class.next]
	class.next++
	s.chosen = append(s.chosen, i)
	s.have += int64(s.sites[i].ceiling)
	s.key += mix(class.hash + uint64(class.next))
	for j := range s.constraints {
		s.distinct[j] += s.fresh(i, j)
		for _, group := range s.groups[i][j] {
			s.counts[j][group]++
		}
	}
}

func (s *search) remove(c int) {
	class := &s.classes[c]
	s.key -= mix(class.hash + uint64(class.next))
	class.next--
	i := class.sites[class.next]
	s.chosen = s.chosen[:len(s.chosen)-1]
	s.have -= int64(s.sites[i].ceiling)
	for j := range s.constraints {
		for _, group := range s.groups[i][j] {
			s.counts[j][group]--
		}
		s.distinct[j] -= s.fresh(i, j)
	}
}

// fill adds to a set every further site that no maximum keeps out, in order of preference: a maximum that is left
// out is none.
func (s *search) fill(core []int) []int {
	filled := slices.Clone(core)
	in := make([]bool, len(s.sites))
	take := func(i int) {
		in[i] = true
		for j := range s.constraints {
			s.distinct[j] += s.fresh(i, j)
			for _, group := range s.groups[i][j] {
				s.counts[j][group]++
			}
		}
	}
	for _, i := range core {
		take(i)
	}
	for i := range s.sites {
		if len(filled) < s.most && !in[i] && s.admits(i) {
			take(i)
			filled = append(filled, i)
		}
	}
	return filled
}

// cover is a part of a set that meets every minimum by itself, of no more than limit sites.
func (s *search) cover(core []int, limit int) []int {
	core = slices.Sorted(slices.Values(core))
	covered := make([]map[int]bool, len(s.constraints))
	for j := range covered {
		covered[j] = map[int]bool{}
	}
	var cover []int
	for _, i := range core {
		needed := len(cover) < s.least
		for j, c := range s.constraints {
			for _, group := range s.groups[i][j] {
				needed = needed || len(covered[j]) < c.min && !covered[j][group]
			}
		}
		if !needed || len(cover) == limit {
			continue
		}
		cover = append(cover, i)
		for j := range s.constraints {
			for _, group := range s.groups[i][j] {
				covered[j][group] = true
			}
		}
	}
	return cover
}

// fault says which minimum cannot be met.
func (s *search) fault(constraints []constraint) string {
	for j, c := range constraints {
		groups := len(s.counts[j])
		if c.values == nil {
			groups = len(s.sites)
		}
		if groups < c.min {
			return fmt.Sprintf("the spread constraint by %s needs %d groups, and the clusters that can take replicas are in %d", c.name, c.min, groups)
		}
	}
	return "no set of the clusters that can take replicas satisfies all spread constraints together"
}
