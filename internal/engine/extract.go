package engine

import (
	"context"
	"io"

	"github.com/understudy-dev/understudy"
)

type extractError struct{ Code, Message string }

func (e *extractError) Error() string { return e.Message }

func (e *Engine) extract(ctx context.Context, f *understudy.File) (string, error) {
	r, err := e.Files.Open(f.ID)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}
