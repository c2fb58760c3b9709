package handover

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// targets reads "a:1 b:2" in pairs.
func targets(pairs ...any) []v1alpha1.TargetCluster {
	var list []v1alpha1.TargetCluster
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, v1alpha1.TargetCluster{Name: pairs[i].(string), Replicas: new(int32(pairs[i+1].(int)))})
	}
	return list
}

// ready are reports of members with so many ready replicas.
func ready(pairs ...any) []v1alpha1.AggregatedStatusItem {
	var list []v1alpha1.AggregatedStatusItem
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, v1alpha1.AggregatedStatusItem{
			ClusterName: pairs[i].(string), Health: v1alpha1.Unhealthy, Applied: true, ReadyReplicas: new(int32(pairs[i+1].(int))),
		})
	}
	return list
}

// retained is a cluster that keeps its replicas, which were all, until those of b are ready.
func retained(name string, replicas int32, ago time.Duration) v1alpha1.RetainedCluster {
	return v1alpha1.RetainedCluster{Name: name, Replicas: &replicas, Placed: replicas, Awaits: []string{"b"}, Since: metav1.NewTime(now.Add(-ago)), Reason: "Eviction"}
}

func task(cluster string, change func(*v1alpha1.GracefulEvictionTask)) v1alpha1.GracefulEvictionTask {
	t := v1alpha1.GracefulEvictionTask{FromCluster: cluster, Reason: v1alpha1.ReasonTaintUntolerated, PurgeMode: v1alpha1.PurgeGracefully}
	if change != nil {
		change(&t)
	}
	return t
}

// facts are those of a Divided template in clusters that all exist and answer.
func facts(before, decided []v1alpha1.TargetCluster, reports []v1alpha1.AggregatedStatusItem, change func(*Facts)) Facts {
	divided := &v1alpha1.Placement{ReplicaScheduling: &v1alpha1.ReplicaScheduling{ReplicaSchedulingType: v1alpha1.Divided}}
	f := Facts{
		Spec:    &v1alpha1.BindingSpec{Clusters: before, Placement: divided, Replicas: new(int32(total(decided)))},
		Decided: decided, Reports: reports, Reason: "Eviction", Grace: 10 * time.Minute, Graceful: true, Now: now,
		Members: map[string]Member{"a": {Ready: true}, "b": {Ready: true}, "c": {Ready: true}},
	}
	if change != nil {
		change(&f)
	}
	return f
}

// outcome is what a plan says, in few words.
type outcome struct {
	Clusters map[string]int32
	Retained map[string]string // what is awaited, and how much was placed
	Withheld int32
	Deferred bool
	Reason   string
	Retry    time.Duration
}

func outcomeOf(p Plan) outcome {
	o := outcome{Clusters: map[string]int32{}, Retained: map[string]string{}, Withheld: p.Withheld, Deferred: p.Deferred, Reason: p.Reason, Retry: p.RetryAfter}
	for _, t := range p.Clusters {
		o.Clusters[t.Name] = int32(units(t.Replicas))
	}
	for _, r := range p.Retained {
		o.Retained[r.Name] = fmt.Sprint(strings.Join(r.Awaits, ","), " ", r.Placed)
	}
	return o
}

