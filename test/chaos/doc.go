// Package chaos breaks pieces of a running fleet and checks what must hold all the same: nothing lost, no
// orphan, nothing twice, no foreign object touched.
package chaos
