package division

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func candidates(weights ...int64) []Candidate {
	result := make([]Candidate, len(weights))
	for i, w := range weights {
		result[i] = Candidate{Name: fmt.Sprintf("member%d", i+1), Weight: w}
	}
	return result
}

func TestDivideGivesSharesByWeight(t *testing.T) {
	tests := map[string]struct {
		replicas int32
		weights  []int64
		want     []int32
	}{
		"two to one to one":                     {8, []int64{2, 1, 1}, []int32{4, 2, 2}},
		"equal weights":                         {9, []int64{1, 1, 1}, []int32{3, 3, 3}},
		"weights are relative":                  {8, []int64{200, 100, 100}, []int32{4, 2, 2}},
		"rounds to the nearest, not down":       {2, []int64{5, 1}, []int32{2, 0}},
		"a tie goes to the cluster with fewer":  {3, []int64{5, 1}, []int32{2, 1}},
		"then the next one to the large one":    {4, []int64{5, 1}, []int32{3, 1}},
		"a cluster without weight gets nothing": {5, []int64{1, 0}, []int32{5, 0}},
		"a negative weight counts as none":      {5, []int64{1, -7}, []int32{5, 0}},
		"no weights at all":                     {5, []int64{0, 0}, []int32{0, 0}},
		"no replicas":                           {0, []int64{1, 2}, []int32{0, 0}},
		"negative replicas":                     {-1, []int64{1, 2}, []int32{0, 0}},
		"no candidates":                         {5, nil, []int32{}},
		"fewer replicas than clusters":          {1, []int64{1, 3, 2}, []int32{0, 1, 0}},
		"the largest numbers do not overflow":   {math.MaxInt32 - 1, []int64{math.MaxInt64, math.MaxInt64}, []int32{1073741823, 1073741823}},
		"a huge weight beside a small one":      {1000, []int64{math.MaxInt64, 1}, []int32{1000, 0}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := Divide(tc.replicas, candidates(tc.weights...), "uid")
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Divide() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDivideSpreadsTiesOverClusters(t *testing.T) {
	// One replica, three equal clusters: over many templates each cluster is favoured about as often.
	favoured := map[int]int{}
	for template := range 3000 {
		for i, share := range Divide(1, candidates(1, 1, 1), fmt.Sprintf("5b1ba0a4-0000-4000-8000-%012d", template)) {
			favoured[i] += int(share)
		}
	}
	for i := range 3 {
		if favoured[i] < 850 || favoured[i] > 1150 {
			t.Errorf("cluster %d is favoured by %d of 3000 templates, want about 1000", i, favoured[i])
		}
	}
}

// reference is the method word by word: one replica at a time, each to the best claim.
func reference(replicas int32, all []Candidate, salt string) []int32 {
	shares := make([]int32, len(all))
	claims, given := claimsOf(all, salt)
	if given > uint64(replicas) {
		claims, given = claimsOf(minimumsOf(all), salt)
	}
	for range uint64(replicas) - given {
		best := -1
		for i := range claims {
			if claims[i].open() && (best < 0 || before(&claims[i], &claims[best])) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		claims[best].seats++
	}
	for _, c := range claims {
		shares[c.index] = int32(c.seats)
	}
	return shares
}

func TestDivideKeepsToBounds(t *testing.T) {
	tests := map[string]struct {
		replicas   int32
		candidates []Candidate
		want       []int32
	}{
		"a minimum comes before the weights":         {6, []Candidate{{Name: "a", Weight: 5}, {Name: "b", Weight: 1, Min: 3}}, []int32{3, 3}},
		"a minimum needs no weight":                  {6, []Candidate{{Name: "a", Weight: 5}, {Name: "b", Min: 2}}, []int32{4, 2}},
		"a minimum that is a fair share is no bonus": {9, []Candidate{{Name: "a", Weight: 2}, {Name: "b", Weight: 1, Min: 3}}, []int32{6, 3}},
		"a maximum leaves the rest to others":        {9, []Candidate{{Name: "a", Weight: 2, Max: 1}, {Name: "b", Weight: 1}}, []int32{1, 8}},
		"the maximums may leave some over":           {9, []Candidate{{Name: "a", Weight: 2, Max: 1}, {Name: "b", Weight: 1, Max: 4}}, []int32{1, 4}},
		"too few for the minimums":                   {3, []Candidate{{Name: "a", Weight: 9, Min: 4}, {Name: "b", Weight: 1, Min: 2}, {Name: "c", Weight: 9}}, []int32{2, 1, 0}},
		"a maximum below the minimum is the minimum": {9, []Candidate{{Name: "a", Weight: 1, Min: 3, Max: 2}, {Name: "b", Weight: 1}}, []int32{3, 6}},
		"huge numbers": {
			math.MaxInt32, []Candidate{{Name: "a", Weight: math.MaxInt64, Max: 10}, {Name: "b", Weight: 1}, {Name: "c", Weight: 1, Min: math.MaxInt32 - 20}},
			[]int32{10, 10, math.MaxInt32 - 20},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Divide(tc.replicas, tc.candidates, "uid")); diff != "" {
				t.Errorf("Divide() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDivideEqualsTheWordByWordMethod(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	limits := []int64{1, 2, 5, 100, 1_000_000_000, math.MaxInt64}
	for round := range 10000 {
		limit := limits[random.IntN(len(limits))]
		all := make([]Candidate, random.IntN(12))
		for i := range all {
			all[i] = Candidate{Name: fmt.Sprintf("c%d", i), Weight: random.Int64N(limit)}
			if random.IntN(2) == 0 {
				all[i].Weight++
			}
			if round%2 == 0 && random.IntN(3) == 0 {
				all[i].Min = random.Int32N(30)
			}
			if round%2 == 0 && random.IntN(3) == 0 {
				all[i].Max = 1 + random.Int32N(60)
			}
		}
		replicas, salt := random.Int32N(400), fmt.Sprintf("uid-%d", round)
		if diff := cmp.Diff(reference(replicas, all, salt), Divide(replicas, all, salt)); diff != "" {
			t.Fatalf("Divide(%d, %v, %q) (-reference +got):\n%s", replicas, all, salt, diff)
		}
	}
}

func FuzzDivide(f *testing.F) {
	f.Add(int32(10), int64(2), int64(1), int64(1), "uid")
	f.Add(int32(math.MaxInt32), int64(math.MaxInt64), int64(math.MaxInt64), int64(1), "")
	f.Add(int32(7), int64(0), int64(-1), int64(5), "x")
	f.Fuzz(func(t *testing.T, replicas int32, a, b, c int64, salt string) {
		all := candidates(a, b, c, 1)
		got := Divide(replicas, all, salt)
		checkSum(t, replicas, all, got)
		checkNoShareWithoutWeight(t, all, got)
		checkOrderDoesNotCount(t, replicas, all, salt)
		if replicas > 0 {
			checkOneMoreTakesNothingAway(t, Divide(replicas-1, all, salt), got)
		}
		checkFixedPoint(t, replicas, all, got, salt)
	})
}

func checkSum(t *testing.T, replicas int32, all []Candidate, got []int32) {
	t.Helper()
	var sum int64
	for _, share := range got {
		if share < 0 {
			t.Fatalf("Divide(%d, %v) = %v: a negative share", replicas, all, got)
		}
		sum += int64(share)
	}
	if want := int64(max(replicas, 0)); sum != want {
		t.Fatalf("Divide(%d, %v) = %v: adds up to %d", replicas, all, got, sum)
	}
}

func checkNoShareWithoutWeight(t *testing.T, all []Candidate, got []int32) {
	t.Helper()
	for i, c := range all {
		if c.Weight <= 0 && got[i] != 0 {
			t.Fatalf("%v gets %d without a weight", c, got[i])
		}
	}
}

func checkOrderDoesNotCount(t *testing.T, replicas int32, all []Candidate, salt string) {
	t.Helper()
	byName := func(order []Candidate) map[string]int32 {
		result := map[string]int32{}
		for i, share := range Divide(replicas, order, salt) {
			result[order[i].Name] = share
		}
		return result
	}
	reversed := make([]Candidate, len(all))
	for i, c := range all {
		reversed[len(all)-1-i] = c
	}
	if diff := cmp.Diff(byName(all), byName(reversed)); diff != "" {
		t.Fatalf("the order of the candidates counts (-as given +reversed):\n%s", diff)
	}
}

func checkOneMoreTakesNothingAway(t *testing.T, fewer, more []int32) {
	t.Helper()
	for i := range fewer {
		if more[i] < fewer[i] {
			t.Fatalf("with one replica more, cluster %d has %d instead of %d", i, more[i], fewer[i])
		}
	}
}

// checkFixedPoint divides by the result itself: it must give itself back, which is what lets an old
// placement stand in for weights.
func checkFixedPoint(t *testing.T, replicas int32, all []Candidate, got []int32, salt string) {
	t.Helper()
	again := make([]Candidate, len(all))
	for i, c := range all {
		again[i] = Candidate{Name: c.Name, Weight: int64(got[i])}
	}
	if diff := cmp.Diff(got, Divide(replicas, again, salt)); diff != "" {
		t.Fatalf("dividing by the result gives another result (-want +got):\n%s", diff)
	}
}

func BenchmarkDivide(b *testing.B) {
	for _, clusters := range []int{10, 100, 1000} {
		all := make([]Candidate, clusters)
		random := rand.New(rand.NewPCG(3, 4))
		for i := range all {
			all[i] = Candidate{Name: fmt.Sprintf("member-%04d", i), Weight: 1 + random.Int64N(1000)}
		}
		for _, replicas := range []int32{10, 10_000, 1_000_000_000} {
			b.Run(fmt.Sprintf("clusters=%d/replicas=%d", clusters, replicas), func(b *testing.B) {
				for b.Loop() {
					Divide(replicas, all, "5b1ba0a4-7c0e-4f4b-9d06-000000000001")
				}
			})
		}
	}
}
