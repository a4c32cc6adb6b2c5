// Package measure is what the benchmarks share: facts of the machine, memory of
// processes, and percentiles.
package measure

import (
	"cmp"
	"slices"
	"time"
)

// Percentile returns the p-th percentile of values, which it sorts: the smallest
// that p of a hundred do not exceed. There must be one at least.
func Percentile[T cmp.Ordered](values []T, p int) T {
	slices.Sort(values)
	return values[max(0, (len(values)*p+99)/100-1)]
}

// Milliseconds returns d in milliseconds.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// MiB returns bytes in mebibytes.
func MiB(bytes int64) float64 { return float64(bytes) / (1 << 20) }
