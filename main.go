// Package main is the single Flotilla binary: manager and kubectl plugin in one.
package main

func main() {}
