package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/test/load/verdict"
)

const (
	// attemptTimeout bounds one request to the host, and retryInterval is the pause before the next.
	attemptTimeout = 3 * time.Second
	retryInterval  = 200 * time.Millisecond
	// waiting is how many changes may wait for the host at the same time; more are skipped.
	waiting = 40
	// finishTimeout bounds how long the last changes may take to be acknowledged after the load has stopped.
	finishTimeout = 2 * time.Minute
	// rolloutIn of so many changes of a Deployment restarts its pods, and the next takes that back.
	rolloutIn = 8
	// firstReplicas and moreReplicas bound what a Deployment asks for: as many as there are members at least, see shape.reached.
	firstReplicas, moreReplicas = 3, 3
)

// operation is one change that was picked.
type operation struct {
	key      verdict.Key
	deletes  bool
	replicas int32
	image    string
}

// Start begins to change templates. The returned function ends that, and returns when the host has acknowledged everything that was
// asked for, or says what it has not.
func (l *Load) Start(ctx context.Context) (stop func() error) {
	picking, stopPicking := context.WithCancel(ctx)
	finishing, giveUp := context.WithCancel(ctx)
	var picker sync.WaitGroup
	var problems []error
	picker.Go(func() { problems = l.pick(picking, finishing) })
	return func() error {
		stopPicking()
		timer := time.AfterFunc(finishTimeout, giveUp)
		defer timer.Stop()
		picker.Wait()
		giveUp()
		return errors.Join(problems...)
	}
}

// pick starts a change at each tick, until picking ends, and waits for all of them.
func (l *Load) pick(picking, finishing context.Context) []error {
	ticker := time.NewTicker(time.Duration(float64(time.Second) / l.options.Rate))
	defer ticker.Stop()
	slots := make(chan struct{}, waiting)
	var mu sync.Mutex
	var problems []error
	var changes sync.WaitGroup
	defer changes.Wait()
	for {
		select {
		case <-picking.Done():
			changes.Wait()
			return problems
		case <-ticker.C:
		}
		select {
		case slots <- struct{}{}:
		default:
			l.skipped.Add(1)
			continue
		}
		op := l.choose()
		c := l.ledger.begin(op.key, op.deletes, time.Now())
		changes.Go(func() {
			defer func() { <-slots }()
			if err := l.perform(finishing, op, c); err != nil {
				mu.Lock()
				problems = append(problems, err)
				mu.Unlock()
			}
		})
	}
}

// choose decides what changes next: below the population more is created than deleted, above it the other way round.
func (l *Load) choose() operation {
	idle := l.ledger.idle(true)
	creates, deletes := 0.1, 0.25
	if l.ledger.count() < l.options.Population {
		creates, deletes = deletes, creates
	}
	roll := l.chance.Float64()
	if len(idle) == 0 || roll < creates {
		return l.chooseNew()
	}
	key := idle[l.chance.IntN(len(idle))]
	if roll > 1-deletes {
		return operation{key: key, deletes: true}
	}
	_, wanted := l.ledger.standing(key)
	op := operation{key: key, replicas: wanted.Replicas, image: imageOf(0)}
	if l.chance.IntN(3) == 0 {
		op.replicas = l.someReplicas()
	}
	if l.chance.IntN(rolloutIn) == 0 {
		op.image = imageOf(1)
	}
	return op
}

// chooseNew takes a name that was used before, or a new one.
func (l *Load) chooseNew() operation {
	op := operation{replicas: l.someReplicas(), image: imageOf(0)}
	if free := l.ledger.idle(false); len(free) > 0 && l.chance.IntN(3) == 0 {
		op.key = free[l.chance.IntN(len(free))]
		return op
	}
	l.names++
	op.key = verdict.Key{Kind: kindConfigMap, Namespace: l.options.Namespace, Name: fmt.Sprintf("c%04d", l.names)}
	s := shape{mode: modeEverywhere, members: l.memberNames()}
	if l.names%oneDeploymentIn == 0 {
		op.key.Kind, op.key.Name = kindDeployment, fmt.Sprintf("d%04d", l.names)
		if l.chance.IntN(2) == 0 {
			s.mode = modeDivided
		}
	} else if l.chance.IntN(4) == 0 {
		s.mode, s.members = modeSome, s.members[:2]
	}
	l.ledger.enter(op.key, s)
	return op
}

func (l *Load) someReplicas() int32 {
	return int32(max(firstReplicas, len(l.fleet.Members)) + l.chance.IntN(moreReplicas+1))
}

func imageOf(i int) string { return fmt.Sprintf("web:%d", i+1) }

// perform repeats a change until the host has acknowledged it.
func (l *Load) perform(ctx context.Context, op operation, c *change) error {
	s, _ := l.ledger.standing(op.key)
	desired := build(op.key, s, c.sequence, op.replicas, op.image)
	var last error
	err := wait.PollUntilContextCancel(ctx, retryInterval, true, func(ctx context.Context) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
		defer cancel()
		last = l.attempt(ctx, op, c, desired.DeepCopyObject().(client.Object))
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("change %d of %s was not acknowledged: %w", c.sequence, op.key, errors.Join(err, last))
	}
	_, seen := describe(desired)
	l.ledger.acknowledge(op.key, c, verdict.Template{
		Content: seen.Content, Replicas: seen.Replicas, Divided: s.mode == modeDivided, Members: s.members, Taken: s.taken,
	}, time.Now())
	return nil
}

// attempt tries a change once. Each carries a precondition, so that one that was thought to be lost and arrives late changes nothing.
func (l *Load) attempt(ctx context.Context, op operation, c *change, desired client.Object) error {
	live := emptyOf(op.key.Kind)
	err := l.host.Get(ctx, client.ObjectKeyFromObject(desired), live)
	absent := apierrors.IsNotFound(err)
	if err != nil && !absent {
		return err
	}
	switch {
	case op.deletes && absent:
		return nil
	case op.deletes:
		uid := client.Preconditions{UID: ptr.To(live.GetUID())}
		return client.IgnoreNotFound(l.host.Delete(ctx, live, uid))
	case !absent && sequenceOf(live) == c.sequence:
		return nil
	case absent && l.ledger.present(op.key):
		return errors.New("the host has lost the template")
	case absent:
		// Nothing keeps a creation from arriving after the template was deleted again; who waits for quiet sweeps those up.
		l.ledger.doubt(op.key, c)
		return l.host.Create(ctx, desired)
	}
	desired.SetUID(live.GetUID())
	desired.SetResourceVersion(live.GetResourceVersion())
	return l.host.Update(ctx, desired)
}

func emptyOf(kind string) client.Object {
	if kind == kindDeployment {
		return &appsv1.Deployment{}
	}
	return &corev1.ConfigMap{}
}
