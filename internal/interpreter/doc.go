// Package interpreter answers: what does a kind mean? How many replicas an object asks for and what one of
// them needs, how to give it another number, whether a member's object does what it should, what of a
// member's status is worth keeping, and what the members' statuses add up to.
//
// It looks at values only: it reads nothing and writes nothing. It owns the table of what users teach, which is replaced as a
// whole. Each operation has a file of its own and knows the native kinds; what users teach goes before that, and for kinds that
// are not native, what is bundled after it. Every other kind is judged by the conventions that kstatus knows and reflected
// as it is.
package interpreter
