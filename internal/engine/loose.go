package engine

import (
	"context"
	"errors"
	"time"
)

// looseTime is how long one sweep may take to remove bytes: the leases of runs are
// renewed between sweeps, and a disk can take a second to let go of a large file.
const looseTime = 100 * time.Millisecond

// removeLooseBlobs ends uploads in parts that were not completed in time, and
// removes the bytes of parts, and of files half made, that belong to nothing.
func (e *Engine) removeLooseBlobs(ctx context.Context) {
	err := e.Store.ExpireUploads(ctx, 100)
	keys, lookErr := e.Store.LooseBlobs(ctx, 100)
	err = errors.Join(err, lookErr)
	start := time.Now()
	for i, key := range keys {
		if time.Since(start) > looseTime {
			keys = keys[:i] // the next sweep goes on
			break
		}
		if deleteErr := e.Files.Delete(key); deleteErr != nil {
			err = errors.Join(err, deleteErr)
			keys = keys[:i]
			break
		}
	}
	if len(keys) > 0 {
		err = errors.Join(err, e.Store.ForgetBlobs(ctx, keys...))
	}
	if err != nil && ctx.Err() == nil {
		e.Logger.Error("cannot remove what uploads left behind", "err", err)
	}
}
