// Package repository answers one question: does this repository keep the promises about itself that
// neither the compiler nor the linter looks after?
//
// Its tests read the files of the work tree, the module cache (for licences) and nothing else; they
// write nothing. `make check-repository` runs them, and with it `make verify`.
package repository
