// Package bundled answers: what do the kinds mean that many people run, and that Kubernetes itself does not have?
//
// Each of its YAML files is a ResourceInterpreter, as a user would write it, and testdata has a file of the same name
// with cases. A user's own ResourceInterpreter goes before it. The package looks at values only: it reads nothing but what
// is embedded in it, writes nothing and owns nothing.
package bundled
