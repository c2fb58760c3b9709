package v1alpha1

// Condition types. Each is written by exactly one controller.
const (
	// ConditionReady on a Cluster: the member answers and its credentials work (cluster controller).
	// On a policy: the kinds that it selects are watched and the PriorityClass that it names exists (propagation).
	// On a ClusterTaintPolicy: the policy is obeyed (tainting).
	ConditionReady = "Ready"
	// ConditionTainted on a Cluster: it has an automatic taint because of its health, or until it is clean after it was not
	// well (tainting). The condition is there only while it has.
	ConditionTainted = "Tainted"
	// ConditionRemembered on a Cluster is False while the member holds objects that the host has forgotten, because it was restored
	// from a backup, and does not want (execution). It is absent otherwise.
	ConditionRemembered = "Remembered"
	// ConditionAPIsComplete on a Cluster: every API group of the member could be listed (cluster controller).
	ConditionAPIsComplete = "APIsComplete"
	// ConditionFieldsHonored on a Cluster: every field that is set has an effect in this version.
	ConditionFieldsHonored = "FieldsHonored"
	// ConditionScheduled on a binding: a decision was made and it holds (scheduling).
	ConditionScheduled = "Scheduled"
	// ConditionMoving on a binding: clusters that the decision leaves keep what they have, until what replaces it is
	// ready. It is absent while a template has never moved (scheduling).
	ConditionMoving = "Moving"
	// ConditionApplied on a binding: every target cluster holds the current manifest (aggregation).
	ConditionApplied = "Applied"
	// ConditionHealthy on a binding: every target cluster reports a healthy object (aggregation).
	ConditionHealthy = "Healthy"
	// ConditionTemplateOnly on a binding: the template lies in a template namespace, so that it does not
	// run on the host (propagation).
	ConditionTemplateOnly = "TemplateOnly"
	// ConditionComplete on a WorkloadRebalancer: every template was placed anew or given up (rebalance).
	ConditionComplete = "Complete"
	// ConditionProgressing on a WorkloadRebalancer: the scheduler has been asked and has not answered for every
	// template yet (rebalance).
	ConditionProgressing = "Progressing"
)

// Reasons of a Cluster's condition Ready.
const (
	// ReasonClusterReady: the member answered and is healthy.
	ReasonClusterReady = "ClusterReady"
	// ReasonClusterNotReady: the member answered and says that it is not healthy.
	ReasonClusterNotReady = "ClusterNotReady"
	// ReasonClusterNotReachable: the member did not answer.
	ReasonClusterNotReachable = "ClusterNotReachable"
	// ReasonProbing: the member has not been probed yet.
	ReasonProbing = "Probing"
	// ReasonCredentialsMissing: the credentials Secret does not exist, or lacks the keys.
	ReasonCredentialsMissing = "CredentialsMissing"
	// ReasonCredentialsInvalid: the credentials Secret cannot be understood.
	ReasonCredentialsInvalid = "CredentialsInvalid"
	// ReasonUnauthorized: the member refused the credentials.
	ReasonUnauthorized = "Unauthorized"
	// ReasonForbidden: the credentials lack rights that Flotilla needs.
	ReasonForbidden = "Forbidden"
	// ReasonCertificateInvalid: the member's certificate does not check against the CA bundle.
	ReasonCertificateInvalid = "CertificateInvalid"
	// ReasonCertificateExpired: the member's certificate, or the client certificate in the credentials, ended.
	ReasonCertificateExpired = "CertificateExpired"
	// ReasonEndpointMissing: neither spec.apiEndpoint nor a kubeconfig names the member's API server.
	ReasonEndpointMissing = "EndpointMissing"
	// ReasonAlreadyJoined: another Cluster is the same member.
	ReasonAlreadyJoined = "AlreadyJoined"
	// ReasonIsHost: the member is the host itself.
	ReasonIsHost = "IsHost"
	// ReasonIDChanged: the API server that answers is not the cluster that joined.
	ReasonIDChanged = "IDChanged"
	// ReasonSyncModeNotSupported: the Cluster's syncMode has no effect in this version.
	ReasonSyncModeNotSupported = "SyncModeNotSupported"
	// ReasonRemoving: the Cluster is being deleted and what Flotilla put into the member is being removed.
	ReasonRemoving = "Removing"
)

// Reasons of the condition Tainted.
const (
	// ReasonFailoverDisabled: nothing new is placed in the cluster. What runs there stays, because the feature gate Failover
	// is off.
	ReasonFailoverDisabled = "FailoverDisabled"
	// ReasonEvictionPending: nothing new is placed in the cluster. When it stays as it is, what runs there is evicted.
	ReasonEvictionPending = "EvictionPending"
	// ReasonEvictionHeld: what runs in the cluster would be evicted, but most clusters are lost at once.
	ReasonEvictionHeld = "EvictionHeld"
	// ReasonEvicting: the cluster has a taint that evicts what does not tolerate it.
	ReasonEvicting = "Evicting"
	// ReasonStaysInUse: nothing new is placed in the cluster. It answers but cannot be used, so what runs there runs on.
	ReasonStaysInUse = "RunsOn"
	// ReasonCleaningUp: the cluster is Ready again. Nothing new is placed there until what was moved away or deleted meanwhile is
	// removed.
	ReasonCleaningUp = "CleaningUp"
)

