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
// removes bytes that belong to nothing: of parts, of files half made, and of the
// indexes of files that have left their vector stores.
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
		e.segments.remove(key)
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
		e.Logger.Error("cannot remove what belongs to nothing", "err", err)
	}
}
