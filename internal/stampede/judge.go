package stampede

import "fmt"

// State is how much of a group, or of the fleet, is lost.
type State string

// The states; the names are those of the node lifecycle controller.
const (
	// Normal: few members are lost, or none.
	Normal State = "Normal"
	// Partial: many members are lost.
	Partial State = "PartialDisruption"
	// Full: all members are lost.
	Full State = "FullDisruption"
)

// The reasons of a Verdict and of its groups.
const (
	// ReasonNormal: evictions keep their normal pace.
	ReasonNormal = "NormalPace"
	// ReasonManyLost: many members of the group are lost, evictions there are slow.
	ReasonManyLost = "ManyClustersLost"
	// ReasonHostMayBeCutOff: most members of the fleet are lost at once. Nothing is evicted.
	ReasonHostMayBeCutOff = "HostMayBeCutOff"
)

// Limits say what is too much. The zero Limits evict nothing; DefaultLimits are sensible.
type Limits struct {
	// Share of members, from 0 to 1, that is many: of a group for the slow pace, of the fleet for none.
	Share float64
	// Rate is how many evictions may begin in each group in a second.
	Rate float64
	// SlowRate is the Rate of a group of which many members are lost.
	SlowRate float64
}

// DefaultLimits are the share that the node lifecycle controller takes (--unhealthy-zone-threshold), and rates with which a
// member with 1,000 templates is left in less than half a minute.
func DefaultLimits() Limits { return Limits{Share: 0.55, Rate: 50, SlowRate: 5} }

// few is how many lost members of a group are never many, as in the node lifecycle controller: in a group of two, half of
// it is a single member.
const few = 2

// Verdict is what may be evicted now.
type Verdict struct {
	// State of the fleet.
	State State
	// Reason is one of the constants of this package.
	Reason string
	// Message completes the reason for people.
	Message string
	// Fine and Lost count the members that tell something of the fleet now, Unasked those that may yet.
	Fine, Lost, Unasked int
	// Groups by name. Members that are Apart do not count.
	Groups map[string]Group
}

// Group is what may be evicted from the members of a group.
type Group struct {
	// State of the group.
	State State
	// Reason is one of the constants of this package.
	Reason string
	// Members of the group, and how many of them are lost, given up, or not asked yet.
	Members, Lost int
	// Rate is how many evictions may begin in a second; 0 for none.
	Rate float64
}

// Held is true while nothing may be evicted.
func (v Verdict) Held() bool { return v.Reason == ReasonHostMayBeCutOff }

// Rate is how many evictions from members of a group may begin in a second; 0 for none. A group that nobody counts, such as
// one whose members are all Apart, has the slowest rate of the fleet.
func (v Verdict) Rate(group string, l Limits) float64 {
	if v.Held() {
		return 0
	}
	if g, known := v.Groups[group]; known {
		return g.Rate
	}
	return min(l.Rate, l.SlowRate)
}

// Judge says what may be evicted from members now.
//
// Members that this process has not asked yet may be lost: until it is known, they count so.
//
// Members that were given up before no longer count for the fleet: a fleet that lost half of its members one after the
// other is small, not cut off. They count for their group, whose others take their load.
func Judge(members []Member, l Limits) Verdict {
	v := Verdict{State: Normal, Reason: ReasonNormal, Groups: map[string]Group{}}
	for _, m := range members {
		if m.Sight == Apart {
			continue
		}
		g := v.Groups[m.Group]
		g.Members++
		switch m.Sight {
		case Fine:
			v.Fine++
		case Lost:
			v.Lost++
			g.Lost++
		case Unasked:
			v.Unasked++
			g.Lost++
		default:
			g.Lost++
		}
		v.Groups[m.Group] = g
	}
	bad, counted := v.Lost+v.Unasked, v.Fine+v.Lost+v.Unasked
	held := true
	switch {
	case v.Fine == 0 && len(v.Groups) > 0:
		v.State = Full
	case bad > 0 && share(bad, counted) >= l.Share:
		v.State = Partial
	default:
		held = false
	}
	if held {
		v.Reason, v.Message = ReasonHostMayBeCutOff, v.message(counted)
	}
	for name, g := range v.Groups {
		v.Groups[name] = judgeGroup(g, held, l)
	}
	return v
}

// message says why nothing may be evicted.
func (v Verdict) message(counted int) string {
	switch {
	case counted == 0:
		return "no cluster is left that could take what is evicted"
	case v.Unasked > 0:
		return fmt.Sprintf("this manager has asked %d of %d clusters so far: the host itself may be cut off, so that nothing is evicted yet", counted-v.Unasked, counted)
	}
	return fmt.Sprintf("%d of %d clusters are lost at once: the host itself may be cut off, so that nothing is evicted", v.Lost, counted)
}

func judgeGroup(g Group, held bool, l Limits) Group {
	g.State, g.Reason, g.Rate = Normal, ReasonNormal, l.Rate
	many := g.Lost > few && share(g.Lost, g.Members) >= l.Share
	switch {
	case g.Lost == g.Members:
		g.State = Full
	case many:
		g.State = Partial
	}
	if many {
		g.Reason, g.Rate = ReasonManyLost, min(l.Rate, l.SlowRate)
	}
	if held {
		g.Reason, g.Rate = ReasonHostMayBeCutOff, 0
	}
	return g
}

func share(part, whole int) float64 { return float64(part) / float64(whole) }
