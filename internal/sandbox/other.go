//go:build !linux

package sandbox

import (
	"context"
	"errors"
	"io"
)

// Sessions need namespaces. Elsewhere the package builds, and Run returns ErrIsolation.

var (
	errUnsupported = errors.New("sandbox: needs Linux")
	errVolumeLost  = errUnsupported
)

func memoryAvailable(int64) int64 { return 0 }

func newDriver(context.Context, Config) (driver, error) { return nil, errUnsupported }

func (*volume) open(string, int64) (*File, error)           { return nil, errUnsupported }
func (*volume) list(int) (map[string]fileState, int, error) { return nil, 0, errUnsupported }
func (*volume) place(*supply, Input, int64) error           { return errUnsupported }
func (*volume) copyFrom(*supply, *volume, Limits) (map[string]fileState, error) {
	return nil, errUnsupported
}
func (*volume) room() room                        { return room{} }
func (*volume) restore(FileInfo, io.Reader) error { return errUnsupported }

func remedyFor(error) string { return "run the server on Linux" }
