package admission

import "embed"

// Files holds every policy and binding of this folder: the validating ones at the top, and in the folder
// mutating those that need a host of Kubernetes 1.36 or later.
//
//go:embed clusters-first.yaml deletion-protection.yaml resource-templates.yaml templates-*.yaml policies-*.yaml mutating/pods.yaml mutating/services.yaml
var Files embed.FS
