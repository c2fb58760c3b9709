// Package admission answers: does a real host keep templates from running, and leave everything else as it is?
//
// Its tests start a host, install config/ there, let the manager's own installer (with the manager's own
// rights) write the admission policies, and then act as users and as Kubernetes' controllers. They write
// to namespaces of their own only.
package admission
