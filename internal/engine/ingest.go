package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/search"
	"github.com/understudy-dev/understudy/internal/store"
)

const (
	// maxIndexedTokens bounds the text of one file in a vector store.
	maxIndexedTokens = 5_000_000
	// ingestPatience is how long a file is tried that cannot be read for a reason
	// which is not its own. The lease on it lapses between two attempts.
	ingestPatience = 5 * time.Minute
)

// Ingest says that files wait to be put into vector stores. It does not block.
func (e *Engine) Ingest() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx == nil || len(e.ingesting) >= e.MaxIngestions {
		e.moreToIngest = true
		return
	}
	w := &ingestion{}
	e.ingesting[w] = struct{}{}
	ctx := e.ctx
	e.wg.Go(func() {
		for e.ingestNext(ctx, w) {
		}
		e.mu.Lock()
		delete(e.ingesting, w)
		again := e.moreToIngest && ctx.Err() == nil
		e.moreToIngest = false
		e.mu.Unlock()
		if again {
			e.Ingest()
		}
	})
}

// ingestion is the work of one goroutine on one file after the other.
type ingestion struct {
	claim  store.IngestClaim // guarded by Engine.mu; what its lease is renewed for
	active bool
}

// ingestNext puts the next file that waits into its vector store. It reports
// whether there was one.
func (e *Engine) ingestNext(ctx context.Context, w *ingestion) bool {
	claim, vf, f, err := e.Store.ClaimIngestion(ctx, e.Node, e.Lease)
	if errors.Is(err, store.ErrNotClaimable) {
		return false
	}
	if err != nil {
		if ctx.Err() == nil {
			e.Logger.Error("cannot claim a file to ingest", "err", err)
		}
		return false
	}
	e.mu.Lock()
	w.claim, w.active = claim, true
	e.mu.Unlock()
	e.Ingest() // somebody else looks for the next one
	defer func() {
		e.mu.Lock()
		w.active = false
		e.mu.Unlock()
	}()
	log := e.Logger.With("vector_store_id", claim.StoreID, "file_id", claim.FileID)
	start := time.Now()
	segment, err := e.index(ctx, vf, f)
	switch {
	case ctx.Err() != nil:
		return false // Run gives the claim back
	case err == nil:
		err = e.keepSegment(ctx, claim, segment)
	default:
		err = e.giveUp(ctx, claim, vf, err)
	}
	switch {
	case err == nil:
		log.Info("file ingested", "bytes", f.Bytes, "duration", time.Since(start).Round(time.Microsecond))
	case errors.Is(err, store.ErrLeaseLost): // it was taken out of the store, or cancelled
	case ctx.Err() == nil:
		log.Error("cannot ingest a file", "err", err)
	}
	return true
}

// renewIngestions extends the leases of the files that are being ingested here.
func (e *Engine) renewIngestions(ctx context.Context) {
	var claims []store.IngestClaim
	e.mu.Lock()
	for w := range e.ingesting {
		if w.active {
			claims = append(claims, w.claim)
		}
	}
	e.mu.Unlock()
	if len(claims) == 0 {
		return
	}
	if err := e.Store.RenewIngestions(ctx, e.Node, claims, e.Lease); err != nil && ctx.Err() == nil {
		e.Logger.Error("cannot renew leases on files", "err", err)
	}
}

// releaseIngestions gives back the files that were being ingested when ctx ended,
// once nobody works on them any more.
func (e *Engine) releaseIngestions(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrites)
	defer cancel()
	if err := e.Store.ReleaseIngestions(ctx, e.Node); err != nil {
		e.Logger.Error("cannot give back files to ingest", "err", err)
	}
}

// index reads a file and indexes its text.
func (e *Engine) index(ctx context.Context, vf *understudy.VectorStoreFile, f *understudy.File) (*search.Segment, error) {
	text, err := e.extract(ctx, f)
	if err != nil {
		return nil, err
	}
	size, overlap := vf.ChunkingStrategy.Tokens()
	chunks := search.Split(text, size, overlap)
	if tokens := len(chunks) * (size - overlap); tokens > maxIndexedTokens { // what a chunk adds to the one before
		return nil, invalid("The file has about %d tokens of text, more than the %d that can be searched.", tokens, maxIndexedTokens)
	}
	return search.Build(text, chunks), nil
}

// keepSegment stores the index of a file and completes the file.
func (e *Engine) keepSegment(ctx context.Context, c store.IngestClaim, s *search.Segment) error {
	data, err := s.MarshalBinary()
	if err != nil {
		return err
	}
	if _, err := e.Files.Put(ctx, c.Segment, bytes.NewReader(data)); err != nil {
		return err
	}
	if err := e.Store.FinishIngestion(ctx, c, s.UsageBytes()); err != nil {
		return errors.Join(err, e.Files.Delete(c.Segment))
	}
	e.segments.add(c.Segment, s)
	return nil
}

// errLeft says that a file has left its vector store, or was indexed anew, since
// its row was read.
var errLeft = errors.New("the file has left the vector store")

