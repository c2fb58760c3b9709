// Package adoption holds the tests of members that change hands: of a host that is lost for good, whose place another one takes, and
// of credentials that end while a manager works. What runs in members is neither restarted nor deleted by either.
package adoption
