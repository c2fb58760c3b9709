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
	// Weight of the cluster. Without a positive weight it gets nothing.
	Weight int64
}

// Divide says how many of replicas each candidate gets, in the order of the candidates. The shares add up
// to replicas, unless replicas is negative or no candidate has a positive weight: then all are 0.
//
// When several candidates have the same claim to a replica, it goes to the one with fewer replicas, then to
// the one whose name hashes lowest together with salt. With the template's UID as salt, different templates
// favour different clusters, and one template always favours the same.
func Divide(replicas int32, candidates []Candidate, salt string) []int32 {
	shares := make([]int32, len(candidates))
	claims, total := claimsOf(candidates, salt)
	if replicas <= 0 || len(claims) == 0 {
		return shares
	}
	left := uint64(replicas) - settle(claims, uint64(replicas), total)
	if left > 0 {
		heapify(claims)
	}
	for ; left > 0; left-- {
		claims[0].seats++
		sink(claims, 0)
	}
	for _, c := range claims {
		shares[c.index] = int32(c.seats)
	}
	return shares
}

// claim is a candidate with a positive weight and the seats (replicas) that it holds so far.
type claim struct {
	weight uint64
	seats  uint64
	hash   uint64
	index  int
	name   string
}

func claimsOf(candidates []Candidate, salt string) (claims []claim, total uint64) {
	claims = make([]claim, 0, len(candidates))
	for i, c := range candidates {
		if c.Weight <= 0 {
			continue
		}
		weight := uint64(min(c.Weight, MaxWeight))
		total += weight
		claims = append(claims, claim{weight: weight, hash: hashOf(c.Name, salt), index: i, name: c.Name})
	}
	return claims, total
}

// settle hands out at once all seats that are beyond doubt, and returns their number. What is left is at most
// one seat per claim, so that dividing 10,000 replicas is hardly slower than dividing 100.
//
// A seat's quotient is weight/(2*seats+1), and Webster gives the n largest quotients a seat. All quotients
// that reach a threshold are thus the first seats that Webster gives, in any order and whatever the ties, as
// long as there are not more than n of them. A claim reaches the threshold 1/d with round(weight*d/2) seats;
// over all claims that is at most total*d/2 + len(claims)/2. With d = (2n-len(claims))/total it is at most n.
func settle(claims []claim, n, total uint64) (settled uint64) {
	if 2*n <= uint64(len(claims)) {
		return 0
	}
	d := 2*n - uint64(len(claims))
	for i := range claims {
		claims[i].seats = (claims[i].weight*d + total) / (2 * total)
		settled += claims[i].seats
	}
	return settled
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
