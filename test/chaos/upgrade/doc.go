// Package upgrade holds the tests of going from the previous version to this one: what users have stored stays valid, leadership
// moves once, and members notice nothing.
package upgrade