// Reasons of a ClusterTaintPolicy's condition Ready. FailoverDisabled, of the condition Tainted, is another one, and so is
// InvalidSelector, of a policy's condition Ready.
const (
	// ReasonObeyed: the policy is obeyed.
	ReasonObeyed = "Obeyed"
)

// Reasons of the condition APIsComplete.
const (
	// ReasonDiscovered: every API group could be listed.
	ReasonDiscovered = "Discovered"
	// ReasonPartlyDiscovered: some API groups could not be listed; what was known of them is kept.
	ReasonPartlyDiscovered = "PartlyDiscovered"
)

// Reasons of the condition FieldsHonored.
const (
	// ReasonAllHonored: every field that is set has an effect.
	ReasonAllHonored = "AllHonored"
	// ReasonInvalidResourceModels: the message names a part of a Cluster's spec.resourceModels that makes no sense.
	ReasonInvalidResourceModels = "InvalidResourceModels"
	// ReasonNotYetHonored: the message names fields that are set and have no effect in this version.
	ReasonNotYetHonored = "NotYetHonored"
)

// Reasons of a policy's condition Ready.
const (
	// ReasonWatching: every selected kind is watched.
	ReasonWatching = "Watching"
	// ReasonKindNotFound: the host does not know a selected kind.
	ReasonKindNotFound = "KindNotFound"
	// ReasonKindNotPropagated: a selected kind is never propagated, because every cluster makes its own
	// objects of it.
	ReasonKindNotPropagated = "KindNotPropagated"
	// ReasonWatchForbidden: the manager may not read a selected kind.
	ReasonWatchForbidden = "WatchForbidden"
	// ReasonWatchStarting: a selected kind's watch has not synced yet.
	ReasonWatchStarting = "WatchStarting"
	// ReasonNamespaceMismatch: a selector of a PropagationPolicy names another namespace, or a selected
	// kind has no namespace.
	ReasonNamespaceMismatch = "NamespaceMismatch"
	// ReasonInvalidSelector: a label selector cannot be parsed.
	ReasonInvalidSelector = "InvalidSelector"
	// ReasonInvalidStatePreservation: a rule of statePreservation has a jsonPath that cannot be read.
	ReasonInvalidStatePreservation = "InvalidStatePreservation"
	// ReasonOverrideMissing: an override policy in dependentOverrides does not exist; templates that are not propagated yet
	// wait for it.
	ReasonOverrideMissing = "OverrideMissing"
	// ReasonPriorityClassNotFound: the host has no PriorityClass of the name in schedulePriority; the priority
	// of the policy's templates is 0.
	ReasonPriorityClassNotFound = "PriorityClassNotFound"
)

// Reasons of an override policy's condition Ready. OverrideFailed, of the condition Applied, is another one.
const (
	// ReasonOverrideReady: the policy is applied to every template that it is for.
	ReasonOverrideReady = "Applied"
	// ReasonInvalidOverride: the policy cannot be understood; the message names the fields.
	ReasonInvalidOverride = "InvalidOverride"
)

// Reasons of the condition Moving.
const (
	// ReasonMoved: every cluster that was left has let go.
	ReasonMoved = "Moved"
	// ReasonReplacementNotReady: the replacement is not ready, and the grace period has not ended.
	ReasonReplacementNotReady = "ReplacementNotReady"
	// ReasonLastCopy: the grace period has ended, but nothing of the template is ready elsewhere, so the old copy stays.
	ReasonLastCopy = "LastCopy"
	// ReasonKeptByUser: a task's suppressDeletion keeps the old copy.
	ReasonKeptByUser = "KeptByUser"
	// ReasonOldCopyNotGone: the old copy is being removed first, as the purge mode Directly wants it.
	ReasonOldCopyNotGone = "OldCopyNotGone"
	// ReasonDisruptionBudget: the policy's disruption puts off the move, or a part of it.
	ReasonDisruptionBudget = "DisruptionBudget"
)

// Reasons of graceful eviction tasks.
const (
	// ReasonTaintUntolerated: the cluster has a NoExecute taint that the placement does not tolerate, or not for so long.
	ReasonTaintUntolerated = "TaintUntolerated"
	// ReasonDrained: somebody drains the cluster.
	ReasonDrained = "Drained"
	// ReasonApplicationFailure: the application has been unhealthy in the cluster for too long.
	ReasonApplicationFailure = "ApplicationFailure"
)

