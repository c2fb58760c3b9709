package v1alpha1

// Namespaces that Flotilla uses on the host and in members.
const (
	// SystemNamespace is where the manager runs on the host, and where the ServiceAccount that
	// Flotilla acts as lives in each member.
	SystemNamespace = "flotilla-system"
	// ExecutionNamespacePrefix, followed by a cluster's name, names the host namespace that holds
	// everything that belongs to that member and nothing else.
	ExecutionNamespacePrefix = "flotilla-es-"
)

// Labels that users write.
const (
	// TemplatesLabel on a host namespace, with the value TemplatesEnabled, makes it a template
	// namespace: its objects are templates only and never run on the host.
	TemplatesLabel = "flotilla.dev/templates"
	// TemplatesEnabled is the value of TemplatesLabel that turns a namespace into a template namespace.
	TemplatesEnabled = "enabled"
	// DeletionProtectedLabel on any object of the host, with the value DeletionProtectedAlways, keeps it from being
	// deleted until the label is taken off.
	DeletionProtectedLabel = "flotilla.dev/deletion-protected"
	// DeletionProtectedAlways is the value of DeletionProtectedLabel that protects.
	DeletionProtectedAlways = "Always"
	// RetainReplicasLabel on a template, with the value "true", leaves the replica count of the
	// member's object to the member (to an autoscaler there, for example).
	RetainReplicasLabel = "flotilla.dev/retain-replicas"
)

// PartOfLabel with the value PartOfFlotilla is on everything that installing Flotilla puts on the host: none of it is a template.
const (
	// PartOfLabel is Kubernetes' recommended label for the application that an object belongs to.
	PartOfLabel = "app.kubernetes.io/part-of"
	// PartOfFlotilla is its value.
	PartOfFlotilla = "flotilla"
)

// CredentialsRole is the ClusterRole that the manager binds to itself in each execution namespace, where no other name is configured.
const CredentialsRole = "flotilla-credentials"

// ClusterLabel on an execution namespace names the Cluster that it belongs to.
const ClusterLabel = "flotilla.dev/cluster"

// HostOnlyValue is the loadBalancerClass that Services get, and the scheduling gate that Pods get, in
// a template namespace. Both keep the host from acting on a template and never reach a member.
const HostOnlyValue = "flotilla.dev/template"

// Marks that Flotilla puts on every object that it creates in a member. Together they say whose the
// object is; an object without this host's marks is foreign and is left alone.
const (
	// ManagedLabel, with the value "true", marks objects in members that a Flotilla host manages.
	ManagedLabel = "flotilla.dev/managed"
	// HostAnnotation holds the UID of the host's kube-system namespace.
	HostAnnotation = "flotilla.dev/host"
	// BindingAnnotation holds the binding that wants the object: "namespace/name", or "/name" for a
	// ClusterResourceBinding.
	BindingAnnotation = "flotilla.dev/binding"
	// HashAnnotation holds the hash of the manifest that was applied last. An object whose hash equals
	// that of the manifest rendered now needs no write, also after a restart.
	HashAnnotation = "flotilla.dev/hash"
	// WrittenAnnotation holds when the object was written, as the lease renewal that the write relied on, from which versions of
	// binding and template, and after which gap (GapsAnnotation). By it a host that was restored from a backup tells what it has forgotten.
	WrittenAnnotation = "flotilla.dev/written"
)

// GapsAnnotation on the managers' lease holds the times of which the host remembers nothing: nobody held the lease then, as far as
// the host knows. Who removes it says that what the host holds is right, whatever members hold of such a time.
const GapsAnnotation = "flotilla.dev/gaps"

// Finalizers.
const (
	// BindingFinalizer holds a binding until no member keeps an object because of it.
	BindingFinalizer = "flotilla.dev/execution"
	// ClusterFinalizer holds a Cluster until what Flotilla put into the member is gone.
	ClusterFinalizer = "flotilla.dev/cluster"
)

// DecisionAnnotation on a binding is the scheduler's own memory of its last decision: what it decided upon, so
// that it can tell later what has changed. It is written together with spec.clusters.
const DecisionAnnotation = "flotilla.dev/decision"

// ActivationAnnotation on a binding identifies the content of the template with which a policy whose
// activationPreference is Lazy was taken over last.
const ActivationAnnotation = "flotilla.dev/activated-for"

// Annotations on a Cluster.
const (
	// ForceDeleteAnnotation, with the value "true", on a Cluster that is being deleted gives up on what
	// cannot be cleaned because the member does not answer. What stays behind is said in an event.
	ForceDeleteAnnotation = "flotilla.dev/force-delete"
	// AdoptFromAnnotation on a Cluster holds the UID of another host's kube-system namespace: what that host manages in the
	// member becomes this host's, where a binding wants an object of the same kind and name there. Meant for a host that takes
	// another's place. The other host leaves alone what it has lost.
	AdoptFromAnnotation = "flotilla.dev/adopt-from"
	// ConfirmedAnnotation on a Cluster is changed, to anything, after the host was restored from a backup. Who changes it as the field manager
	// ConfirmedManager says that what the host holds is right for this member, whatever the member holds that was written in what the
	// host had forgotten by then.
	ConfirmedAnnotation = "flotilla.dev/confirmed"
	// ConfirmedManager is the field manager of ConfirmedAnnotation, and of nothing else: the API server tells when it changed something last.
	ConfirmedManager = "flotilla-confirm"
)

// Keys of a member's credentials Secret, which lies in the member's execution namespace.
const (
	// CredentialsSecretName is the name of the credentials Secret when the Cluster names none.
	CredentialsSecretName = "credentials"
	// KubeconfigKey holds a whole kubeconfig. When present it wins over the other keys.
	KubeconfigKey = "kubeconfig"
	// TokenKey holds a bearer token.
	TokenKey = "token"
	// CABundleKey holds the PEM certificates that the member's API server is checked against.
	CABundleKey = "caBundle"
	// TokenExpiryAnnotation on the credentials Secret says when the token ends, as RFC 3339. A Secret
	// with this annotation is renewed by the manager; one without it is never written by Flotilla.
	TokenExpiryAnnotation = "flotilla.dev/token-expires"
)

// ExecutionNamespace is the host namespace that belongs to one member.
func ExecutionNamespace(cluster string) string { return ExecutionNamespacePrefix + cluster }

// Authorization: whoever is granted this verb on this virtual resource in a namespace may write what
// the admission policies refuse to everyone else in a template namespace.
const (
	// ManageVerb is the verb that the manager's role is granted.
	ManageVerb = "manage"
	// TemplatesResource is the virtual resource, in API group flotilla.dev, that ManageVerb is granted on.
	TemplatesResource = "templates"
)
