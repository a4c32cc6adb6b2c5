// Command runsc is gVisor's program of that name, whose garbage collector waits longer
// for the first time. `make runsc` builds it: see the command beside it.
package main

import (
	"runtime"
	"runtime/debug"

	"gvisor.dev/gvisor/runsc/cli/maincli"
)

// Percentages for debug.SetGCPercent. A heap of 4 MiB is collected first with Go's own,
// and one of 16 MiB with the other: a sandbox needs less until it is restored, and would
// collect it several times on the way.
const (
	usual = 100
	first = 400
)

func main() {
	debug.SetGCPercent(first)
	runtime.AddCleanup(new(*byte), func(int) { debug.SetGCPercent(usual) }, 0) // after the first collection
	maincli.Main()
}