// Reasons of the condition Scheduled.
const (
	// ReasonScheduled: the decision holds.
	ReasonScheduled = "Success"
	// ReasonNoClusterFit: no cluster passes the filters; the old placement stays.
	ReasonNoClusterFit = "NoClusterFit"
	// ReasonNoWeightMatches: no cluster that passes the filters has a weight; the old placement stays.
	ReasonNoWeightMatches = "NoWeightMatches"
	// ReasonUnschedulable: the clusters have no room for all replicas. Those that fit are placed, the others are
	// pending.
	ReasonUnschedulable = "Unschedulable"
	// ReasonSpreadNotMet: no set of clusters satisfies the spread constraints; the old placement stays.
	ReasonSpreadNotMet = "SpreadNotMet"
	// ReasonLeaving: all replicas are placed, but some of them in clusters that they should leave, because no
	// other cluster has room for them.
	ReasonLeaving = "Leaving"
	// ReasonSuspended: scheduling is suspended; the old placement stays.
	ReasonSuspended = "Suspended"
	// ReasonNotSupported: the placement uses a field that has no effect in this version and without which
	// no decision can be made; the old placement stays.
	ReasonNotSupported = "NotSupported"
	// ReasonInvalidPlacement: the placement cannot be understood; the old placement stays.
	ReasonInvalidPlacement = "InvalidPlacement"
)

// Reasons of the condition Applied, and of each member's entry in aggregatedStatus.
const (
	// ReasonApplied: the current manifest is in place.
	ReasonApplied = "Applied"
	// ReasonApplying: the current manifest is on its way.
	ReasonApplying = "Applying"
	// ReasonNotScheduled: there is no target cluster.
	ReasonNotScheduled = "NotScheduled"
	// ReasonForeignObject: the member holds an object of the same name that is not this host's.
	ReasonForeignObject = "ForeignObject"
	// ReasonKindNotInstalled: the member does not serve the template's kind.
	ReasonKindNotInstalled = "KindNotInstalled"
	// ReasonInvalidManifest: the member refused the manifest as invalid.
	ReasonInvalidManifest = "InvalidManifest"
	// ReasonMemberForbidden: the member refused the manifest because Flotilla lacks the rights there.
	ReasonMemberForbidden = "Forbidden"
	// ReasonMemberUnreachable: the member does not answer.
	ReasonMemberUnreachable = "MemberUnreachable"
	// ReasonTooLarge: the manifest is larger than the member takes.
	ReasonTooLarge = "TooLarge"
	// ReasonRenderFailed: the manifest could not be made from the template.
	ReasonRenderFailed = "RenderFailed"
	// ReasonApplyFailed: the member refused the manifest for another reason; it is tried again.
	ReasonApplyFailed = "ApplyFailed"
	// ReasonOtherHost: the member holds an object of the same name that another host manages.
	ReasonOtherHost = "OtherHost"
	// ReasonRetained: the cluster is being left, and keeps what it has until what replaces it is ready.
	ReasonRetained = "Retained"
	// ReasonDispatchSuspended: the policy's suspension keeps the manifest from the member.
	ReasonDispatchSuspended = "DispatchSuspended"
	// ReasonDrifted: values were changed in the member and stay so, because the driftPolicy is Report.
	ReasonDrifted = "Drifted"
	// ReasonOverrideFailed: an override policy cannot be applied; what the member holds stays as it is.
	ReasonOverrideFailed = "OverrideFailed"
	// ReasonRemovingOld: an object that is no longer wanted is being removed.
	ReasonRemovingOld = "Removing"
	// ReasonUnremembered: the host was restored from a backup, and has forgotten that it wrote the member's object, which may be
	// newer than what the host knows. It stays as it is. Also the reason of a Cluster's condition Remembered.
	ReasonUnremembered = "Unremembered"
)

// Reasons of the condition Healthy.
const (
	// ReasonAllHealthy: every target cluster reports a healthy object.
	ReasonAllHealthy = "AllHealthy"
	// ReasonNotAllHealthy: at least one target cluster reports an unhealthy object or none.
	ReasonNotAllHealthy = "NotAllHealthy"
)

// Reasons of a WorkloadRebalancer's conditions Complete and Progressing. InvalidSelector, of a policy's condition
// Ready, is another one.
const (
	// ReasonRescheduling: templates are still pending.
	ReasonRescheduling = "Rescheduling"
	// ReasonAllRescheduled: every template was placed anew.
	ReasonAllRescheduled = "AllRescheduled"
	// ReasonSomeFailed: some templates were not placed anew.
	ReasonSomeFailed = "SomeFailed"
	// ReasonNothingSelected: no template was selected.
	ReasonNothingSelected = "NothingSelected"
)

// Reasons of the condition TemplateOnly.
const (
	// ReasonTemplateNamespace: the template's namespace is a template namespace.
	ReasonTemplateNamespace = "TemplateNamespace"
	// ReasonRunsOnHost: the template's namespace is not a template namespace, so the template also runs
	// on the host and its status there is the host's own.
	ReasonRunsOnHost = "RunsOnHost"
	// ReasonClusterScoped: the template is cluster-scoped, so it also exists on the host.
	ReasonClusterScoped = "ClusterScoped"
)
