package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

const (
	// calm is how long the load runs before a fault begins, and aftermath how long after it was undone.
	calm, aftermath = time.Second, 3 * time.Second
	// checkDeadline bounds how long everything may take to agree after the load.
	checkDeadline = 2 * time.Minute
	// undoTimeout bounds the repair of what was broken: the start of a process on a busy machine.
	undoTimeout = 3 * time.Minute
	// briefest and longest are how long a random fault lasts, and the rest between two is up to as long.
	briefest, longest = 2 * time.Second, 12 * time.Second
	// twiceIn is how many random faults have one that comes at the same time: one in so many.
	twiceIn = 3
)

// Chaos breaks pieces of a fleet under a load.
type Chaos struct {
	fleet  *local.Fleet
	load   *Load
	keeper *keeper
	vitals *vitals
	out    io.Writer
	begin  time.Time
	end    context.CancelFunc
	keep   sync.WaitGroup
}

// NewChaos prepares a load on a fleet, and takes care from then on that managers run. Close ends both.
func NewChaos(ctx context.Context, fleet *local.Fleet, options Options, out io.Writer) (*Chaos, error) {
	l, err := Prepare(ctx, fleet, options)
	if err != nil {
		return nil, err
	}
	v, err := newVitals(ctx, fleet, options.Namespace)
	if err != nil {
		l.Close()
		return nil, err
	}
	c := &Chaos{fleet: fleet, load: l, keeper: newKeeper(fleet), vitals: v, out: out, begin: time.Now()}
	ctx, c.end = context.WithCancel(ctx)
	c.keep.Go(func() { c.keeper.run(ctx) })
	return c, nil
}

// Close leaves what the load made on the host; see Load.Remove.
func (c *Chaos) Close() {
	c.end()
	c.keep.Wait()
	c.load.Close()
}

// Remove deletes what the load made.
func (c *Chaos) Remove(ctx context.Context) error {
	return errors.Join(c.vitals.remove(ctx), c.load.Remove(ctx))
}

func (c *Chaos) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c.out, "%7.1fs  %s\n", time.Since(c.begin).Seconds(), fmt.Sprintf(format, args...))
}

// struck is a fault that is under way.
type struck struct {
	fault Fault
	// piece is what its name was resolved to.
	piece string
}

// strike begins a fault. Each piece has one at a time: two that end together would start the same process twice.
func (c *Chaos) strike(ctx context.Context, f Fault) (struck, error) {
	name, err := f.piece(ctx, c.fleet)
	if err != nil {
		return struck{}, fmt.Errorf("%s: %w", f.Name, err)
	}
	if !c.keeper.hold(name) {
		return struck{}, fmt.Errorf("%s: %s is broken already", f.Name, name)
	}
	if err := f.way.harm(c.fleet, ctx, name); err != nil {
		c.keeper.release(name)
		return struck{}, fmt.Errorf("%s: %w", f.Name, err)
	}
	return struck{fault: f, piece: name}, nil
}

// undo ends a fault. A manager that was killed, or has ended meanwhile, is the keeper's to start.
func (c *Chaos) undo(ctx context.Context, s struck) error {
	ctx, cancel := context.WithTimeout(ctx, undoTimeout)
	defer cancel()
	defer c.keeper.release(s.piece)
	if c.keeper.keeps(s.piece) && s.fault.way.name == killed.name {
		return nil
	}
	if err := s.fault.way.undo(c.fleet, ctx, s.piece); err != nil {
		return fmt.Errorf("undoing %s: %w", s.fault.Name, err)
	}
	return nil
}

// Row is what one fault of a tour cost.
type Row struct {
	Fault, Piece string
	Gaps         Gaps
	Converged    Converged
	Err          error
}

// Tour lets one fault after the other befall the fleet under load, each for a while, with a check after each. Its error says what
// was wrong after which fault.
func (c *Chaos) Tour(ctx context.Context, faults []Fault, each time.Duration) ([]Row, error) {
	rows, problems := []Row{c.visit(ctx, nil, each)}, []error(nil)
	for i := range faults {
		rows = append(rows, c.visit(ctx, &faults[i], each))
	}
	for _, row := range rows {
		if row.Err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", row.Fault, row.Err))
		}
	}
	return rows, errors.Join(problems...)
}

// visit is one stop of a tour; without a fault it shows what the load costs by itself.
func (c *Chaos) visit(ctx context.Context, fault *Fault, each time.Duration) Row {
	row, concerned := Row{Fault: "nothing"}, ""
	if fault != nil {
		row.Fault, concerned = fault.Name, fault.Member
	}
	stop := c.load.Start(ctx)
	pause(ctx, calm)
	from := time.Now()
	var problems []error
	if fault == nil {
		pause(ctx, each)
	} else {
		s, err := c.strike(ctx, *fault)
		c.say("%s (%s)", fault.Name, s.piece)
		row.Piece = s.piece
		problems = append(problems, err)
		if err == nil {
			pause(ctx, max(each, fault.Least))
			problems = append(problems, c.undo(ctx, s))
			c.say("%s is over", fault.Name)
		}
	}
	pause(ctx, aftermath)
	to := time.Now()
	problems = append(problems, stop())
	var err error
	row.Converged, err = c.check(ctx)
	row.Err = errors.Join(append(problems, err)...)
	changes, arrivals := c.load.ledger.snapshot(from, to)
	row.Gaps = measure(changes, arrivals, from, to, concerned)
	return row
}

