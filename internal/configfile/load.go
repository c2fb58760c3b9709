package configfile

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/features"
)

// Load reads the file at path over the defaults; an empty path gives the defaults. A field that is not known, a value out of bounds,
// or a file that a field names and that is not there, is an error that names it.
func Load(path string) (Manager, error) {
	m := Default()
	if path == "" {
		return m, nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return Manager{}, fmt.Errorf("reading the configuration: %w", err)
	}
	m.APIVersion, m.Kind = "", ""
	if err := yaml.UnmarshalStrict(content, &m); err != nil {
		if errs := badDurations(content); len(errs) > 0 {
			return Manager{}, fmt.Errorf("the configuration %s is not valid: %w", path, errs.ToAggregate())
		}
		return Manager{}, fmt.Errorf("decoding the configuration %s: %w", path, err)
	}
	if err := append(Validate(m), missingFiles(m)...).ToAggregate(); err != nil {
		return Manager{}, fmt.Errorf("the configuration %s is not valid: %w", path, err)
	}
	return m, nil
}

// missingFiles finds what a configuration names and what is not there: whoever wants a certificate of theirs served must not get one that
// the manager has signed itself.
func missingFiles(m Manager) field.ErrorList {
	if m.Metrics.CertDir == "" {
		return nil
	}
	path := field.NewPath("metrics", "certDir")
	for _, name := range []string{"tls.crt", "tls.key"} {
		if _, err := os.Stat(filepath.Join(m.Metrics.CertDir, name)); err != nil {
			return field.ErrorList{field.Invalid(path, m.Metrics.CertDir, "must hold tls.crt and tls.key: "+err.Error())}
		}
	}
	return nil
}

// Validate finds what is wrong with the values of a configuration.
func Validate(m Manager) field.ErrorList {
	var errs field.ErrorList
	if m.APIVersion != APIVersion {
		errs = append(errs, field.NotSupported(field.NewPath("apiVersion"), m.APIVersion, []string{APIVersion}))
	}
	if m.Kind != Kind {
		errs = append(errs, field.NotSupported(field.NewPath("kind"), m.Kind, []string{Kind}))
	}
	errs = append(errs, validateLeaderElection(m.LeaderElection, field.NewPath("leaderElection"))...)
	errs = append(errs, validateClusters(m.Clusters, field.NewPath("clusters"))...)
	switch m.Scheduling.Capacity {
	case v1alpha1.CapacityNodes, v1alpha1.CapacitySummary, v1alpha1.CapacityNone:
	default:
		errs = append(errs, field.NotSupported(field.NewPath("scheduling", "capacity"), m.Scheduling.Capacity,
			[]v1alpha1.CapacitySource{v1alpha1.CapacityNodes, v1alpha1.CapacitySummary, v1alpha1.CapacityNone}))
	}
	errs = append(errs, validateDescheduling(m.Descheduling, field.NewPath("descheduling"))...)
	errs = append(errs, validateFailover(m.Failover, field.NewPath("failover"))...)
	if _, err := features.Read(m.FeatureGates); err != nil {
		errs = append(errs, field.Invalid(field.NewPath("featureGates"), m.FeatureGates, err.Error()))
	}
	if m.Execution.WorkersPerMember < 1 {
		errs = append(errs, field.Invalid(field.NewPath("execution", "workersPerMember"), m.Execution.WorkersPerMember, "must be at least 1"))
	}
	return errs
}

// retryJitter is client-go's: a try may be that much later.
const retryJitter = 1.2

// maxRetryPeriod keeps renewals as close to each other as package history takes them to be: a backup is made less than a minute after the
// last one in it.
const maxRetryPeriod = 30 * time.Second

