// Package recent answers: what has changed so lately that nobody may have served it yet?
//
// A manager that takes over looks at everything again, behind what users do from then on. What they did while nobody led
// is in that heap, too; a stand-by therefore keeps a log of the latest changes, and serves those first. It is memory only:
// what is missing in it is served with the rest.
package recent
