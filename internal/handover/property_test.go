package handover

import (
	"math/rand/v2"
	"testing"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// simulated is a fleet in which a template of a number of replicas moves about.
type simulated struct {
	spec  *v1alpha1.BindingSpec
	has   map[string]int32 // what each member was told to have
	ready map[string]int32 // what of it is ready
}

func (s *simulated) total() (sum int32) {
	for _, ready := range s.ready {
		sum += ready
	}
	return sum
}

// carryOut does what execution does: a retained cluster stays as it is, the others get what was decided.
func (s *simulated) carryOut(p Plan) {
	s.spec.Clusters, s.spec.Retained = p.Clusters, p.Retained
	for name := range s.has {
		if s.spec.Retains(name) {
			continue
		}
		s.has[name] = 0
		if t := find(p.Clusters, name); t != nil {
			s.has[name] = *t.Replicas
		}
		s.ready[name] = min(s.ready[name], s.has[name])
	}
}

// divided gives each cluster a random part.
func divided(dice *rand.Rand, replicas int, names []string) []v1alpha1.TargetCluster {
	shares := map[string]int{}
	for range replicas {
		shares[names[dice.IntN(len(names))]]++
	}
	var pairs []any
	for _, name := range names {
		if shares[name] > 0 {
			pairs = append(pairs, name, shares[name])
		}
	}
	return targets(pairs...)
}

func TestNoSequenceOfMovesTakesAReadyReplicaThatIsWanted(t *testing.T) {
	names := []string{"a", "b", "c"}
	for seed := range uint64(2000) {
		dice := rand.New(rand.NewPCG(seed, 1))
		const replicas = 6
		first := divided(dice, replicas, names)
		s := simulated{spec: facts(first, first, nil, nil).Spec, has: map[string]int32{}, ready: map[string]int32{}}
		for _, name := range names {
			s.has[name], s.ready[name] = int32(in(first, name)), int32(in(first, name))
		}
		for step := range 30 {
			decided := s.spec.Clusters
			if dice.IntN(4) == 0 {
				decided = divided(dice, replicas, names)
			}
			for _, name := range names { // pods become ready
				s.ready[name] += int32(dice.IntN(int(s.has[name]-s.ready[name]) + 1))
			}
			var old []any // reports may say anything
			for _, name := range names {
				old = append(old, name, dice.IntN(replicas+1))
			}
			f := facts(s.spec.Clusters, decided, ready(old...), func(f *Facts) { f.Spec = s.spec })
			if dice.IntN(2) == 0 {
				f.Fresh = map[string]int32{}
				for _, name := range names {
					if dice.IntN(4) > 0 { // some members do not answer
						f.Fresh[name] = s.ready[name]
					}
				}
			}
			before := s.total()
			s.carryOut(Make(f))
			if after := s.total(); after < min(before, replicas) {
				t.Fatalf("seed %d, step %d: %d were ready, %d are left: %+v", seed, step, before, after, s.spec)
			}
		}
	}
}
