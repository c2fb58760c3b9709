// Package crdcompat answers: is everything that the old CustomResourceDefinition takes still taken, and kept, by the new one?
package crdcompat
