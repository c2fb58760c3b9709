// Package performance measures what Flotilla costs and how quick it is. Counts are asserted, because they are the
// same on every machine; times are printed, as percentiles and ratios, and never asserted. FLOTILLA_LONG=1 measures at the full scale of the design's budgets.
package performance
