// Package image answers: which image does a Dockerfile describe? It follows the steps of the file without a container
// engine: the stage that builds runs on this machine, which stands in for its base image, and the stage that ships starts
// from nothing. It reads the context, the files of the machine that steps copy from the base image, and the environment
// of the Go tools; it owns a temporary folder while it works, and writes an OCI layout.
//
// The same context, arguments and toolchain give the same digest: every file is owned by root, has the time of the
// build, and layers hold their files in the order of their names.
package image
