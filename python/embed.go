// Package python holds what the sandbox's Python environment is made of: requirements.in names the packages that a
// code-interpreter cell can import, and the lock files pin them. internal/pyenv installs them.
package python

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed *.lock
var locks embed.FS

// Lock returns the pinned requirements, in pip's format with hashes, for a CPython ABI such as "cp312". It fails for an
// ABI without a lock.
func Lock(abi string) (string, error) {
	text, err := fs.ReadFile(locks, abi+".lock")
	if err != nil {
		return "", fmt.Errorf("no locked packages for python abi %q", abi)
	}
	return string(text), nil
}
