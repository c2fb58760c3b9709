// Package expression answers: does a CEL expression compile, can it cost too much, and what does it return?
//
// A Program is compiled once, is bounded in what an evaluation costs, and is safe for concurrent use. The package looks
// at values only: it reads nothing, writes nothing and owns nothing.
package expression
