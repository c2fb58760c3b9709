package configfile

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// The apiVersion and kind of the file.
const (
	// APIVersion of the file.
	APIVersion = "config.flotilla.dev/v1alpha1"
	// Kind of the file.
	Kind = "ManagerConfiguration"
)

// Manager configures `flotilla manager`.
type Manager struct {
	metav1.TypeMeta `json:",inline"`

	// LeaderElection lets several managers run with one of them active.
	LeaderElection LeaderElection `json:"leaderElection"`
	// Metrics is the metrics endpoint.
	Metrics Metrics `json:"metrics"`
	// Health is the endpoint of the probes /healthz and /readyz.
	Health Endpoint `json:"health"`
	// Pprof is the profiling endpoint. It is off by default.
	Pprof Endpoint `json:"pprof"`
	// Clusters configures how members are watched over.
	Clusters Clusters `json:"clusters"`
	// Execution configures how members are written to.
	Execution Execution `json:"execution"`
	// Scheduling configures how templates are placed.
	Scheduling Scheduling `json:"scheduling"`
	// Descheduling configures what becomes of replicas that find no room in a member.
	Descheduling Descheduling `json:"descheduling"`
	// Failover configures what becomes of clusters that are lost.
	Failover Failover `json:"failover"`
	// FeatureGates turns features on and off, by name; package features has the names and their defaults.
	FeatureGates map[string]bool `json:"featureGates,omitempty"`
	// Admission configures the host's admission policies.
	Admission Admission `json:"admission"`
}

// LeaderElection lets several managers run with one of them active. The durations have client-go's meaning. Shorter ones make a
// take-over quicker, and a host that is slow for a while more likely to cause one.
type LeaderElection struct {
	// Enabled turns it on. Default: true.
	Enabled bool `json:"enabled"`
	// Namespace of the lease. Default: the manager's own namespace (environment variable POD_NAMESPACE), or
	// else flotilla-system.
	Namespace string `json:"namespace,omitempty"`
	// LeaseDuration is how long a lost manager's lease blocks the others, in whole seconds, more than renewDeadline. A manager that
	// is stopped gives it up at once. Default: 15s.
	LeaseDuration metav1.Duration `json:"leaseDuration"`
	// RenewDeadline is how long the active manager tries to renew its lease. When it has passed since the last renewal, that
	// manager changes nothing any more, whatever it was about to do: what is left of the lease is for what is still on its way.
	// More than 1.2 times retryPeriod. Default: 10s.
	RenewDeadline metav1.Duration `json:"renewDeadline"`
	// RetryPeriod is the time between renewals, more than 0 and at most 30s. Stand-bys look at the lease several times a second. Default: 2s.
	RetryPeriod metav1.Duration `json:"retryPeriod"`
}

// Metrics is the metrics endpoint.
type Metrics struct {
	// BindAddress such as ":8443"; "0" turns it off. Default: ":8443".
	BindAddress string `json:"bindAddress"`
	// Secure serves HTTPS and asks the host who may read (TokenReview and SubjectAccessReview on the URL
	// /metrics). Default: true.
	Secure bool `json:"secure"`
	// CertDir holds tls.crt and tls.key, both of which must be there at the start; empty makes a self-signed certificate.
	CertDir string `json:"certDir,omitempty"`
}

// Endpoint is an address to serve at.
type Endpoint struct {
	// BindAddress such as ":8081"; "0" turns it off.
	BindAddress string `json:"bindAddress"`
}

// Clusters configures how members are watched over.
type Clusters struct {
	// ProbeInterval is the time between probes of a member. Default: 10s, at least 100ms.
	ProbeInterval metav1.Duration `json:"probeInterval"`
	// ProbeTimeout is how long a probe may take. Default: 5s.
	ProbeTimeout metav1.Duration `json:"probeTimeout"`
	// FailureThreshold is how long a Ready member must fail before it is no longer Ready. Default: 30s.
	FailureThreshold metav1.Duration `json:"failureThreshold"`
	// SuccessThreshold is how long a failed member must answer before it is Ready again. Default: 30s.
	SuccessThreshold metav1.Duration `json:"successThreshold"`
}

// Execution configures how members are written to.
type Execution struct {
	// WorkersPerMember is how many objects of one member are worked on at the same time. Default: 16.
	WorkersPerMember int `json:"workersPerMember"`
}

