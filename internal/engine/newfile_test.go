package engine_test

import (
	"github.com/understudy-dev/understudy/internal/sandbox"
	"io"
	"strings"
)

func newSandboxFile(name, content string) *sandbox.File {
	return &sandbox.File{ReadCloser: io.NopCloser(strings.NewReader(content)), Size: int64(len(content)), Name: name}
}