func (c *Chaos) check(ctx context.Context) (Converged, error) {
	seen, err := c.load.Check(ctx, checkDeadline)
	if err != nil {
		c.say("the check has findings: %v", err)
		return seen, err
	}
	c.say("%d templates, %d objects in members: all agree after %v", seen.Templates, seen.Objects, seen.Took.Round(time.Millisecond))
	return seen, nil
}

// Random lets faults befall the fleet at random times, pairs included, until a time has passed, with a check each time a stretch of
// it has. The seed decides which faults, and how long they last.
func (c *Chaos) Random(ctx context.Context, seed uint64, total, stretch time.Duration) error {
	chance := rand.New(rand.NewPCG(seed, 2))
	faults := Faults(c.fleet)
	c.say("seed %d, %d kinds of faults, for %v", seed, len(faults), total)
	problems := []error{c.vitals.sample(ctx, c.out, "before")}
	for end := time.Now().Add(total); time.Now().Before(end) && ctx.Err() == nil; {
		err := c.stretch(ctx, chance, faults, min(stretch, time.Until(end)))
		_, found := c.check(ctx)
		problems = append(problems, err, found, c.vitals.sample(ctx, c.out, "after a check"))
		if err := errors.Join(problems...); err != nil {
			return err
		}
	}
	c.say("managers that ended were started again: %v", c.keeper.counts())
	return errors.Join(append(problems, ctx.Err(), c.vitals.flat())...)
}

// stretch is a time of random faults, with the load around them.
func (c *Chaos) stretch(ctx context.Context, chance *rand.Rand, faults []Fault, length time.Duration) error {
	from := time.Now()
	stop := c.load.Start(ctx)
	var problems []error
	for end := from.Add(length); time.Now().Before(end) && ctx.Err() == nil; {
		pause(ctx, time.Duration(chance.Int64N(int64(longest-briefest))))
		first := faults[chance.IntN(len(faults))]
		second := faults[chance.IntN(len(faults))]
		twice, lag := chance.IntN(twiceIn) == 0, time.Duration(chance.Int64N(int64(briefest)))
		chosen := []Fault{first}
		if twice {
			chosen = append(chosen, second)
		}
		problems = append(problems, c.together(ctx, chosen, lag, briefest+time.Duration(chance.Int64N(int64(longest-briefest)))))
	}
	pause(ctx, aftermath)
	to := time.Now()
	problems = append(problems, stop())
	changes, arrivals := c.load.ledger.snapshot(from, to)
	c.say("%s; %d were skipped because the host did not answer, %d creations arrived late",
		measure(changes, arrivals, from, to, ""), c.load.skipped.Load(), c.load.late.Load())
	if last, member := slowest(changes); member != "" {
		c.say("the slowest: %s, acknowledged at %.1fs, was in %s at %.1fs", last.key,
			last.acked.Sub(c.begin).Seconds(), member, last.held[member].Sub(c.begin).Seconds())
	}
	return errors.Join(problems...)
}

// together lets faults begin one after the other, with a lag, and ends all of them at the same time.
func (c *Chaos) together(ctx context.Context, faults []Fault, lag, length time.Duration) error {
	var under []struck
	for i, f := range faults {
		if i > 0 {
			pause(ctx, lag)
		}
		s, err := c.strike(ctx, f)
		if err != nil {
			// With one thing broken there may be no leader to be found, for example.
			c.say("could not be had: %v", err)
			continue
		}
		c.say("%s (%s)", f.Name, s.piece)
		under = append(under, s)
	}
	pause(ctx, length)
	problems := make([]error, len(under))
	var undoing sync.WaitGroup
	for i, s := range under {
		undoing.Go(func() { problems[i] = c.undo(context.WithoutCancel(ctx), s) })
	}
	undoing.Wait()
	c.say("over after %v", length.Round(100*time.Millisecond))
	return errors.Join(problems...)
}

// pause returns after a time, or when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// String is for the log.
func (g Gaps) String() string {
	return fmt.Sprintf("%d changes, acknowledged in p50 %s p99 %s max %s, in members in p50 %s p99 %s max %s after that, longest silence %s",
		g.Written.Count, brief(g.Written.P50), brief(g.Written.P99), brief(g.Written.Max),
		brief(g.Arrived.P50), brief(g.Arrived.P99), brief(g.Arrived.Max), brief(g.Silence))
}

// Table prints the rows of a tour.
func Table(out io.Writer, rows []Row) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "fault\tpiece\tchanges\tslowest write\tp50\tp99\tlongest gap\tmember concerned\tsilence\tagreed after\tresult\t")
	for _, r := range rows {
		result := "nothing lost"
		if r.Err != nil {
			result = strings.SplitN(r.Err.Error(), "\n", 2)[0]
		}
		g := r.Gaps
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", r.Fault, r.Piece, g.Written.Count, brief(g.Written.Max),
			brief(g.Arrived.P50), brief(g.Arrived.P99), brief(g.Arrived.Max), brief(g.Concerned.Max), brief(g.Silence), brief(r.Converged.Took), result)
	}
	return w.Flush()
}

func brief(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return d.Round(time.Millisecond).String()
}

// Named are the faults whose name contains one of some texts; all of them when there are none.
func Named(faults []Fault, texts ...string) []Fault {
	return slices.DeleteFunc(slices.Clone(faults), func(f Fault) bool {
		return len(texts) > 0 && !slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(f.Name, t) })
	})
}