// segment returns the index of a file, from memory if it is there, or [errLeft].
func (e *Engine) segment(ctx context.Context, f store.IndexedFile) (*search.Segment, error) {
	s, err := e.loadSegment(f.Segment)
	if errors.Is(err, fs.ErrNotExist) {
		now, err := e.Store.IndexedFile(ctx, f.StoreID, f.FileID)
		if _, told := errors.AsType[*understudy.Error](err); told || err == nil && now.Segment != f.Segment {
			return nil, errLeft
		}
	}
	return s, err
}

func (e *Engine) loadSegment(key string) (*search.Segment, error) {
	return e.segments.get(key, func() (*search.Segment, error) {
		r, err := e.Files.Open(key)
		if err != nil {
			return nil, fmt.Errorf("index segment: %w", err)
		}
		defer r.Close()
		data, err := io.ReadAll(r)
		if err != nil {
			return nil, fmt.Errorf("index segment %s: %w", key, err)
		}
		s, err := search.Parse(data)
		if err != nil {
			return nil, fmt.Errorf("index segment %s: %w", key, err)
		}
		return s, nil
	})
}

// Search finds chunks in the completed files of vector stores: those that fit
// best first, at most q.MaxResults. Stores that do not exist hold nothing; a file
// that is in several counts once.
func (e *Engine) Search(ctx context.Context, storeIDs []string, q understudy.SearchRequest) ([]understudy.SearchHit, error) {
	if len(storeIDs) == 0 || len(q.Queries) == 0 {
		return nil, ctx.Err()
	}
	all, err := e.Store.IndexedFiles(ctx, storeIDs...)
	if err != nil {
		return nil, err
	}
	var files []store.IndexedFile
	var segments []*search.Segment
	seen := make(map[string]bool, len(all))
	for _, f := range all {
		if seen[f.FileID] || !q.Filter.Match(f.Attributes) {
			continue
		}
		seen[f.FileID] = true
		s, err := e.segment(ctx, f)
		if errors.Is(err, errLeft) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		files = append(files, f)
		segments = append(segments, s)
	}
	hits := []understudy.SearchHit{}
	for _, r := range search.Rank(segments, q.Queries, q.MaxResults) {
		if r.Score < q.ScoreThreshold {
			continue
		}
		f := files[r.Segment]
		hits = append(hits, understudy.SearchHit{
			StoreID: f.StoreID, FileID: f.FileID, Filename: f.Filename, Score: r.Score, Attributes: f.Attributes,
			Text: segments[r.Segment].Chunk(r.Chunk),
		})
	}
	return hits, nil
}

// FileText returns the text that was found in a completed file of a vector store.
func (e *Engine) FileText(ctx context.Context, storeID, fileID string) (string, error) {
	f, err := e.Store.IndexedFile(ctx, storeID, fileID)
	if err != nil {
		return "", err
	}
	s, err := e.segment(ctx, f)
	if errors.Is(err, errLeft) {
		return e.FileText(ctx, storeID, fileID) // of what there is now
	}
	if err != nil {
		return "", err
	}
	return s.Text(), nil
}

// expireVectorStores lets vector stores expire whose time is over.
func (e *Engine) expireVectorStores(ctx context.Context) {
	if err := e.Store.ExpireVectorStores(ctx); err != nil && ctx.Err() == nil {
		e.Logger.Error("cannot let vector stores expire", "err", err)
	}
}

// giveUp records why a file could not be ingested, or leaves it for another
// attempt if that was not its own fault.
func (e *Engine) giveUp(ctx context.Context, c store.IngestClaim, vf *understudy.VectorStoreFile, why error) error {
	fault, own := errors.AsType[*extractError](why)
	switch {
	case own:
		return e.Store.FailIngestion(ctx, c, understudy.VectorStoreFileError{Code: fault.Code, Message: fault.Message})
	case time.Since(time.Unix(vf.CreatedAt, 0)) < ingestPatience:
		return why // the next attempt follows when the lease has lapsed
	}
	e.Logger.Error("giving up on a file", "vector_store_id", c.StoreID, "file_id", c.FileID, "err", why)
	return e.Store.FailIngestion(ctx, c, understudy.VectorStoreFileError{
		Code: understudy.VectorStoreFileServerError, Message: "The file could not be processed.",
	})
}

// awaitIngestion returns once no file of a vector store is being ingested, or once
// one can be searched, if some are enough.
func (e *Engine) awaitIngestion(ctx context.Context, storeID string, some bool) error {
	for {
		ready, err := e.settledStore(ctx, storeID, some)
		if err != nil || ready {
			return err
		}
	}
}

// settledStore waits until a vector store may have settled, unless it has what
// awaitIngestion waits for. It reports whether it had that.
func (e *Engine) settledStore(ctx context.Context, storeID string, some bool) (ready bool, err error) {
	settled, leave := e.Store.Watch(storeID)
	defer leave()
	s, err := e.Store.VectorStore(ctx, storeID)
	switch {
	case understudy.IsNotFound(err):
		return true, nil
	case err != nil:
		return false, err
	case s.FileCounts.InProgress == 0, some && s.FileCounts.Completed > 0:
		return true, nil
	}
	select {
	case <-settled:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}