// Scheduling configures how templates are placed.
type Scheduling struct {
	// Capacity is where the room of members is found out whose Clusters do not say it in spec.capacity: nodes, summary
	// or none. Default: nodes.
	Capacity v1alpha1.CapacitySource `json:"capacity"`
}

// Descheduling configures what becomes of replicas that find no room in a member.
type Descheduling struct {
	// Enabled sends such replicas to other members. Default: true.
	Enabled bool `json:"enabled"`
	// Threshold is how long a pod must have been unschedulable. Default: 5m, at least 1s.
	Threshold metav1.Duration `json:"threshold"`
	// CoolDown is how long the member gets no more replicas. Default: 10m, at least 1s.
	CoolDown metav1.Duration `json:"coolDown"`
	// Interval is the time between two looks at all members. Default: 30s, at least 100ms.
	Interval metav1.Duration `json:"interval"`
}

// Failover configures what becomes of clusters that are lost: that do not answer, or not as healthy ones. It takes effect with
// the feature gate Failover.
type Failover struct {
	// NoExecuteDelay is how long a cluster must have been not Ready until it gets the taint that evicts. Whether the whole fleet
	// is lost at once shows within one probe of each member, so that it should be longer than clusters.probeInterval and
	// clusters.probeTimeout together. Default: 30s.
	NoExecuteDelay metav1.Duration `json:"noExecuteDelay"`
	// UnhealthyPercent is which share of clusters is many, in percent. Of a group of clusters with the same provider and region, so many make
	// evictions there slow; of all clusters, so many at once stop evictions. Default: 55, from 1 to 100.
	UnhealthyPercent int `json:"unhealthyPercent"`
	// Toleration is how long the taints that evict from clusters that are lost are tolerated by placements that say nothing
	// about them. Default: 5m, at least 0.
	Toleration metav1.Duration `json:"toleration"`
	// GracePeriod is how long a cluster that is left keeps what it has when its replacement does not become ready, where an
	// eviction task does not say otherwise. A last ready copy stays longer. Default: 10m, at least 1s. (The peer's
	// --graceful-eviction-timeout.)
	GracePeriod metav1.Duration `json:"gracePeriod"`
	// EvictionRate is how many evictions may begin in a second from each group of clusters, because they are lost; and
	// how many for other causes (drains, users' taints, failed applications), which count apart. 0 lets none begin. Default: 50,
	// at least 0.
	EvictionRate float64 `json:"evictionRate"`
	// SlowEvictionRate is how many begin because clusters are lost in a group of which many are. Default: 5, at least 0.
	SlowEvictionRate float64 `json:"slowEvictionRate"`
}

// Admission configures the host's admission policies.
type Admission struct {
	// Install lets the manager install and repair the admission policies at start. Default: true.
	Install bool `json:"install"`
}

// Default is the configuration without a file.
func Default() Manager {
	seconds := func(n int) metav1.Duration { return metav1.Duration{Duration: time.Duration(n) * time.Second} }
	return Manager{
		TypeMeta: metav1.TypeMeta{APIVersion: APIVersion, Kind: Kind},
		// client-go's recommended durations, see LeaderElectionConfig in k8s.io/client-go.
		LeaderElection: LeaderElection{Enabled: true, LeaseDuration: seconds(15), RenewDeadline: seconds(10), RetryPeriod: seconds(2)},
		Metrics:        Metrics{BindAddress: ":8443", Secure: true},
		Health:         Endpoint{BindAddress: ":8081"},
		Pprof:          Endpoint{BindAddress: "0"},
		Clusters: Clusters{
			ProbeInterval: seconds(10), ProbeTimeout: seconds(5),
			FailureThreshold: seconds(30), SuccessThreshold: seconds(30),
		},
		Execution:  Execution{WorkersPerMember: 16},
		Scheduling: Scheduling{Capacity: v1alpha1.CapacityNodes},
		Descheduling: Descheduling{
			Enabled: true, Threshold: seconds(300), CoolDown: seconds(600), Interval: seconds(30),
		},
		// 55 percent is the node lifecycle controller's --unhealthy-zone-threshold.
		Failover:  Failover{NoExecuteDelay: seconds(30), UnhealthyPercent: 55, Toleration: seconds(300), GracePeriod: seconds(600), EvictionRate: 50, SlowEvictionRate: 5},
		Admission: Admission{Install: true},
	}
}
