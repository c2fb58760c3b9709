// Package dockerfile answers: which steps does a Dockerfile ask for, and which files of the context may they see? It
// knows the part of the language that this repository's Dockerfiles use and refuses everything else, so that no step
// is skipped in silence. It takes the text of a Dockerfile and of a .dockerignore; it writes and owns nothing.
package dockerfile
