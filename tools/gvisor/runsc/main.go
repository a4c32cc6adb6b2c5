// Command runsc is gVisor's program of that name, whose garbage collector waits longer.
// `make runsc` builds it: see the command beside it.
package main

import (
	"runtime/debug"

	"gvisor.dev/gvisor/runsc/cli/maincli"
)

// gcPercent lets the heap grow to 16 MiB before it is collected for the first time. A
// sandbox needs less until it is restored; with Go's own 100 its heap is collected
// several times on the way.
const gcPercent = 400

func main() {
	debug.SetGCPercent(gcPercent)
	maincli.Main()
}