func TestAClusterKeepsWhatItHasUntilItsReplacementIsReady(t *testing.T) {
	const grace = 10 * time.Minute
	waiting := func(clusters map[string]int32, kept map[string]string) outcome {
		return outcome{Clusters: clusters, Retained: kept, Reason: v1alpha1.ReasonReplacementNotReady, Retry: grace}
	}
	done := func(clusters map[string]int32) outcome {
		return outcome{Clusters: clusters, Retained: map[string]string{}, Reason: v1alpha1.ReasonMoved}
	}
	retaining := func(r ...v1alpha1.RetainedCluster) func(*Facts) {
		return func(f *Facts) { f.Spec.Retained = r }
	}
	for name, tc := range map[string]struct {
		facts Facts
		want  outcome
	}{
		"nothing is kept of a new template": {
			facts(nil, targets("a", 2), nil, nil), done(map[string]int32{"a": 2}),
		},
		"what moves is kept where it was": {
			facts(targets("a", 6), targets("b", 6), ready("a", 6), nil),
			waiting(map[string]int32{"b": 6}, map[string]string{"a": "b 6"}),
		},
		"a part that moves is kept too, and what stays counts as ready": {
			facts(targets("a", 4, "b", 2), targets("a", 2, "b", 4), ready("a", 4, "b", 2), nil),
			waiting(map[string]int32{"a": 2, "b": 4}, map[string]string{"a": "b 6"}),
		},
		"a sick cluster that has no part in the move is not waited for": {
			facts(targets("a", 2, "c", 2), targets("b", 2, "c", 2), ready("a", 2, "c", 1), nil),
			waiting(map[string]int32{"b": 2, "c": 2}, map[string]string{"a": "b 4"}),
		},
		"fewer replicas are let go at once": {
			facts(targets("a", 4, "b", 2), targets("a", 2, "b", 1), ready("a", 4, "b", 2), nil),
			done(map[string]int32{"a": 2, "b": 1}),
		},
		"a move to fewer replicas waits for the fewer ones": {
			facts(targets("a", 6), targets("b", 3), ready("a", 6), nil),
			waiting(map[string]int32{"b": 3}, map[string]string{"a": "b 6"}),
		},
		"what finds no room anywhere is waited for as well": {
			facts(targets("a", 6), targets("b", 4), ready("a", 6), func(f *Facts) { f.Pending = 2 }),
			waiting(map[string]int32{"b": 4}, map[string]string{"a": "b 6"}),
		},
		"nothing is kept where there is no copy": {
			facts(targets("a", 6), targets("b", 6), ready("a", 0), func(f *Facts) { f.Fresh = map[string]int32{"a": Absent} }), done(map[string]int32{"b": 6}),
		},
		"but a report that nothing is ready may be old": {
			facts(targets("a", 6), targets("b", 6), ready("a", 0), nil), waiting(map[string]int32{"b": 6}, map[string]string{"a": "b 6"}),
		},
		"of a member that is silent everything is kept": {
			facts(targets("a", 6), targets("b", 6), nil, nil), waiting(map[string]int32{"b": 6}, map[string]string{"a": "b 6"}),
		},
		"a cluster that no longer exists keeps nothing": {
			facts(targets("x", 6), targets("b", 6), ready("x", 6), nil), done(map[string]int32{"b": 6}),
		},
		"a cluster that is given up keeps nothing": {
			facts(targets("a", 6), targets("b", 6), ready("a", 6), func(f *Facts) { f.Members["a"] = Member{Abandoned: true} }),
			done(map[string]int32{"b": 6}),
		},
		"without grace nothing is kept": {
			facts(targets("a", 6), targets("b", 6), ready("a", 6), func(f *Facts) { f.Graceful = false }), done(map[string]int32{"b": 6}),
		},
		"reports alone let nothing go": {
			facts(targets("b", 6), targets("b", 6), ready("a", 6, "b", 6), retaining(retained("a", 6, 0))),
			waiting(map[string]int32{"b": 6}, map[string]string{"a": "b 6"}),
		},
		"members that were asked let it go": {
			facts(targets("b", 6), targets("b", 6), ready("a", 6, "b", 6), func(f *Facts) {
				f.Spec.Retained, f.Fresh = []v1alpha1.RetainedCluster{retained("a", 6, 0)}, map[string]int32{"b": 6}
			}), done(map[string]int32{"b": 6}),
		},
		"a copy that is ready where nothing was applied lately may be on its way out": {
			facts(targets("b", 6), targets("b", 6), ready("a", 6, "b", 6), func(f *Facts) {
				f.Reports[1].Applied = false
				f.Spec.Retained, f.Fresh = []v1alpha1.RetainedCluster{retained("a", 6, 0)}, map[string]int32{"b": 6}
			}), waiting(map[string]int32{"b": 6}, map[string]string{"a": "b 6"}),
		},
		"what is ready in a cluster of the next decision only is no proof": {
			facts(targets("b", 6), targets("c", 6), ready("a", 6, "b", 0, "c", 6), func(f *Facts) {
				f.Spec.Retained, f.Fresh = []v1alpha1.RetainedCluster{retained("a", 6, 0)}, map[string]int32{"b": 6}
			}), waiting(map[string]int32{"c": 6}, map[string]string{"a": "c 6", "b": "c 6"}),
		},
		"the end of the grace period lets it go when anything is ready elsewhere": {
			facts(targets("b", 6), targets("b", 6), ready("a", 6, "b", 1), func(f *Facts) {
				f.Spec.Retained, f.Fresh = []v1alpha1.RetainedCluster{retained("a", 6, grace)}, map[string]int32{"b": 1}
			}), done(map[string]int32{"b": 6}),
		},
		"the last ready copy outlives its grace period": {
			facts(targets("b", 6), targets("b", 6), ready("a", 6, "b", 0), func(f *Facts) {
				f.Spec.Retained, f.Fresh = []v1alpha1.RetainedCluster{retained("a", 6, time.Hour)}, map[string]int32{"b": 0}
			}), outcome{Clusters: map[string]int32{"b": 6}, Retained: map[string]string{"a": "b 6"}, Reason: v1alpha1.ReasonLastCopy},
		},
		"a task may ask for another grace period": {
			facts(targets("b", 6), targets("b", 6), ready("a", 6, "b", 1), func(f *Facts) {
				f.Spec.Retained = []v1alpha1.RetainedCluster{retained("a", 6, grace)}
				f.Spec.GracefulEvictionTasks = []v1alpha1.GracefulEvictionTask{task("a", func(t *v1alpha1.GracefulEvictionTask) { t.GracePeriodSeconds = new(int32(1200)) })}
				f.Fresh = map[string]int32{"b": 1}
			}), waiting(map[string]int32{"b": 6}, map[string]string{"a": "b 6"}),
		},
		"scaled to nothing, nothing is waited for": {
			facts(targets("b", 0), targets("b", 0), ready("a", 6, "b", 0), retaining(retained("a", 6, 0))), done(map[string]int32{"b": 0}),
		},
		"a cluster that gets back what it keeps is no longer left": {
			facts(targets("b", 6), targets("a", 6), ready("a", 6, "b", 0), func(f *Facts) {
				f.Spec.Retained, f.Fresh = []v1alpha1.RetainedCluster{retained("a", 6, 0)}, map[string]int32{"a": 6, "b": Absent}
			}), done(map[string]int32{"a": 6}),
		},
		"the purge mode Never keeps a copy although its replacement is ready": {
			facts(targets("b", 6), targets("b", 6), ready("a", 6, "b", 6), func(f *Facts) {
				f.Spec.Retained, f.Fresh = []v1alpha1.RetainedCluster{retained("a", 6, time.Hour)}, map[string]int32{"b": 6}
				f.Spec.GracefulEvictionTasks = []v1alpha1.GracefulEvictionTask{task("a", func(t *v1alpha1.GracefulEvictionTask) { t.SuppressDeletion = new(true) })}
			}), outcome{Clusters: map[string]int32{"b": 6}, Retained: map[string]string{"a": "b 6"}, Reason: v1alpha1.ReasonKeptByUser},
		},
		"a user lets it go": {
			facts(targets("b", 6), targets("b", 6), ready("a", 6, "b", 0), func(f *Facts) {
				f.Spec.Retained = []v1alpha1.RetainedCluster{retained("a", 6, 0)}
				f.Spec.GracefulEvictionTasks = []v1alpha1.GracefulEvictionTask{task("a", func(t *v1alpha1.GracefulEvictionTask) { t.SuppressDeletion = new(false) })}
			}), done(map[string]int32{"b": 6}),
		},
		"the purge mode Directly removes first": {
			facts(targets("a", 6), targets("b", 6), ready("a", 6), func(f *Facts) {
				f.Spec.GracefulEvictionTasks = []v1alpha1.GracefulEvictionTask{task("a", func(t *v1alpha1.GracefulEvictionTask) { t.PurgeMode = v1alpha1.PurgeDirectly })}
			}), outcome{Clusters: map[string]int32{}, Retained: map[string]string{}, Withheld: 6, Reason: v1alpha1.ReasonOldCopyNotGone},
		},
		"and replaces when the old copy is gone": {
			facts(nil, targets("b", 6), nil, func(f *Facts) {
				f.Spec.GracefulEvictionTasks = []v1alpha1.GracefulEvictionTask{task("a", func(t *v1alpha1.GracefulEvictionTask) { t.PurgeMode = v1alpha1.PurgeDirectly })}
			}), done(map[string]int32{"b": 6}),
		},
		"and keeps nothing waiting that is to replace another one": {
			facts(targets("a", 2, "c", 4), targets("b", 6), ready("a", 2, "c", 4), func(f *Facts) {
				f.Members["c"] = Member{}
				f.Spec.GracefulEvictionTasks = []v1alpha1.GracefulEvictionTask{
					task("a", func(t *v1alpha1.GracefulEvictionTask) {
						t.PurgeMode, t.Replicas = v1alpha1.PurgeDirectly, new(int32(2))
					}),
					task("c", func(t *v1alpha1.GracefulEvictionTask) {
						t.PurgeMode, t.Replicas = v1alpha1.PurgeDirectly, new(int32(4))
					}),
				}
			}), outcome{Clusters: map[string]int32{"b": 4}, Retained: map[string]string{}, Withheld: 2, Reason: v1alpha1.ReasonOldCopyNotGone},
		},
		"but does not wait for a member that is dead": {
			facts(targets("a", 6), targets("b", 6), ready("a", 6), func(f *Facts) {
				f.Members["a"] = Member{}
				f.Spec.GracefulEvictionTasks = []v1alpha1.GracefulEvictionTask{task("a", func(t *v1alpha1.GracefulEvictionTask) { t.PurgeMode = v1alpha1.PurgeDirectly })}
			}), done(map[string]int32{"b": 6}),
		},
		"a copy that restarts is kept although nothing of it is ready": {
			facts(targets("b", 6), targets("b", 6), ready("a", 0, "b", 0), func(f *Facts) {
				f.Spec.Retained, f.Fresh = []v1alpha1.RetainedCluster{retained("a", 6, time.Hour)}, map[string]int32{"a": 0, "b": 0}
			}), outcome{Clusters: map[string]int32{"b": 6}, Retained: map[string]string{"a": "b 6"}, Reason: v1alpha1.ReasonLastCopy},
		},
		"the first replica that is ready after the grace period begins another one": {
			facts(targets("b", 6), targets("b", 6), ready("a", 6, "b", 1), func(f *Facts) {
				r := retained("a", 6, time.Hour)
				r.LastCopy = true
				f.Spec.Retained, f.Fresh = []v1alpha1.RetainedCluster{r}, map[string]int32{"a": 6, "b": 1}
			}), waiting(map[string]int32{"b": 6}, map[string]string{"a": "b 6"}),
		},
		"another replacement begins another grace period": {
			facts(targets("b", 6), targets("c", 6), ready("a", 6, "b", 1), func(f *Facts) {
				f.Spec.Retained, f.Fresh = []v1alpha1.RetainedCluster{retained("a", 6, time.Hour)}, map[string]int32{"a": 6, "b": Absent}
			}), waiting(map[string]int32{"c": 6}, map[string]string{"a": "c 6"}),
		},
		"without grace what a user keeps is kept all the same": {
			facts(targets("a", 6), targets("b", 6), ready("a", 6), func(f *Facts) {
				f.Graceful = false
				f.Spec.GracefulEvictionTasks = []v1alpha1.GracefulEvictionTask{task("a", func(t *v1alpha1.GracefulEvictionTask) { t.SuppressDeletion = new(true) })}
			}), outcome{Clusters: map[string]int32{"b": 6}, Retained: map[string]string{"a": "b 6"}, Reason: v1alpha1.ReasonKeptByUser},
		},
		"what is put off for one cluster lets no other one go": {
			facts(targets("a", 3, "c", 3), targets("b", 3, "d", 3), ready("a", 3, "c", 3), func(f *Facts) {
				f.Spec.Placement = &v1alpha1.Placement{}
				f.Spec.GracefulEvictionTasks = []v1alpha1.GracefulEvictionTask{task("a", func(t *v1alpha1.GracefulEvictionTask) { t.PurgeMode = v1alpha1.PurgeDirectly })}
			}), outcome{Clusters: map[string]int32{}, Retained: map[string]string{"c": " 6"}, Reason: v1alpha1.ReasonOldCopyNotGone, Retry: grace},
		},
		"a budget puts off a move while too much is not ready": {
			facts(targets("a", 3, "c", 3), targets("b", 3, "c", 3), ready("a", 3, "c", 1), func(f *Facts) {
				f.Voluntary = true
				f.Spec.Disruption = &v1alpha1.Disruption{MaxUnavailableReplicas: new(intstr.FromInt32(1))}
			}), outcome{Clusters: map[string]int32{"a": 3, "c": 3}, Retained: map[string]string{}, Deferred: true, Reason: v1alpha1.ReasonDisruptionBudget},
		},
		"a budget of clusters holds although the user asks for more at the same time": {
			facts(targets("a", 2, "b", 2, "c", 2), targets("d", 7), nil, func(f *Facts) {
				f.Voluntary = true
				f.Spec.Disruption = &v1alpha1.Disruption{MaxUnavailableClusters: new(int32(1))}
			}), outcome{Clusters: map[string]int32{"b": 2, "c": 2, "d": 3}, Retained: map[string]string{"a": "d 6"}, Deferred: true,
				Reason: v1alpha1.ReasonDisruptionBudget, Retry: grace},
		},
		"and although the user asks for less": {
			facts(targets("a", 5, "b", 5), targets("c", 2), nil, func(f *Facts) {
				f.Voluntary = true
				f.Spec.Disruption = &v1alpha1.Disruption{MaxUnavailableClusters: new(int32(1))}
			}), outcome{Clusters: map[string]int32{"b": 2}, Retained: map[string]string{"a": " 10"}, Deferred: true,
				Reason: v1alpha1.ReasonDisruptionBudget, Retry: grace},
		},
		"a copy that its user keeps takes nothing of a budget": {
			facts(targets("b", 6), targets("c", 6), nil, func(f *Facts) {
				f.Voluntary = true
				f.Spec.Disruption = &v1alpha1.Disruption{MaxUnavailableClusters: new(int32(1))}
				f.Spec.Retained = []v1alpha1.RetainedCluster{retained("a", 6, time.Minute)}
				f.Spec.GracefulEvictionTasks = []v1alpha1.GracefulEvictionTask{task("a", func(t *v1alpha1.GracefulEvictionTask) { t.SuppressDeletion = new(true) })}
			}), outcome{Clusters: map[string]int32{"c": 6}, Retained: map[string]string{"a": "c 6", "b": "c 6"}, Reason: v1alpha1.ReasonKeptByUser, Retry: grace},
		},
		"but no move that is forced": {
			facts(targets("a", 3, "c", 3), targets("b", 3, "c", 3), ready("a", 3, "c", 1), func(f *Facts) {
				f.Spec.Disruption = &v1alpha1.Disruption{MaxUnavailableReplicas: new(intstr.FromInt32(1))}
			}), waiting(map[string]int32{"b": 3, "c": 3}, map[string]string{"a": "b 6"}),
		},
		"a budget does not stand in the way of what cures": {
			facts(targets("a", 3, "c", 3), targets("b", 3, "c", 3), ready("a", 0, "c", 3), func(f *Facts) {
				f.Voluntary = true
				f.Spec.Disruption = &v1alpha1.Disruption{MaxUnavailableReplicas: new(intstr.FromInt32(1))}
			}), waiting(map[string]int32{"b": 3, "c": 3}, map[string]string{"a": "b 6"}),
		},
		"what heals elsewhere stands in for no replacement": {
			facts(targets("b", 8, "c", 2), targets("b", 8, "c", 2), ready("b", 8, "c", 0), func(f *Facts) {
				r := retained("a", 2, 0)
				r.Awaits, r.Placed = []string{"c"}, 10
				f.Spec.Retained, f.Fresh = []v1alpha1.RetainedCluster{r}, map[string]int32{"b": 8, "c": 0}
			}), waiting(map[string]int32{"b": 8, "c": 2}, map[string]string{"a": "c 10"}),
		},
		"a replacement that finds only part of its room is waited for": {
			facts(targets("b", 4), targets("b", 4), ready("b", 4), func(f *Facts) {
				f.Pending = 2
				f.Spec.Retained, f.Fresh = []v1alpha1.RetainedCluster{retained("a", 6, 0)}, map[string]int32{"b": 4}
			}), waiting(map[string]int32{"b": 4}, map[string]string{"a": "b 6"}),
		},
		"a budget lets go before the last replicas are ready": {
			facts(targets("b", 6), targets("b", 6), ready("a", 6, "b", 5), func(f *Facts) {
				f.Spec.Retained, f.Fresh = []v1alpha1.RetainedCluster{retained("a", 6, 0)}, map[string]int32{"b": 5}
				f.Spec.Disruption = &v1alpha1.Disruption{MaxUnavailableReplicas: new(intstr.FromString("17%"))}
			}), done(map[string]int32{"b": 6}),
		},
		"a budget lets one cluster be left after the other": {
			facts(targets("a", 3, "b", 3), targets("c", 6), ready("a", 3, "b", 3), func(f *Facts) {
				f.Voluntary = true
				f.Spec.Disruption = &v1alpha1.Disruption{MaxUnavailableClusters: new(int32(1))}
			}), outcome{
				Clusters: map[string]int32{"b": 3, "c": 3}, Retained: map[string]string{"a": "c 6"}, Deferred: true,
				Reason: v1alpha1.ReasonDisruptionBudget, Retry: grace,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := tc.facts.Spec.DeepCopy()
			if diff := cmp.Diff(tc.want, outcomeOf(Make(tc.facts))); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(before, tc.facts.Spec); diff != "" {
				t.Errorf("the facts were changed: %s", diff)
			}
		})
	}
}