func validateLeaderElection(l LeaderElection, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if l.RetryPeriod.Duration <= 0 {
		errs = append(errs, field.Invalid(path.Child("retryPeriod"), l.RetryPeriod.Duration.String(), "must be more than 0"))
	}
	if l.RetryPeriod.Duration > maxRetryPeriod {
		errs = append(errs, field.Invalid(path.Child("retryPeriod"), l.RetryPeriod.Duration.String(), "must be at most 30s"))
	}
	if float64(l.RenewDeadline.Duration) <= retryJitter*float64(l.RetryPeriod.Duration) {
		errs = append(errs, field.Invalid(path.Child("renewDeadline"), l.RenewDeadline.Duration.String(), "must be more than 1.2 times retryPeriod"))
	}
	switch {
	case l.LeaseDuration.Duration <= l.RenewDeadline.Duration:
		errs = append(errs, field.Invalid(path.Child("leaseDuration"), l.LeaseDuration.Duration.String(), "must be more than renewDeadline"))
	case l.LeaseDuration.Duration%time.Second != 0: // a Lease holds whole seconds, and the others go by that
		errs = append(errs, field.Invalid(path.Child("leaseDuration"), l.LeaseDuration.Duration.String(), "must be in whole seconds"))
	}
	return errs
}

// minSweepInterval and minPatience keep a typing error from becoming a load test, or from moving every pod that
// is a moment late.
const (
	minSweepInterval = 100 * time.Millisecond
	minPatience      = time.Second
)

func validateDescheduling(d Descheduling, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if d.Threshold.Duration < minPatience {
		errs = append(errs, field.Invalid(path.Child("threshold"), d.Threshold.Duration.String(), "must be at least 1s"))
	}
	if d.CoolDown.Duration < minPatience {
		errs = append(errs, field.Invalid(path.Child("coolDown"), d.CoolDown.Duration.String(), "must be at least 1s"))
	}
	if d.Interval.Duration < minSweepInterval {
		errs = append(errs, field.Invalid(path.Child("interval"), d.Interval.Duration.String(), "must be at least 100ms"))
	}
	return errs
}

func validateFailover(f Failover, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if f.NoExecuteDelay.Duration < 0 {
		errs = append(errs, field.Invalid(path.Child("noExecuteDelay"), f.NoExecuteDelay.Duration.String(), "must not be negative"))
	}
	if f.GracePeriod.Duration < time.Second {
		errs = append(errs, field.Invalid(path.Child("gracePeriod"), f.GracePeriod.Duration.String(), "must be at least 1s"))
	}
	if f.Toleration.Duration < 0 {
		errs = append(errs, field.Invalid(path.Child("toleration"), f.Toleration.Duration.String(), "must not be negative"))
	}
	if f.UnhealthyPercent < 1 || f.UnhealthyPercent > 100 {
		errs = append(errs, field.Invalid(path.Child("unhealthyPercent"), f.UnhealthyPercent, "must be from 1 to 100"))
	}
	if f.EvictionRate < 0 {
		errs = append(errs, field.Invalid(path.Child("evictionRate"), f.EvictionRate, "must not be negative"))
	}
	if f.SlowEvictionRate < 0 {
		errs = append(errs, field.Invalid(path.Child("slowEvictionRate"), f.SlowEvictionRate, "must not be negative"))
	}
	return errs
}

// minProbeInterval keeps a typing error from becoming a load test of every member.
const minProbeInterval = 100 * time.Millisecond

func validateClusters(c Clusters, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if c.ProbeInterval.Duration < minProbeInterval {
		errs = append(errs, field.Invalid(path.Child("probeInterval"), c.ProbeInterval.Duration.String(), "must be at least 100ms"))
	}
	if c.ProbeTimeout.Duration <= 0 {
		errs = append(errs, field.Invalid(path.Child("probeTimeout"), c.ProbeTimeout.Duration.String(), "must be more than 0"))
	}
	if c.FailureThreshold.Duration < 0 {
		errs = append(errs, field.Invalid(path.Child("failureThreshold"), c.FailureThreshold.Duration.String(), "must not be negative"))
	}
	if c.SuccessThreshold.Duration < 0 {
		errs = append(errs, field.Invalid(path.Child("successThreshold"), c.SuccessThreshold.Duration.String(), "must not be negative"))
	}
	return errs
}
