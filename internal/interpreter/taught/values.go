package taught

import (
	"cmp"
	"strconv"
)

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// sum adds numbers up, whole ones as long as all are. What is no number does not count.
func sum(values []any) any {
	whole, broken, isBroken := int64(0), 0.0, false
	for _, value := range values {
		switch n := value.(type) {
		case int64:
			whole += n
		case float64:
			broken, isBroken = broken+n, true
		}
	}
	if isBroken {
		return broken + float64(whole)
	}
	return whole
}

// extreme is the least (sign -1) or greatest (sign 1) value. Values that cannot be compared with the first do not count.
func extreme(values []any, sign int) any {
	best := values[0]
	for _, value := range values[1:] {
		if compare(value, best)*sign > 0 {
			best = value
		}
	}
	return best
}

// compare is 0 for values that cannot be compared.
func compare(a, b any) int {
	x, aIsText := a.(string)
	y, bIsText := b.(string)
	if aIsText && bIsText {
		return cmp.Compare(x, y)
	}
	m, aIsNumber := float(a)
	n, bIsNumber := float(b)
	if aIsNumber && bIsNumber {
		return cmp.Compare(m, n)
	}
	return 0
}

func float(value any) (float64, bool) {
	switch n := value.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	default:
		return 0, false
	}
}

func countTrue(values []any) int {
	n := 0
	for _, value := range values {
		if value == true {
			n++
		}
	}
	return n
}