func TestATemplateWithoutReplicasCountsAsOnePerCluster(t *testing.T) {
	one := func(names ...string) (list []v1alpha1.TargetCluster) {
		for _, name := range names {
			list = append(list, v1alpha1.TargetCluster{Name: name})
		}
		return list
	}
	healthy := []v1alpha1.AggregatedStatusItem{
		{ClusterName: "a", Health: v1alpha1.Healthy, Applied: true}, {ClusterName: "b", Health: v1alpha1.Healthy, Applied: true},
	}
	plain := func(f *Facts) { f.Spec.Placement, f.Spec.Replicas = &v1alpha1.Placement{}, nil }
	asked := func(b int32) func(*Facts) {
		return func(f *Facts) {
			plain(f)
			f.Fresh = map[string]int32{"a": 1, "b": b}
		}
	}
	for name, tc := range map[string]struct {
		facts Facts
		want  map[string]string
	}{
		"a cluster that is replaced is kept":                        {facts(one("a", "b"), one("b", "c"), healthy, plain), map[string]string{"a": "c 2"}},
		"one that is not replaced is kept until somebody was asked": {facts(one("a", "b"), one("b"), healthy, plain), map[string]string{"a": " 2"}},
		"and left when another one is healthy":                      {facts(one("a", "b"), one("b"), healthy, asked(1)), map[string]string{}},
		"and kept when it may be the last healthy copy":             {facts(one("a", "b"), one("b"), healthy, asked(0)), map[string]string{"a": " 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, outcomeOf(Make(tc.facts)).Retained); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNewClustersInheritTheStateOfWhatFailed(t *testing.T) {
	f := facts(targets("a", 2, "b", 1), targets("b", 2, "c", 1), ready("a", 2, "b", 1), func(f *Facts) {
		f.Spec.Clusters[1].PreservedLabelState = map[string]string{"savepoint": "1"}
		f.Spec.GracefulEvictionTasks = []v1alpha1.GracefulEvictionTask{task("a", func(t *v1alpha1.GracefulEvictionTask) {
			t.PreservedLabelState, t.PreservedAnnotationState = map[string]string{"savepoint": "2"}, map[string]string{"path": "s3://x"}
		})}
	})
	want := targets("b", 2, "c", 1)
	want[0].PreservedLabelState = map[string]string{"savepoint": "1"}
	want[1].PreservedLabelState, want[1].PreservedAnnotationState = map[string]string{"savepoint": "2"}, map[string]string{"path": "s3://x"}
	if diff := cmp.Diff(want, Make(f).Clusters); diff != "" {
		t.Error(diff)
	}
}
