package division

import "math"

// MaxWeight is the largest weight that counts; larger ones count as MaxWeight. With it, and with replica
// counts of 32 bits, every product below fits into 64 bits, so that no comparison is ever rounded.
// (A static weight is at most 1,000,000,000, a weight by free capacity is a replica count.)
const MaxWeight = math.MaxInt32

// Candidate is one cluster that takes part in a division.
type Candidate struct {
	// Name of the cluster, unique within the division.
	Name string
	// Weight of the cluster. Without a positive weight it gets its Min and nothing more.
	Weight int64
	// Min is what the cluster gets before anything is divided by weight. Negative counts as 0.
	Min int32
	// Max is what the cluster gets at most; 0 for no maximum. (One that must get nothing has neither Weight nor
	// Min.) A Max below Min counts as Min.
	Max int32
}

// Divide says how many of replicas each candidate gets, in the order of the candidates. It is the method of Webster
// (Sainte-Laguë) with bounds: every candidate begins with its Min, and each further replica goes to the one with
// the largest weight/(2*replicas+1) that is below its Max. The shares add up to replicas, or to less when the
// maximums, or a lack of weights, leave nobody who takes more. When replicas are fewer than the minimums, they are
// divided in proportion to the minimums.
//
// When several candidates have the same claim to a replica, it goes to the one with fewer replicas, then to
// the one whose name hashes lowest together with salt. With the template's UID as salt, different templates
// favour different clusters, and one template always favours the same.
func Divide(replicas int32, candidates []Candidate, salt string) []int32 {
	shares := make([]int32, len(candidates))
	if replicas <= 0 {
		return shares
	}
	claims, given := claimsOf(candidates, salt)
	if given > uint64(replicas) {
		claims, given = claimsOf(minimumsOf(candidates), salt)
	}
	left := uint64(replicas) - given
	left -= settle(claims, left)
	open := openFirst(claims)
	heapify(open)
	for ; left > 0 && len(open) > 0; left-- {
		open[0].seats++
		if open[0].seats == open[0].most {
			last := len(open) - 1
			open[0], open[last] = open[last], open[0]
			open = open[:last]
		}
		sink(open, 0)
	}
	for _, c := range claims {
		shares[c.index] = int32(c.seats)
	}
	return shares
}

// Tie orders clusters that nothing else orders: by the hash of their names together with salt.
func Tie(name, salt string) uint64 { return hashOf(name, salt) }

// minimumsOf are candidates for when there is not enough for every minimum: nobody gets more than it.
func minimumsOf(candidates []Candidate) []Candidate {
	minimums := make([]Candidate, len(candidates))
	for i, c := range candidates {
		least := max(c.Min, 0)
		minimums[i] = Candidate{Name: c.Name, Weight: int64(least), Max: least}
	}
	return minimums
}

// claim is a candidate that may get something, and the seats (replicas) that it holds so far.
type claim struct {
	weight uint64
	seats  uint64
	most   uint64
	hash   uint64
	index  int
	name   string
}

func (c *claim) open() bool { return c.weight > 0 && c.seats < c.most }

// claimsOf also adds up what the claims begin with.
func claimsOf(candidates []Candidate, salt string) (claims []claim, given uint64) {
	claims = make([]claim, 0, len(candidates))
	for i, c := range candidates {
		if c.Weight <= 0 && c.Min <= 0 {
			continue
		}
		least, most := uint64(max(c.Min, 0)), uint64(math.MaxInt32)
		if c.Max > 0 {
			most = max(uint64(c.Max), least)
		}
		weight := uint64(min(max(c.Weight, 0), MaxWeight))
		claims = append(claims, claim{weight: weight, seats: least, most: most, hash: hashOf(c.Name, salt), index: i, name: c.Name})
		given += least
	}
	return claims, given
}

// settle hands out at once seats that are beyond doubt, and returns their number. What is left is a few seats per
// claim, so that dividing a billion replicas is hardly slower than dividing a hundred.
//
// A seat's quotient is weight/(2*seats+1), and Webster gives the n largest quotients a seat. All quotients of at
// least 1/(2d) are thus among the first seats that Webster gives, whatever the ties, as long as there are not more
// than n of them; a claim has round(weight*d) of those, within its bounds. The search is for the largest such d.
// Counting rounds up and handing out rounds down, each by more than floating point can be wrong.
func settle(claims []claim, n uint64) (settled uint64) {
	if n <= 4*uint64(len(claims)) {
		return 0
	}
	const slack = 1e-3 // weight*d is below 2^32 where it counts, with an error below 2^-20
	count := func(d float64) (sum uint64) {
		for i := range claims {
			sum += claims[i].at(d, slack) - claims[i].seats
		}
		return sum
	}
	low, high := 0.0, float64(n)
	for range 64 {
		if middle := (low + high) / 2; count(middle) <= n {
			low = middle
		} else {
			high = middle
		}
	}
	for i := range claims {
		seats := claims[i].at(low, -slack)
		settled += seats - claims[i].seats
		claims[i].seats = seats
	}
	return settled
}

// at is how many seats a claim has when all quotients of at least 1/(2d) have one.
func (c *claim) at(d, slack float64) uint64 {
	if !c.open() {
		return c.seats
	}
	seats := float64(c.weight)*d + 0.5 + slack
	if seats >= float64(c.most) {
		return c.most
	}
	return max(uint64(max(seats, 0)), c.seats)
}

// openFirst orders claims so that those that may get more come first, and returns these.
func openFirst(claims []claim) []claim {
	end := 0
	for i := range claims {
		if claims[i].open() {
			claims[i], claims[end] = claims[end], claims[i]
			end++
		}
	}
	return claims[:end]
}

// before says whether a's claim to the next seat is better than b's.
func before(a, b *claim) bool {
	// a.weight/(2*a.seats+1) > b.weight/(2*b.seats+1), without dividing.
	left, right := a.weight*(2*b.seats+1), b.weight*(2*a.seats+1)
	switch {
	case left != right:
		return left > right
	case a.seats != b.seats:
		return a.seats < b.seats
	case a.hash != b.hash:
		return a.hash < b.hash
	default:
		return a.name < b.name
	}
}

// heapify and sink keep the best claim first. (container/heap would box every claim.)
func heapify(claims []claim) {
	for i := len(claims)/2 - 1; i >= 0; i-- {
		sink(claims, i)
	}
}

func sink(claims []claim, i int) {
	for {
		best, left, right := i, 2*i+1, 2*i+2
		if left < len(claims) && before(&claims[left], &claims[best]) {
			best = left
		}
		if right < len(claims) && before(&claims[right], &claims[best]) {
			best = right
		}
		if best == i {
			return
		}
		claims[i], claims[best] = claims[best], claims[i]
		i = best
	}
}

// hashOf is FNV-1a of 64 bits, followed by the finalizer of MurmurHash3: FNV alone would leave the hashes of
// "member1" and "member2" so close together that a third cluster rarely came between them.
func hashOf(name, salt string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	hash := uint64(offset)
	for _, part := range [...]string{name, "\x00", salt} {
		for i := range len(part) {
			hash = (hash ^ uint64(part[i])) * prime
		}
	}
	hash = (hash ^ hash>>33) * 0xff51afd7ed558ccd
	hash = (hash ^ hash>>33) * 0xc4ceb9fe1a85ec53
	return hash ^ hash>>33
}
